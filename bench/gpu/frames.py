"""Milliseconds per frame of all steps beside sampling: tracking, crop, pose, patches, drive encoders, VAE."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import comfy.clip_vision
import comfy.ldm.models.autoencoder
import comfy.sd
import numpy as np
import torch
from safetensors.torch import load_file

from ...drawn_heads import Identity, clip, draw, truth
from ...host.installation import find
from ...nodes.face.pictures import CropPortrait, DrawHeadPose, FacePatches
from ...nodes.face.track import TrackFromLandmarks
from ...nodes.hellomeme.encode import EncodeDrive
from ...testing.scaled_networks import VIEWS
from ...testing.stand_ins import landmarker, shapes
from .measure import seconds
from .models import numbers
from .results import Section
from .scale import FULL

TABLE, DISTINCT, FPS = "Milliseconds per frame", 4, 25.0
VERSIONS = ("v5", "v2")  # versions of the drive encoders
DETECT, TRACK = "Detect Face Landmarks (ComfyUI)", "Track Face from Landmarks"
POSE, PATCHES, ENCODE, VAE_DECODE = (
    "Draw Head Pose",
    "Crop Eyes and Mouth",
    "Encode Performance",
    "VAE Decode",
)
LEAST = 128  # pixels per side; drive encoders need more than 64
CLIP_VISION = "face_clip_image_encoder_assumed_vith14"  # a manifest in tests/manifests
SD15_VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}


class Timer:
    """Runs each function twice, and writes the time of the second run; `made` holds the results by name."""

    def __init__(self, section: Section, frames: int):
        self.section, self.frames, self.made = section, frames, {}

    def __call__(self, name: str, work: Callable[[], object]) -> None:
        with self.section.attempt(name):
            self.made[name] = work()
            self.section.row(TABLE, work=name, frames=self.frames, ms=1000 * seconds(work) / self.frames)


def run(bench, section: Section) -> None:
    """Time each node on the same clip."""
    scale, count = bench.scale, bench.scale.pictures
    size = max(scale.pixels, LEAST)
    images, track = _clip(count, size)
    timer = Timer(section, count)
    if detect := _landmarks(section, images):
        timer(DETECT, detect)
        timer(TRACK, lambda: TrackFromLandmarks.execute(timer.made[DETECT], FPS, "largest", 1, "hold"))
    timer("Crop Portrait", lambda: CropPortrait.execute(images, track, "v5", 0.0, size))
    timer(POSE, lambda: DrawHeadPose.execute(track, 0.0, 0)[0])
    timer(PATCHES, lambda: FacePatches.execute(images, track)[4])
    vision = _clip_vision() if scale is FULL else None
    for version in section.within_budget(VERSIONS):
        name = f"{ENCODE}, {version}" + (", with CLIP ViT-H" if vision else ", without CLIP")
        timer(name, partial(_encode, bench.models.encoder(version), timer.made, track, vision))
    vae = _vae(scale)
    timer("VAE Encode", lambda: vae.encode(images))
    timer(VAE_DECODE, lambda: vae.decode(numbers("decoded", count, 4, scale.side, scale.side)))


def _encode(encoder, made: dict, track, vision):
    return EncodeDrive.execute(encoder, made[POSE], track, vision, made[PATCHES])


def _clip(count: int, size: int):
    """Return pictures (F, size, size, 3) of a drawn head, a few of them repeated, and their exact track."""
    who, states = Identity.of(1), clip(1, DISTINCT)
    pictures = np.stack([draw(who, state, size) for state in states])
    order = [k % DISTINCT for k in range(count)]
    images = torch.from_numpy(pictures[order]).float() / 255
    return images, truth(who, [states[k] for k in order], size, FPS)


def _landmarks(section: Section, images: torch.Tensor) -> Callable[[], dict] | None:
    """Return a call of ComfyUI's own landmarker, with random weights that find a
    face in every picture; None if it cannot run.
    """
    try:
        from comfy_extras.nodes_mediapipe import FaceLandmarkerModel, MediaPipeFaceLandmarker
        from scipy.special import expit

        expit(0.0)  # the bundle has a placeholder for scipy, which raises an error here
    except (ImportError, RuntimeError) as error:
        section.note(f"Detect Face Landmarks is not measured, and the track is exact: {error}")
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "landmarker.safetensors"
        landmarker.write(path, find())
        model = FaceLandmarkerModel(load_file(path))
    return lambda: MediaPipeFaceLandmarker.execute(model, images, "short", 1, 0.5, "empty")[0]


def _random(tensors: dict) -> dict[str, torch.Tensor]:
    return {key: VIEWS.tensor(key, tuple(tensor)).clone() for key, tensor in tensors.items()}


def _clip_vision():
    """Return a CLIP_VISION: ViT-H."""
    return comfy.clip_vision.load_clipvision_from_sd(_random(shapes.published(CLIP_VISION)))


def _vae(scale):
    """Return a VAE: that of SD1.5, or the tiny autoencoder."""
    if scale is not FULL:
        tiny = {key.removeprefix("first_stage_model."): shape for key, shape in shapes.tiny_vae().items()}
        return comfy.sd.VAE(sd=_random(tiny))
    with torch.device("meta"):
        net = comfy.ldm.models.autoencoder.AutoencoderKL(ddconfig=SD15_VAE, embed_dim=4)
    return comfy.sd.VAE(sd=_random({key: tensor.shape for key, tensor in net.state_dict().items()}))
