"""ComfyUI's face landmarker with the networks of the real face_landmarker.task.

The weights that ComfyUI loads (mediapipe_face_fp32.safetensors) are not available to the tests. The two
detectors and the blendshape network have the same architecture, so their weights are copied. The mesh of the
`.task` takes 256 px instead of 192, so it replaces ComfyUI's mesh module and ComfyUI crops to 256 px.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .tflite import Network

NETWORKS = ("face_detector", "face_landmarks_detector", "face_blendshapes")
MESH_PICTURE = 256
FULL_RANGE = "modules/face_detection/face_detection_full_range_sparse.tflite"
SIDES = ("left_eye", "right_eye", "left_eyebrow", "right_eyebrow")
PARTS = ("face_oval", *SIDES, "lips", "irises", "nose", "tesselation")


class Mesh(nn.Module):
    """The mesh network of the `.task` with the interface of ComfyUI's FaceMesh."""

    def __init__(self, network: Network):
        super().__init__()
        self._network = network

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 256, 256) in 0..1 -> landmarks (B, 478, 3) in pixels of the input, presence logits (B,)."""
        landmarks, presence = self._network.run(picture, outputs=2)
        return landmarks.reshape(len(picture), -1, 3), presence.reshape(len(picture))


def load(task: Path):
    """Return ComfyUI's FaceLandmarkerModel, as Load Face Detection Model (MediaPipe) returns it.

    Needs ComfyUI 0.23 or later, importable, and mediapipe up to 0.10.21 for the full-range detector.
    """
    from comfy_extras import nodes_mediapipe
    from comfy_extras.mediapipe import face_landmarker

    face_landmarker._FM_INPUT_SIZE = MESH_PICTURE
    with zipfile.ZipFile(task) as bundle:
        detector, mesh, blendshapes = (Network(bundle.read(f"{name}.tflite")) for name in NETWORKS)
    full_range = Network((Path(find_spec("mediapipe").origin).parent / FULL_RANGE).read_bytes())
    state: dict[str, Tensor] = {}
    for variant in ("short", "full"):
        modules = face_landmarker.FaceLandmarker(detector_variant=variant)
        if variant == "short":
            copy_layers(detector, modules.detector)
        else:
            copy_layers(full_range, _as_executed(modules.detector, face_landmarker._FR_LATERAL_TAP_INDICES))
        copy_blendshapes(blendshapes, modules.blendshapes)
        weights = modules.state_dict().items()
        state |= {name.replace("detector.", f"detector_{variant}.", 1): value for name, value in weights}
    model = nodes_mediapipe.FaceLandmarkerModel(state | _geometry())
    for landmarker in model.models.values():
        landmarker.mesh = Mesh(mesh)
        landmarker.requires_grad_(False)
    return model


def _as_executed(detector: nn.Module, taps: Sequence[int]) -> nn.Module:
    """Return the full-range detector's modules in TFLite order: each lateral convolution follows its tap."""
    laterals = dict(zip(taps, detector.lateral_convs, strict=True))
    blocks = enumerate(detector.backbone)
    tapped = [module for k, block in blocks for module in (block, laterals.get(k)) if module]
    first = ("stem", "backbone", "lateral_convs")
    others = [module for name, module in detector.named_children() if name not in first]
    return nn.ModuleList([detector.stem, *tapped, *others])


@torch.no_grad()
def copy_layers(network: Network, module: nn.Module) -> None:
    """Copy to each Conv2d and Linear the first unused layer of its shape; both sides have the same order."""
    layers = list(network.layers())
    for target in module.modules():
        if not isinstance(target, (nn.Conv2d, nn.Linear)):
            continue
        shape = target.weight.squeeze().shape
        index = next(k for k, (weight, _) in enumerate(layers) if weight.squeeze().shape == shape)
        weight, bias = layers.pop(index)
        target.weight.copy_(weight.reshape(target.weight.shape))
        target.bias.copy_(bias)
    if layers:
        raise ValueError(f"{len(layers)} layers of the network fit no module of {type(module).__name__}.")


@torch.no_grad()
def copy_blendshapes(network: Network, module: nn.Module) -> None:
    """Copy the linear layers, the gains of the layer norms and the class token."""
    copy_layers(network, module)
    gains = network.factors("MUL", module.cls_token.numel())
    norms = [target for target in module.modules() if isinstance(target, nn.LayerNorm)]
    for norm, gain in zip(norms, gains, strict=True):
        norm.weight.copy_(gain.flatten())
    (token,) = network.factors("CONCATENATION", module.cls_token.numel())
    module.cls_token.copy_(token.reshape(module.cls_token.shape))


def _geometry() -> dict[str, Tensor]:
    """Return the topology, and a flat canonical head. Tracking uses neither, but the loader requires both."""
    from mediapipe.python.solutions import face_mesh_connections as connections

    edges = {part: sorted(getattr(connections, f"FACEMESH_{part.upper()}")) for part in PARTS}
    return {f"topology.{part}": torch.tensor(pairs, dtype=torch.int32) for part, pairs in edges.items()} | {
        "canonical_vertices": torch.from_numpy(np.zeros((468, 3), np.float32)),
        "procrustes_indices": torch.arange(0, 468, 12),
        "procrustes_weights": torch.ones(39),
    }
