"""Odd inputs of single nodes: pictures, latents and prompts of other models, impossible sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sk_portrait.errors import (
    FrameCountError,
    MemoryNeedError,
    MissingInputError,
    NotFiniteError,
    ShapeError,
    SizeError,
)
from sk_portrait.face_tools.track_errors import FrameSizeError, NoFaceError, SchemeError
from sk_portrait.testing.pack import crop, encoder, grey, node, tiny_host
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tracks import track_of

pytestmark = [pytest.mark.comfy, pytest.mark.usefixtures("comfy")]
PICTURES = {
    "one channel": (lambda: grey(channels=1), ShapeError),
    "NaN": (lambda: grey(value=float("nan")), NotFiniteError),
    "infinite": (lambda: grey(value=float("inf")), NotFiniteError),
}
LATENTS = {"16 channels": (1, 16, 16, 16), "5 dimensions": (1, 4, 1, 16, 16), "3 channels": (1, 3, 16, 16)}


def crop_portrait(images: torch.Tensor, track, size: int = 128):
    return node("SKPortraitCropPortrait").execute(images, track, "v2", 0.0, size)


def face_patches(images: torch.Tensor, track):
    return node("SKPortraitFacePatches").execute(images, track)


@pytest.mark.parametrize("take", [crop_portrait, face_patches])
@pytest.mark.parametrize("images, kind", PICTURES.values(), ids=PICTURES)
def test_a_picture_with(images, kind, take):
    with raises(kind):
        take(images(), track_of(1))


def test_a_picture_of_another_size_than_the_track():
    with raises(FrameSizeError, size=(600, 480), expected=(640, 480)):
        crop(grey(width=600))


def test_a_picture_of_one_pixel():
    with raises(NoFaceError):
        crop_portrait(grey(1, 1, 1), track_of(1).replace(size=(1, 1)))


def test_a_clip_of_no_frames():
    with raises(FrameCountError, what="track", frames=1, expected=0):
        crop_portrait(grey(0), track_of(1))


def test_pictures_with_alpha_of_half_precision_and_of_64_bits():
    plain = crop(grey())[0]
    for images in (grey(channels=4), grey().half(), grey().double()):
        assert (crop(images)[0] - plain).abs().max() < 1e-2


@pytest.mark.slow
def test_pictures_of_8k():
    track = track_of(1)
    track = track.replace(size=(7680, 4320), landmarks=track.landmarks * 10)
    assert crop_portrait(grey(1, 7680, 4320), track, 512)[0].shape == (1, 512, 512, 3)


def test_more_pictures_than_there_is_memory():
    with raises(MemoryNeedError) as caught:
        node("SKPortraitDrawHeadPose").execute(track_of(100_000, "none"), 0.0, 4096)
    assert caught.value.needed > 100_000 * 4096**2 * 12 > caught.value.free


@pytest.mark.parametrize("take", [crop_portrait, face_patches])
def test_a_recording_has_no_landmarks(take):
    with raises(SchemeError, scheme="none"):
        take(grey(), track_of(1, "none"))


def test_a_recording_in_crop_portrait_says_why():
    with raises(SchemeError, scheme="none"):
        crop_portrait(grey(), track_of(1, "none"))


def test_a_face_of_no_size_in_face_patches():
    track = track_of(1)
    with pytest.raises(
        ValueError, match="There is no face to cut patches from: its landmarks in frame 0 span 0.0 pixels"
    ):
        face_patches(grey(), track.replace(landmarks=track.landmarks * 0 + 9))


def test_a_mask_with_nan_in_paste_back():
    images = grey()
    portraits, _, square, _ = crop(images).args
    with raises(NotFiniteError, what="The mask"):
        node("SKPortraitPasteBack").execute(
            images, portraits, square, 0.1, 0.0, torch.full((1, 8, 8), float("nan"))
        )


def encode_reference(shape=(1, 4, 16, 16), positive=None) -> None:
    host, text = tiny_host(), [[torch.zeros(1, 7, 64), {}]]
    positive = text if positive is None else positive
    node("SKPortraitEncodeReference").execute(
        host.model, host.adapter(), positive, text, {"samples": torch.zeros(shape)}
    )


@pytest.mark.parametrize("shape", LATENTS.values(), ids=LATENTS)
def test_a_latent_of_another_model(shape):
    with raises(ShapeError, shape=shape):
        encode_reference(shape)


@pytest.mark.parametrize(
    "positive, kind, fields",
    [
        ([[torch.zeros(1, 7, 2048), {}]], ShapeError, {"shape": (1, 7, 2048)}),
        ([], MissingInputError, {"inputs": ("positive",)}),
    ],
    ids=["of SDXL", "empty"],
)
def test_a_prompt(positive, kind, fields):
    with raises(kind, **fields):
        encode_reference(positive=positive)


def encode_drive(version: str, width: int, height: int, frames: int = 1, **wires):
    images = torch.zeros(frames, height, width, 3)
    return node("SKPortraitEncodeDrive").execute(
        encoder(version), images, wires.pop("track", track_of(1, "none")), **wires
    )[0]


@pytest.mark.parametrize("version, width", [("v2", 128), ("v5", 128), ("v2", 136)])
def test_the_smallest_head_pose(version, width):
    drive = encode_drive(version, width, 128)
    assert len(drive) == 1 and all(torch.isfinite(feature).all() for feature in drive.features.values())


@pytest.mark.parametrize(
    "version, size, words",
    [
        ("v2", (64, 64), "more than 64 px"),
        ("v5", (64, 64), "more than 64 px"),
        ("v5", (136, 128), "multiples of 64 px"),
    ],
)
def test_a_head_pose_of_an_impossible_size(version, size, words):
    with raises(SizeError, size=size) as caught:
        encode_drive(version, *size)
    assert words in str(caught.value)


def test_head_poses_and_a_track_of_different_lengths():
    with raises(FrameCountError, what="track", frames=2, expected=3):
        encode_drive("v2", 128, 128, frames=3, track=track_of(2, "none"))


def test_eye_and_mouth_crops_of_different_sizes():
    sides = {"left_eye": 224, "right_eye": 100, "mouth": 224}
    crops = {name: torch.zeros(1, side, side, 3) for name, side in sides.items()}
    with raises(SizeError, size=(224, 224), expected=(100, 100)):
        encode_drive("v2", 128, 128, clip_vision=object(), **crops)


@pytest.mark.parametrize("count", [1, 5000])
def test_short_and_long_tracks_in_the_editing_nodes(count):
    track = node("SKPortraitEditTrack").execute(track_of(count, "none"), 2.0, 2.0, 2.0, 1.2, 0.9, "yaw*0.5")[
        0
    ]
    assert len(track) == count and np.isfinite(track.rotation).all()
    looped = node("SKPortraitRetimeTrack").execute(track, 1.0, 0.0, 0, -1, "loop", 2 * count)[0]
    assert len(looped) == 2 * count
