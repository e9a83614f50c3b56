"""Values for every type of input, usual and unusual, for fuzzing. Needs ComfyUI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from ..face_tools.coefficients import ARKIT_51
from ..face_tools.pictures.crop import Clip, Crop
from ..face_tools.pictures.patches import PATCH, REGIONS
from ..face_tools.recordings.presets import preset
from ..unet.clip.parts import Part
from .cached import cached
from .pack import encoder, tiny_host
from .tracks import track_of

CELLS = 8  # side of the latents: the smallest that the UNet can halve three times


def _images() -> list[torch.Tensor]:
    shapes = [
        (1, 480, 640, 3),
        (3, 480, 640, 3),
        (0, 64, 64, 3),
        (1, 1, 1, 3),
        (2, 128, 128, 4),
        (1, 64, 48, 1),
        (3, 224, 224, 3),
    ]
    shapes += [(1, 64, 64, 3), (3, 128, 128, 3)]
    pictures = [torch.rand(shape) for shape in shapes]
    return [
        *pictures,
        torch.full((1, 64, 64, 3), float("nan")),
        torch.rand(3, 128, 128, 3).half(),
        torch.rand(3, 128, 128, 3) * 1e6,
    ]


def _tracks() -> list:
    tracks = [
        track_of(1),
        track_of(3),
        track_of(3, coefficients=False),
        track_of(3, "hello222"),
        track_of(1, "none"),
        track_of(40, "none"),
    ]
    still, small = track_of(3), track_of(3)
    return [
        *tracks,
        preset("smile"),
        still.replace(landmarks=still.landmarks * 0 + 5),
        small.replace(size=(64, 64), fps=1e-3),
        still.replace(landmarks=still.landmarks * 1e20, box=still.box * 1e20),
        still.replace(rotation=still.rotation * 1e6, translation=-still.translation),
    ]


def _latents() -> list[dict]:
    shapes = [
        (1, 4, CELLS, CELLS),
        (3, 4, CELLS, CELLS),
        (1, 4, 16, 16),
        (3, 16, CELLS, CELLS),
        (1, 4, 1, CELLS, CELLS),
        (0, 4, 8, 8),
    ]
    shapes += [(1, 4, 1, 1), (1, 3, 8, 8)]
    masked = {"samples": torch.zeros(3, 4, CELLS, CELLS), "noise_mask": torch.ones(1, 64, 64)}
    return [masked, *({"samples": torch.zeros(shape)} for shape in shapes)]


def _prompts() -> list[list]:
    return [
        [[torch.zeros(1, 7, 64), {}]],
        [],
        [[torch.zeros(1, 77, 2048), {}]],
        [[torch.zeros(2, 7, 64), {}]],
        [[None, {}]],
    ]


def _face_landmarks() -> list:
    from ..face_tools.trackers.template import RIGID_CM, RIGID_POINTS

    points = np.random.default_rng(0).uniform(-5, 5, (478, 3))
    points[list(RIGID_POINTS)] = RIGID_CM
    points = points * [10, -10, -10] + [320, 240, 0]
    face = {
        "landmarks_xy": points[:, :2], "landmarks_3d": points, "blendshapes": dict.fromkeys(ARKIT_51, 0.3), "score": 0.9
    }  # fmt: skip
    frames = [
        [[face]] * 3,
        [],
        [[]],
        [[face], [], [face]],
        [[{}]],
        [[face | {"landmarks_3d": points * 0}]],
        [[face | {"score": None}]],
    ]
    return [{"frames": each, "image_size": (480, 640)} for each in frames] + [
        None,
        {"frames": [], "image_size": (0, 0)},
    ]


class _Eye:
    """A CLIP vision model that returns zeros: `width` numbers per picture, 32 per patch."""

    load_device = torch.device("cpu")

    def __init__(self, width: int):
        self.width = width

    def encode_image(self, images: torch.Tensor, crop: bool = True) -> dict[str, torch.Tensor]:
        count = len(images)
        return {
            "image_embeds": torch.zeros(count, self.width),
            "penultimate_hidden_states": torch.zeros(count, 5, 32),
        }

    def model(self, pixel_values: torch.Tensor, intermediate_output: int) -> tuple[None, torch.Tensor]:
        return None, torch.zeros(len(pixel_values), 5, 32)


def _clip_vision() -> list[_Eye]:
    return [_Eye(1024), _Eye(768)]


def _videos() -> list:
    from fractions import Fraction

    from comfy_api.latest import InputImpl, Types

    def held(count: int, rate: int = 25):
        return InputImpl.VideoFromComponents(
            Types.VideoComponents(torch.rand(count, 48, 64, 3), Fraction(rate))
        )

    return [held(3), held(1, 1000), held(0)]


def _crops() -> list[Crop]:
    """Crops of frames of the pictures, and of parts of the videos at usual and unusual rates."""
    parts = (Clip(25.0, 0.0, 3), Clip(1e-9, 0.0, 1), Clip(999.0, 0.0, 1))
    return [Crop(100, 50, 200, 128, (640, 480)), *(Crop(4, 4, 32, 128, (64, 48), part) for part in parts)]


def _patches() -> list[dict]:
    return [{name: torch.rand(count, PATCH, PATCH, 3) for name in REGIONS} for count in (1, 3)]


def _face_motions() -> list:
    from ..nodes.hellomeme.face_motion import FaceMotion

    return [FaceMotion(torch.zeros(count, 548), torch.zeros(1, 548)) for count in (1, 3)]


def _drives() -> list:
    from .tiny_models import drive

    kinds = [(1, "v2", CELLS), (3, "v2", CELLS), (3, "v5", CELLS), (3, "v2", 16)]
    return [replace(drive(*kind), size=(kind[-1], kind[-1])) for kind in kinds]


def _references() -> list:
    return [tiny_host().reference(name, cells=CELLS) for name in ("v2", "v5")]


def _trajectories() -> list:
    from ..systems.freeanimate.trajectory import LOWEST, Trajectory

    levels, told = (LOWEST, 1.0, 14.6), (0.0, 200.0, 999.0)
    clip, anchor = torch.zeros(3, 3, 4, CELLS, CELLS), torch.zeros(3, 1, 4, CELLS, CELLS)
    return [Trajectory(levels, told, clip, torch.zeros(1, 7, 64), each) for each in (None, anchor)]


def _wplus() -> list:
    from ..nodes.wplus.load import managed
    from .golden import OTHER, Golden
    from .golden_systems import wplus_of
    from .tiny_comfy import operations

    return [managed(wplus_of(Golden(OTHER), SimpleNamespace(operations=operations)))]


def _face_ids() -> list:
    from ..nodes.appendix.networks import CrossNetwork
    from ..nodes.weights import patcher_of
    from .appendix import face_id_adapter
    from .golden import Golden
    from .tiny_comfy import operations

    module = face_id_adapter(Golden(), operations)
    return [CrossNetwork(module, patcher_of(module), "tiny")]


def _adapters() -> list:
    from ..nodes.hellomeme.networks import managed
    from .appendix import control_adapter
    from .golden import Golden
    from .tiny_comfy import operations

    control = replace(control_adapter(Golden(), operations), condition="canny")
    return [*(tiny_host().adapter(name) for name in ("v2", "v5")), managed(control)]


def _xdyna() -> list:
    from ..systems.xdyna.resampler import Resampler
    from .golden import OTHER, Golden
    from .golden_systems import adapter_of, loaded, motion_of
    from .tiny_comfy import operations

    golden = Golden(OTHER)
    adapter, motion = adapter_of(golden, operations), motion_of(golden, operations)
    readers = (Resampler(width, 64, 64, 1, 64, 1, 16, 64) for width in (32, 1280))
    return [loaded(adapter, motion, next(readers)), loaded(adapter, None, next(readers))]


def _control_nets() -> list:
    import comfy.controlnet

    hints = (torch.nn.Conv2d(channels, 16, 3) for channels in (3, 6))
    return [comfy.controlnet.ControlNet(torch.nn.ModuleDict({"input_hint_block": hint})) for hint in hints]


def _guiders() -> list:
    import comfy.samplers

    guiders = []
    for positive in _prompts()[:3]:
        guider = comfy.samplers.CFGGuider(tiny_host().model)
        guider.set_conds(positive, _prompts()[0])
        guider.set_cfg(2.0)
        guiders.append(guider)
    driven = comfy.samplers.CFGGuider(tiny_host().apply(_references()[0], _drives()[1]))
    driven.set_conds(_prompts()[0], _prompts()[0])
    return [*guiders, driven]


def _noises() -> list:
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    return [Noise_RandomNoise(1)]


def _samplers() -> list:
    import comfy.samplers

    return [comfy.samplers.sampler_object("euler")]


def _motions() -> list:
    from .tiny_motion import MovingHost

    return [MovingHost().motion(kind) for kind in ("animatediff", "v3", "v5")]


VALUES: dict[str, Callable[[], list]] = {
    "IMAGE": _images,
    "MASK": lambda: [
        torch.ones(1, 64, 64),
        torch.zeros(3, 128, 128),
        torch.ones(2, 1, 1),
        torch.full((1, 8, 8), float("nan")),
    ],
    "FACE_TRACK": _tracks,
    "LATENT": _latents,
    "CONDITIONING": _prompts,
    "FACE_LANDMARKS": _face_landmarks,
    "CLIP_VISION": _clip_vision,
    "VIDEO": _videos,
    "GUIDER": _guiders,
    "NOISE": _noises,
    "SAMPLER": _samplers,
    "SIGMAS": lambda: [torch.tensor([14.6, 1.0, 0.0]), torch.tensor([14.6]), torch.tensor([])],
    "MODEL": lambda: [tiny_host().model],
    "SK_ADAPTER": _adapters,
    "SK_FACE_ID": _face_ids,
    "SK_FACE_EMBEDDING": lambda: [torch.ones(count, 512) / 512**0.5 for count in (1, 3)],
    "VAE": lambda: [SimpleNamespace(encode=lambda images: torch.zeros(len(images), 4, CELLS, CELLS))],
    "SK_DRIVE_ENCODER": lambda: [encoder(name) for name in ("v2", "v5")],
    "SK_MOTION": _motions,
    "SK_CROP": _crops,
    "SK_FACE_PATCHES": _patches,
    "SK_FACE_MOTION": _face_motions,
    "SK_DRIVE": _drives,
    "SK_REFERENCE": _references,
    "SK_TRAJECTORY": _trajectories,
    "SK_WPLUS": _wplus,
    "SK_WPLUS_CODE": lambda: [torch.ones(count, 18, 512) for count in (1, 3)],
    "FLOATS": lambda: [[0.5], [0.0, 0.5, 1.0], []],
    "SK_XDYNA": _xdyna,
    "SK_XDYNA_TOKENS": lambda: [torch.zeros(2, 16, 64)],
    "CONTROL_NET": _control_nets,
    "SK_CLIP_PART": lambda: [Part.of(3, 0, 2, 1), Part.of(3, 2, 1, 0), Part.of(500, 100, 50, 16)],
    "SK_CLIP_PARTS": lambda: [((Part.of(3, 2, 1, 0), torch.zeros(1, 4, height, 16)),) for height in (16, 8)],
}


@cached
def values(kind: str) -> list[Any]:
    """Return values of an input type; an empty list for types that only other packs' nodes make."""
    return VALUES[kind]() if kind in VALUES else []
