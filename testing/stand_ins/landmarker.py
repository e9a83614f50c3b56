"""A stand-in for the weights of ComfyUI's face landmarker: it always finds
the same face in the middle of every picture.

Made with ComfyUI's own classes; all weights are zero except a few biases. For machines without the real file:
ComfyUI's loader, its node and everything after them are real.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from ...drawn_heads import State, head

FILE = "comfy_extras/mediapipe/face_landmarker.py"
PICTURE = 192  # side of the mesh network's picture, of which a face fills two thirds
BOX = 0.42  # side of the detected box, as a fraction of the picture's longer side
SURE, NEVER = 8.0, -50.0


def write(path: Path, comfy: Path) -> None:
    """Save the stand-in in the format of ComfyUI's loader.

    Raises FileNotFoundError if this ComfyUI has no landmarker.
    """
    import torch
    from safetensors.torch import save_file

    spec = importlib.util.spec_from_file_location("sk_portrait_host_landmarker", comfy / FILE)
    host = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(host)
    state: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for variant in ("short", "full"):
            network = host.FaceLandmarker(detector_variant=variant)
            for parameter in network.parameters():
                parameter.zero_()
            if variant == "short":
                _see_the_middle(network.detector)
            else:
                network.detector.cls_dw.bias.fill_(NEVER)
            _say(network)
            for name, tensor in network.state_dict().items():
                state[name.replace("detector.", f"detector_{variant}.", 1)] = tensor.clone()
    state |= {f"topology.{part}": torch.tensor([[10, 338]], dtype=torch.int32) for part in PARTS}
    state["canonical_vertices"] = torch.from_numpy(head.MESH[:468].astype(np.float32))
    state["procrustes_indices"] = torch.arange(0, 468, 12)
    state["procrustes_weights"] = torch.ones(len(state["procrustes_indices"]))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


PARTS = (
    "face_oval",
    "left_eye",
    "right_eye",
    "left_eyebrow",
    "right_eyebrow",
    "lips",
    "irises",
    "nose",
    "tesselation",
)


def _mesh() -> np.ndarray:
    """(478, 3) relaxed face in the mesh network's picture."""
    view = head.View.of(State(), (PICTURE, PICTURE))
    points = view.landmarks(head.RELAXED)
    size = (points[:, 1].max() - points[:, 1].min()) / (PICTURE * 2 / 3)
    return ((points - points.mean(0)) / size + [PICTURE / 2, PICTURE / 2, 0]).astype(np.float32)


def _say(network) -> None:
    """Set the outputs of the mesh and the blend shapes: one face with a faint smile."""
    import torch

    network.mesh.head_landmarks.bias.copy_(torch.from_numpy(_mesh().ravel()))
    network.mesh.head_presence.bias.fill_(SURE)
    network.blendshapes.head.bias.fill_(-3.0)


def _see_the_middle(detector) -> None:
    """Make the middle anchors certain and all others not: zero padding tells the edge from the middle."""
    import torch

    detector.stem.bias[0] = 1.0
    for block in detector.blocks[
        12:
    ]:  # at 8 x 8 grid cells: each adds the mean of its surroundings, which is lower at the edge
        block.depthwise.weight[0] = 1 / 9
        block.pointwise.weight[0, 0] = 1.0
    detector.cls_16.bias.fill_(NEVER)
    detector.cls_8.bias.fill_(NEVER)
    _, seen = detector(torch.zeros(1, 3, 128, 128))
    detector.cls_8.weight[0, 0] = 1.0
    detector.cls_8.bias[0] = 0.0
    _, seen = detector(torch.zeros(1, 3, 128, 128))
    levels = seen[0, 512:].reshape(64, 6)[:, 0].unique()
    middle = (levels[-1] + levels[-2]) / 2
    gain = 2 * SURE / (levels[-1] - levels[-2])
    detector.cls_8.weight[0, 0] = gain
    detector.cls_8.bias[0] = -gain * middle
    detector.reg_8.bias[2:4] = BOX * 128
    for k, (x, y) in enumerate(
        ((-0.08, -0.04), (0.08, -0.04), (0, 0.03), (0, 0.1), (-0.15, 0), (0.15, 0))
    ):  # eyes, nose, mouth, ears
        detector.reg_8.bias[4 + 2 * k], detector.reg_8.bias[5 + 2 * k] = x * 128, y * 128
