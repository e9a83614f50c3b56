"""Reads MediaPipe's TFLite networks and runs the face mesh in PyTorch.

The schema comes from the mediapipe package. Only the operators of the face mesh are implemented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
CONSTANT_OPERATORS = ("DEQUANTIZE", "DENSIFY")
SAME = 0  # the padding of TFLite's enumeration; 1 is VALID


class Network:
    """One TFLite network: its operators in execution order, and its constants as float32 tensors."""

    def __init__(self, data: bytes):
        from mediapipe.tasks.metadata import schema_py_generated as schema

        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        self._graph = self._model.subgraphs[0]
        known = vars(schema.BuiltinOperator).items()
        names = {value: name for name, value in known if isinstance(value, int)}
        used = self._model.operatorCodes
        codes = [names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in used]
        self.operators = [(codes[operator.opcodeIndex], operator) for operator in self._graph.operators]
        kinds = schema.TensorType
        self._dtypes = {kinds.FLOAT32: np.float32, kinds.FLOAT16: np.float16, kinds.INT32: np.int32}

    @cached_property
    def constants(self) -> dict[int, Tensor]:
        """Constant tensors by index, those behind DEQUANTIZE and DENSIFY included."""
        found = {}
        for index, tensor in enumerate(self._graph.tensors):
            data = self._model.buffers[tensor.buffer].data
            if data is not None and tensor.type in self._dtypes:
                values = np.frombuffer(bytes(data), self._dtypes[tensor.type]).astype(np.float32)
                found[index] = torch.from_numpy(_dense(values, tensor))
        for name, operator in self.operators:
            if name in CONSTANT_OPERATORS and operator.inputs[0] in found:
                found[int(operator.outputs[0])] = found[operator.inputs[0]]
        return found

    def layers(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Weight (O, I, kH, kW) and bias of every convolution, in execution order."""
        for name, operator in self.operators:
            if name in CONVOLUTIONS:
                yield self._layer(name, operator)

    def factors(self, operator_name: str, size: int) -> list[Tensor]:
        """The constant operands with `size` elements of every operator of that name, in execution order."""
        chosen = (operator for name, operator in self.operators if name == operator_name)
        constants = [self.constants[k] for operator in chosen for k in operator.inputs if k in self.constants]
        return [constant for constant in constants if constant.numel() == size]

    def run(self, image: Tensor, outputs: int) -> list[Tensor]:
        """The first `outputs` outputs (B, C, H, W) for an image batch (B, 3, H, W)."""
        wanted = [int(index) for index in self._graph.outputs[:outputs]]
        values = {int(self._graph.inputs[0]): image}
        for name, operator in self.operators:
            if int(operator.outputs[0]) in self.constants:
                continue
            if all(index in values for index in wanted):
                break
            values[int(operator.outputs[0])] = self._compute(name, operator, values)
        return [values[index] for index in wanted]

    def _layer(self, name: str, operator) -> tuple[Tensor, Tensor]:
        weight, bias = (self.constants[int(index)] for index in operator.inputs[1:3])
        # CONV_2D is (O, kH, kW, I); DEPTHWISE_CONV_2D is (1, kH, kW, O) with one input channel per output.
        order = (0, 3, 1, 2) if name == "CONV_2D" else (3, 0, 1, 2)
        return weight.permute(order).contiguous(), bias

    def _compute(self, name: str, operator, values: dict[int, Tensor]) -> Tensor:
        x = values[int(operator.inputs[0])]
        if name in CONVOLUTIONS:
            weight, bias = self._layer(name, operator)
            stride = operator.builtinOptions.strideH
            if operator.builtinOptions.padding == SAME:
                x = _pad_same(x, weight.shape[-1], stride)
            return F.conv2d(x, weight, bias, stride, groups=1 if name == "CONV_2D" else len(weight))
        return OPERATORS[name](x, self._operands(operator, values))

    def _operands(self, operator, values: dict[int, Tensor]) -> list[Tensor]:
        return [self.constants.get(int(k), values.get(int(k))) for k in operator.inputs[1:]]


def _dense(values: np.ndarray, tensor) -> np.ndarray:
    """The values of a constant in its shape; a sparse one lists its nonzero values only."""
    shape = [] if tensor.shape is None else list(tensor.shape)
    if tensor.sparsity is None:
        return values.reshape(shape)
    places = np.zeros(1, int)
    for size, level in zip(shape, tensor.sparsity.dimMetadata, strict=True):
        if level.format == 0:  # dense
            places = (places[:, None] * size + np.arange(size)).ravel()
        else:  # compressed rows
            counts = np.diff(level.arraySegments.values)
            places = np.repeat(places, counts) * size + level.arrayIndices.values
    dense = np.zeros(int(np.prod(shape)), np.float32)
    dense[places] = values
    return dense.reshape(shape)


def _pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME padding: the odd pixel goes to the right and the bottom."""
    height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))


def _pad_channels(x: Tensor, operands: list[Tensor]) -> Tensor:
    before, after = operands[0].int().tolist()[-1]  # NHWC: the channels are last
    return F.pad(x, (0, 0, 0, 0, before, after))


OPERATORS: dict[str, Callable[[Tensor, list[Tensor]], Tensor]] = {
    "ADD": lambda x, operands: x + operands[0],
    "PRELU": lambda x, operands: F.prelu(x, operands[0].flatten()),
    "PAD": _pad_channels,
    "MAX_POOL_2D": lambda x, operands: F.max_pool2d(x, 2),
}
