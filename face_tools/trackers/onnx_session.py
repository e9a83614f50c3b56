"""ONNX sessions: reports the provider that actually runs them,
and uses batches where the graph supports them.
"""

from __future__ import annotations

import os

import numpy as np

from ..track_errors import UnusableTrackerError

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # the first one that is available and works


class OnnxNet:
    """One ONNX file, run on batches of pictures."""

    def __init__(self, path: str):
        import onnxruntime

        wanted = [provider for provider in PROVIDERS if provider in onnxruntime.get_available_providers()]
        try:
            self.session = onnxruntime.InferenceSession(path, providers=wanted)
        except (
            Exception
        ) as error:  # onnxruntime raises a dozen classes of its own for a file that it cannot read
            size = os.path.getsize(path)
            raise UnusableTrackerError(
                f"{path} ({size} bytes) cannot be loaded as an ONNX model; fetch it again if it was cut short ({error}).",
                path,
            ) from None
        self.path = path
        self.wanted = wanted[0]
        self.provider = self.session.get_providers()[0]
        self.input = self.session.get_inputs()[0]
        # A graph may accept a batch and still flatten it: pictures are
        # stacked only if the outputs keep the free axis.
        declared = [self.input, *self.session.get_outputs()]
        self.batched = all(port.shape and not isinstance(port.shape[0], int) for port in declared)

    def expect(self, width: int, height: int, outputs: int) -> "OnnxNet":
        """Raise TrackError unless the graph takes (N, 3,
        height, width) and has at least `outputs` outputs.
        """
        shape, given = self.input.shape, len(self.session.get_outputs())
        sizes = [size if isinstance(size, int) else want for size, want in zip(shape[1:], (3, height, width))]
        if len(shape) != 4 or sizes != [3, height, width] or given < outputs:
            raise UnusableTrackerError(
                f"{self.path} takes {shape} and gives {given} outputs; "
                f"expected (batch, 3, {height}, {width}) and at least {outputs}, so this is another model.",
                self.path,
            )
        return self

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Run (N, 3, H, W) float32 -> the graph's outputs, each with leading axis N."""
        images = np.ascontiguousarray(images, dtype=np.float32)
        if self.batched:
            return self._run(images)
        runs = [self._run(image[None]) for image in images]
        return [np.concatenate([np.atleast_1d(out) for out in outputs]) for outputs in zip(*runs)]

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(output) for output in self.session.run(None, {self.input.name: images})]


def provider_note(nets: list[OnnxNet]) -> str:
    """Return a note on the provider of the networks, and why it is not CUDA if that was requested."""
    used = sorted({net.provider for net in nets})
    note = f"ONNX models run on {' and '.join(used)}."
    if any(net.provider != net.wanted for net in nets):
        note += " CUDA was available but could not be started (look for other CUDA or cuDNN versions than onnxruntime-gpu wants)."
    return note
