"""Milliseconds per frame of everything around the sampling: tracking, crop, head pose, patches, drive encoders, VAE."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import comfy.clip_vision
import comfy.ldm.models.autoencoder
import comfy.sd
import numpy as np
import torch

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
VERSIONS = ("v5", "v2")  # of the drive encoders
DETECT, ENCODE, VAE_DECODE = "Detect Face Landmarks (ComfyUI)", "Encode Drive", "VAE Decode"
CLIP_VISION = "face_clip_image_encoder_assumed_vith14"  # a manifest of tests/manifests
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


def run(bench, section: Section) -> None:
    """Each node on the same clip; the second of two runs counts."""
    scale, count = bench.scale, bench.scale.pictures
    images, track = _clip(count, scale.pixels)
    made = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        with section.attempt(name):
            made[name] = work()
            section.row(TABLE, work=name, frames=count, ms=1000 * seconds(work) / count)

    detect = _landmarks(images)
    if detect is None:
        section.note("This ComfyUI has no face landmarker: the track is exact, and Track is not measured.")
    else:
        timed(DETECT, detect)
        timed(
            "Track Face from Landmarks",
            lambda: TrackFromLandmarks.execute(made[DETECT], FPS, "largest", 1, "hold"),
        )
    timed("Crop Portrait", lambda: CropPortrait.execute(images, track, "v5", 0.0, scale.pixels))
    timed("Draw Head Pose", lambda: DrawHeadPose.execute(track, 0.0, 0)[0])
    timed("Face Patches", lambda: FacePatches.execute(images, track)[4])
    vision = _clip_vision() if scale is FULL else None
    for version in section.within_budget(VERSIONS):
        encoder, seen = bench.models.encoder(version), (track, vision, made["Face Patches"])
        name = f"{ENCODE}, {version}" + (", with CLIP ViT-H" if vision else ", without CLIP")
        timed(
            name,
            lambda encoder=encoder, seen=seen: EncodeDrive.execute(encoder, made["Draw Head Pose"], *seen),
        )
    vae, side = _vae(scale), scale.side
    timed("VAE Encode", lambda: vae.encode(images))
    timed(VAE_DECODE, lambda: vae.decode(numbers("decoded", count, 4, side, side)))


def _clip(count: int, size: int):
    """Pictures (F, size, size, 3) of a synthetic head, and their exact track; a few distinct ones, repeated."""
    who, states = Identity.of(1), clip(1, DISTINCT)
    pictures = np.stack([draw(who, state, size) for state in states])
    order = [k % DISTINCT for k in range(count)]
    images = torch.from_numpy(pictures[order]).float() / 255
    return images, truth(who, [states[k] for k in order], size, FPS)


def _landmarks(images: torch.Tensor) -> Callable[[], dict] | None:
    """ComfyUI's own landmarker with stand-in weights of its sizes, which find a face in every picture; None where it has none."""
    try:
        from comfy_extras.nodes_mediapipe import FaceLandmarkerModel, MediaPipeFaceLandmarker
    except ImportError:
        return None
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "landmarker.safetensors"
        landmarker.write(path, find())
        model = FaceLandmarkerModel(load_file(path))
    return lambda: MediaPipeFaceLandmarker.execute(model, images, "short", 1, 0.5, "empty")[0]


def _random(tensors: dict) -> dict[str, torch.Tensor]:
    return {key: VIEWS.tensor(key, tuple(tensor)).clone() for key, tensor in tensors.items()}


def _clip_vision():
    """A CLIP_VISION: ViT-H."""
    return comfy.clip_vision.load_clipvision_from_sd(_random(shapes.published(CLIP_VISION)))


def _vae(scale):
    """A VAE: that of SD1.5, or the tiny autoencoder."""
    if scale is not FULL:
        tiny = {key.removeprefix("first_stage_model."): shape for key, shape in shapes.tiny_vae().items()}
        return comfy.sd.VAE(sd=_random(tiny))
    with torch.device("meta"):
        net = comfy.ldm.models.autoencoder.AutoencoderKL(ddconfig=SD15_VAE, embed_dim=4)
    return comfy.sd.VAE(sd=_random({key: tensor.shape for key, tensor in net.state_dict().items()}))
