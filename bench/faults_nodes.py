"""Faults of what is wired: odd pictures, latents of other models, prompts of other models, sizes that cannot be."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch

from .fault import Table, keep
from .faults_files import track_of
from .faults_host import encoder, narrow, nodes

TABLE = Table(host=True)


def node(name: str):
    """A node class of the pack by its id."""
    return nodes()[name]


def grey(count: int = 1, width: int = 640, height: int = 480, channels: int = 3, value: float = 0.5) -> torch.Tensor:
    return torch.full((count, height, width, channels), value)


def crop(images: torch.Tensor, size: int = 128):
    return node("SKPortraitCropPortrait").execute(images, track_of(len(images)), "v2", 0.0, size)


PICTURES = {
    "with one channel": (grey(channels=1), "3 or 4 colours"),
    "with NaN in it": (grey(value=float("nan")), r"holds values that are no numbers \(NaN or infinite\), as a failed VAE Decode"),
    "with infinite values": (grey(value=float("inf")), "holds values that are no numbers"),
    "of another size than the track's": (grey(width=600), "The crop was made for frames of 640x480, these are 600x480"),
}
for name, (images, words) in PICTURES.items():
    TABLE.fault(f"a picture {name} in Crop Portrait", words)(lambda folder, images=images: crop(images) and None)
    if "size" not in name:
        TABLE.fault(f"a picture {name} in Face Patches", words)(
            lambda folder, images=images: node("SKPortraitFacePatches").execute(images, track_of(1)) and None
        )


@TABLE.fault("a picture of one pixel", "There is no face to crop: .* in frames of 1x1")
def one_pixel(folder: Path) -> None:
    node("SKPortraitCropPortrait").execute(grey(1, 1, 1), track_of(1).replace(size=(1, 1)), "v2", 0.0, 128)


@TABLE.fault("a clip of no frames", "The track has 1 rows and there are 0 images: .* Retime Track trims")
def no_frames(folder: Path) -> None:
    node("SKPortraitCropPortrait").execute(grey(0), track_of(1), "v2", 0.0, 128)


@TABLE.fault("pictures with alpha, of half precision, of 64 bits")
def other_pictures(folder: Path) -> None:
    plain = crop(grey())[0]
    for images in (grey(channels=4), grey().half(), grey().double()):
        keep((crop(images)[0] - plain).abs().max() < 1e-2, f"the picture of {images.dtype}, {images.shape[-1]} channels")


@TABLE.fault("pictures of 8K", long=True)
def large(folder: Path) -> None:
    landmarks = track_of(1).landmarks * 10
    images = grey(1, 7680, 4320)
    pictures = node("SKPortraitCropPortrait").execute(images, track_of(1).replace(size=(7680, 4320), landmarks=landmarks), "v2", 0.0, 512)
    keep(pictures[0].shape == (1, 512, 512, 3), "the crop")


@TABLE.fault("more pictures than there is memory", r"need .* GB of memory and .* GB are free: take fewer frames or a smaller size")
def memory(folder: Path) -> None:
    node("SKPortraitDrawHeadPose").execute(track_of(100_000, "none"), 0.0, 4096)


@TABLE.fault("a recording wired into Crop Portrait", "This track has no landmarks: a recording or a preset comes without a picture")
def recording_cropped(folder: Path) -> None:
    node("SKPortraitCropPortrait").execute(grey(), track_of(1, "none"), "v2", 0.0, 128)


@TABLE.fault("a recording wired into Face Patches", "This track has no landmarks")
def recording_patched(folder: Path) -> None:
    node("SKPortraitFacePatches").execute(grey(), track_of(1, "none"))


@TABLE.fault("a face of no size in Face Patches", "There is no face to cut patches from: its landmarks in frame 0 span 0.0 pixels")
def no_face(folder: Path) -> None:
    track = track_of(1)
    node("SKPortraitFacePatches").execute(grey(), track.replace(landmarks=track.landmarks * 0 + 9))


@TABLE.fault("a mask with NaN in Paste Back", r"The mask holds values that are no numbers")
def mask(folder: Path) -> None:
    images = grey()
    portraits, _, square = crop(images).args
    node("SKPortraitPasteBack").execute(images, portraits, square, 0.1, 0.0, torch.full((1, 8, 8), float("nan")))


def encode_reference(folder: Path, shape=(1, 4, 16, 16), positive=None, width: int = 64) -> None:
    host = narrow()
    prompt = [[torch.zeros(1, 7, width), {}]] if positive is None else positive
    negative = [[torch.zeros(1, 7, 64), {}]]
    node("SKPortraitEncodeReference").execute(host.model, host.adapter(), prompt, negative, {"samples": torch.zeros(shape)})


LATENTS = {"of sixteen channels": (1, 16, 16, 16), "of five dimensions": (1, 4, 1, 16, 16), "of three channels": (1, 3, 16, 16)}
for name, shape in LATENTS.items():
    TABLE.fault(f"a latent {name} in Encode Reference", "a latent of SD1.5 is .* encode it with the VAE of an SD1.5 checkpoint")(
        partial(encode_reference, shape=shape)
    )
TABLE.fault("a prompt of SDXL", r"The positive prompt is \(1, 7, 2048\), and this MODEL reads \(1, words, 64\)")(
    partial(encode_reference, width=2048)
)
TABLE.fault("an empty conditioning", "The positive prompt is empty")(partial(encode_reference, positive=[]))


def encode_drive(generation: str, width: int, height: int, folder: Path) -> None:
    track = track_of(1, "none")
    drive = node("SKPortraitEncodeDrive").execute(encoder(generation), torch.zeros(1, height, width, 3), track)[0]
    keep(len(drive) == 1 and all(torch.isfinite(feature).all() for feature in drive.features.values()), "the drive")


for generation in ("v2", "v5"):
    TABLE.fault(f"a head pose of 64 px for {generation}", "are 64x64; drive encoders take more than 64 px")(
        partial(encode_drive, generation, 64, 64)
    )
    TABLE.fault(f"a head pose of 128 px for {generation}, the smallest size")(partial(encode_drive, generation, 128, 128))
TABLE.fault("a head pose of 136 px for v2")(partial(encode_drive, "v2", 136, 128))
TABLE.fault("a head pose of 136 px for v5", "are 136x128 .* multiples of 64 px")(partial(encode_drive, "v5", 136, 128))


@TABLE.fault("a drive and a reference of different lengths", "Retime Track trims a track, and its images with it")
def lengths(folder: Path) -> None:
    node("SKPortraitEncodeDrive").execute(encoder("v2"), torch.zeros(3, 128, 128, 3), track_of(2, "none"))


@TABLE.fault("eye and mouth patches of different sizes", "The eye and mouth patches are of different sizes")
def uneven(folder: Path) -> None:
    patches = {name: torch.zeros(1, side, side, 3) for name, side in (("left_eye", 224), ("right_eye", 100), ("mouth", 224))}
    node("SKPortraitEncodeDrive").execute(encoder("v2"), torch.zeros(1, 128, 128, 3), track_of(1, "none"), clip_vision=object(), **patches)


@TABLE.fault("tracks of 1 and 5,000 rows in the editing nodes")
def long_tracks(folder: Path) -> None:
    for count in (1, 5000):
        track = node("SKPortraitEditTrack").execute(track_of(count, "none"), 2.0, 2.0, 2.0, 1.2, 0.9, "yaw*0.5")[0]
        keep(len(track) == count and np.isfinite(track.rotation).all(), "rows")
        looped = node("SKPortraitRetimeTrack").execute(track, 1.0, 0.0, 0, -1, "loop", 2 * count)[0]
        keep(len(looped) == 2 * count, "rows")
