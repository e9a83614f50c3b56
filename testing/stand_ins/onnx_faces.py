"""Tiny ONNX graphs with the official input and output shapes, which follow a coloured square on black."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
STRIDES = (8, 16, 32)


class Graph:
    """Builds a graph: `add` appends a node and returns the name of its output."""

    def __init__(self, batch):
        self.batch, self.nodes, self.constants = batch, [], []

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def add(self, kind, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(kind, names, [name], **attributes))
        return name

    def reduce(self, kind, value, *axes):
        if kind == "ReduceSum":
            return self.add(kind, value, self.constant(axes, np.int64), keepdims=0)
        return self.add(kind, value, axes=axes, keepdims=0)

    def channel(self, index):
        return self.add("Gather", "image", self.constant(index, np.int64), axis=1)  # (N, H, W)

    def column(self, value):
        return self.add("Reshape", value, self.constant((-1, 1), np.int64))

    def save(self, path, height, width, outputs):
        """Save the graph. outputs: {name of the node: shape without the batch axis}."""
        given = [helper.make_tensor_value_info("image", FLOAT, (self.batch, 3, height, width))]
        made = [
            helper.make_tensor_value_info(name, FLOAT, (self.batch, *shape))
            for name, shape in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, "stand_in", given, made, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def detector(path, half_side=2.0):
    """Detector: boxes of `half_side` stride-32 cells at cells with a bright pixel; 6 outputs as NanoDet."""
    g = Graph(1)
    blue = g.add("Unsqueeze", g.channel(0), g.constant([1], np.int64))
    scores, boxes = {}, {}
    for stride in STRIDES:
        rows, columns = -(-272 // stride), -(-160 // stride)
        # The box is centred on the corner of the cell, so the cell averages half a stride around that corner.
        brightness = g.add(
            "AveragePool", blue, kernel_shape=[stride, stride], strides=[stride, stride], ceil_mode=1,
            pads=[stride // 2, stride // 2, 0, 0], count_include_pad=1,
        )  # fmt: skip
        brightness = g.add("Slice", brightness, g.constant([0, 0], np.int64), g.constant([rows, columns], np.int64),
                           g.constant([2, 3], np.int64))  # fmt: skip
        active = 12.0 if stride == 32 else 0.0
        score = g.add("Sigmoid", g.add("Sub", g.add("Mul", brightness, active), 4.0))
        scores[g.add("Reshape", score, g.constant((1, rows * columns, 1), np.int64))] = (rows * columns, 1)
        logits = np.full((1, rows * columns, 4, 8), -50, np.float32)
        low = int(half_side)
        logits[..., low] = np.log(1 - (half_side - low) + 1e-12)
        logits[..., low + 1] = np.log(half_side - low + 1e-12)
        boxes[g.add("Identity", logits.reshape(1, rows * columns, 32))] = (rows * columns, 32)
    g.save(path, 272, 160, scores | boxes)


def template():
    """(222, 2) points of a unit square centred at 0, with level outline ends and eye corners."""
    rng = np.random.default_rng(5)
    points = rng.uniform(-0.5, 0.5, (222, 2))
    points[:4] = [(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)]
    points[0], points[32] = (-0.5, 0.1), (0.5, 0.1)
    points[10], points[11] = (-0.5, -0.5), (0.5, 0.5)
    points[74], points[96] = (-0.3, -0.2), (0.3, -0.2)
    return points


def landmarks(path, batch="N"):
    """Landmark network: `template` placed on the square that is bright in channel 0. The probability falls
    to 0 with the square's area.
    """
    g = Graph(batch)
    gray = g.channel(0)
    grid = (np.arange(128, dtype=np.float32) + 0.5) / 128
    mass = g.column(g.reduce("ReduceSum", gray, 1, 2))
    safe = g.add("Max", mass, 1e-3)
    x = g.add("Div", g.column(g.reduce("ReduceSum", g.add("Mul", gray, grid[None, None, :]), 1, 2)), safe)
    y = g.add("Div", g.column(g.reduce("ReduceSum", g.add("Mul", gray, grid[None, :, None]), 1, 2)), safe)
    side = g.add("Div", g.add("Sqrt", safe), 128.0)
    points = template().astype(np.float32)
    xs = g.add("Add", g.add("Mul", side, points[None, :, 0]), x)
    ys = g.add("Add", g.add("Mul", side, points[None, :, 1]), y)
    both = g.add("Concat", xs, ys, axis=1)
    angles = g.add("Mul", g.add("Concat", mass, mass, mass, axis=1), 0.0)
    probability = g.add("Clip", g.add("Div", mass, 500.0), g.constant(0.0), g.constant(1.0))
    g.save(path, 128, 128, {both: (444,), angles: (3,), probability: (1,)})


def pose(path, batch="N", translation=(0.0, 0.0, -5.0)):
    """Pose network: pitch = the brightest value of channel 0; the translation is constant."""
    g = Graph(batch)
    value = g.column(g.reduce("ReduceMax", g.channel(0), 1, 2))
    weights, bias = np.zeros((1, 1201), np.float32), np.zeros((1, 1201), np.float32)
    weights[0, 1168] = 1
    bias[0, 1198:] = translation
    g.save(path, 224, 224, {g.add("Add", g.add("Mul", value, weights), bias): (1201,)})


def coefficients(path, batch="N"):
    """Coefficient network: number k of 51 is k / 100; the last also holds channel 0's brightest value."""
    g = Graph(batch)
    value = g.reduce("ReduceMax", "image", 2, 3)  # (N, 3)
    weights = np.zeros((3, 51), np.float32)
    weights[0, 50] = 1
    g.save(path, 224, 224, {g.add("Add", g.add("MatMul", value, weights), np.arange(51)[None] / 100): (51,)})


CELLS = 8  # cells per side of the chessboard on the square: cell k holds number k


def board_coefficients(path, cells):
    """Coefficient network: number k of 51 is the red of cell `cells[k]` of the board that `board` draws."""
    g = Graph("N")
    red = g.add("Unsqueeze", g.channel(2), g.constant([1], np.int64))  # BGR
    pooled = g.add("AveragePool", red, kernel_shape=[8, 8], strides=[8, 8])
    flat = g.add("Reshape", pooled, g.constant((-1, 28 * 28), np.int64))
    middles = ((112 + (np.arange(CELLS) - (CELLS - 1) / 2) * 224 * 0.85 / CELLS) / 8).astype(int)
    weights = np.zeros((28 * 28, 51), np.float32)
    for k, cell in enumerate(cells):
        weights[middles[cell // CELLS] * 28 + middles[cell % CELLS], k] = 1
    g.save(path, 224, 224, {g.add("MatMul", flat, weights): (51,)})


def board(values, side=160):
    """Return a frame with a square that shows values (51,) 0..1 as the red of its cells."""
    red = np.zeros(CELLS * CELLS)
    red[: len(values)] = values
    cell = side // CELLS
    frame = square(side=side, colour=(0, 0, 255))
    x, y = 160 - side // 2, 120 - side // 2
    frame[y : y + side, x : x + side, 0] = np.kron(
        red.reshape(CELLS, CELLS) * 255, np.ones((cell, cell))
    ).round()
    return frame


def write_all(folder, batch="N"):
    """Write the four files under their official names."""
    detector(folder / "hello_face_det.onnx", half_side=1.0)
    landmarks(folder / "hello_face_landmark.onnx", batch)
    pose(folder / "hello_3dmm.onnx", batch)
    coefficients(folder / "hello_arkit_blendshape.onnx", batch)


def square(width=320, height=240, centre=(160, 120), side=60, colour=(200, 90, 255)):
    """Return a frame (H, W, 3) uint8 RGB: a coloured square on black.

    Channel 0 is 255 in BGR and 200 in RGB.
    """
    frame = np.zeros((height, width, 3), np.uint8)
    x, y = int(centre[0] - side / 2), int(centre[1] - side / 2)
    frame[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)] = colour
    return frame


def embedding(path, width=512):
    """Embedding network: 8 x 8 averages of a face less their mean, projected to `width` by fixed weights."""
    g = Graph("N")
    pooled = g.add("AveragePool", "image", kernel_shape=[14, 14], strides=[14, 14])
    flat = g.add("Reshape", pooled, g.constant((-1, 3 * 8 * 8), np.int64))
    weights = np.random.default_rng(2).normal(size=(192, width)).astype(np.float32)
    g.save(path, 112, 112, {g.add("MatMul", flat, weights - weights.mean(0)): (width,)})
