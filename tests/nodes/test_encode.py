"""Encode Performance and Encode Portrait Identity on the real ComfyUI: what is missing or does not fit raises an error."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sk_portrait.errors import FrameCountError, MissingInputError, ModelError, SizeError
from sk_portrait.face_tools.coefficients import ARKIT_51, ASSUMED_ORDER
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.sk_attention.checkpoint import load
from sk_portrait.testing.raised import raises
from sk_portrait.testing.stand_ins import networks
from sk_portrait.testing.tiny_models import Host, normal, prompt

pytestmark = pytest.mark.comfy

FRAMES = 3


def track(frames: int = FRAMES, coefficients=None, source: str = "test") -> FaceTrack:
    rows = np.zeros((frames, 3), np.float32)
    landmarks = np.zeros((frames, 5, 2), np.float32)
    valid, box = np.ones(frames, bool), np.zeros((frames, 4), np.float32)
    return FaceTrack(source, "test", 25.0, (128, 128), valid, box, landmarks, rows, rows, coefficients)


@pytest.fixture(scope="module")
def nodes(comfy):
    from sk_portrait.nodes.hellomeme import encode

    return encode


@pytest.fixture(scope="module")
def encoders(comfy):
    """v2's two drive encoders as SK_DRIVE_ENCODERs."""
    from sk_portrait.nodes.hellomeme.networks import managed
    from sk_portrait.testing.tiny_comfy import operations

    names = {"coefficients": "hm2_control", "face_motion": "hm2_control2"}
    return {
        kind: managed(load(networks.build(name, 64).state_dict(), name, operations))
        for kind, name in names.items()
    }


def pictures(frames: int = FRAMES, side: int = 128) -> torch.Tensor:
    return torch.zeros(frames, side, side, 3)


def clip_vision(width: int = 1024):
    """Stands in for a CLIP vision model of a certain width: what it gives tells the brightness of each picture."""

    def encode_image(images, crop=True):
        return {"image_embeds": images.mean((1, 2, 3))[:, None].expand(-1, width)}

    return SimpleNamespace(encode_image=encode_image)


def patches(frames: int = FRAMES) -> dict:
    return {
        name: torch.full((frames, 224, 224, 3), k / 3)
        for k, name in enumerate(("left_eye", "right_eye", "mouth"))
    }


def encode(nodes, encoder, head_pose=None, of=None, **wires):
    head_pose = pictures() if head_pose is None else head_pose
    return nodes.EncodeDrive.execute(
        encoder, head_pose, of or track(coefficients=np.zeros((FRAMES, 51), np.float32)), **wires
    )[0]


def test_a_drive_has_one_row_a_frame_and_one_null(nodes, encoders):
    drive = encode(nodes, encoders["coefficients"], clip_vision=clip_vision(), **patches())
    assert (
        len(drive) == FRAMES
        and drive.versions == ("v2",)
        and set(drive.features) == {"up_0", "up_1", "up_2", "up_3"}
    )
    assert {len(null) for null in drive.null.values()} == {1}


@pytest.fixture
def seen(nodes, monkeypatch):
    """The expression that the network was given last."""
    given = SimpleNamespace()
    monkeypatch.setattr(
        nodes, "encode", lambda network, images, expression, **options: vars(given).update(vars(expression))
    )
    return given


def test_coefficients_reach_the_network_in_its_own_order(nodes, encoders, seen):
    named = np.zeros((FRAMES, 51), np.float32)
    named[:, ARKIT_51.index("jawOpen")] = 0.7
    encode(nodes, encoders["coefficients"], of=track(coefficients=named))
    (place,) = torch.nonzero(seen.coefficients[0])
    assert ASSUMED_ORDER.names[place] == "jawOpen"


def test_patches_travel_on_one_wire_and_one_of_them_can_be_replaced(nodes, encoders, seen):
    own = torch.ones(FRAMES, 224, 224, 3)
    encode(nodes, encoders["coefficients"], clip_vision=clip_vision(), patches=patches(), right_eye=own)
    assert torch.allclose(seen.patches[..., 0], torch.tensor([0.0, 1.0, 2 / 3]).expand(FRAMES, 3))


def test_patches_keep_their_order(nodes, encoders, seen):
    encode(nodes, encoders["coefficients"], clip_vision=clip_vision(), **patches())
    assert torch.allclose(seen.patches[..., 0], torch.tensor([0.0, 1 / 3, 2 / 3]).expand(FRAMES, 3))


def test_a_frame_that_is_held_is_looked_at_once(nodes, encoders, seen):
    looks = []
    eyes = SimpleNamespace(
        encode_image=lambda images: looks.append(len(images)) or clip_vision().encode_image(images)
    )
    levels = torch.tensor([0.25, 0.25, 0.5])  # the second frame is the first one, held
    held = {
        name: level[:, None, None, None].expand(-1, 8, 8, 3)
        for name, level in zip(patches(), (levels, levels, levels / 2))
    }
    encode(nodes, encoders["coefficients"], clip_vision=eyes, **held)
    assert sum(looks) == 2 * len(held)
    assert torch.allclose(seen.patches[..., 0], torch.stack([levels, levels, levels / 2], dim=1))


def test_a_drive_of_zeros_is_an_error_unless_it_was_asked_for(nodes, encoders, caplog):
    with pytest.raises(
        MissingInputError, match=r"\(1\) Read Expression.*\(2\) a track with coefficients.*\(3\) patches"
    ):
        encode(nodes, encoders["coefficients"], of=track())
    with caplog.at_level(logging.WARNING):
        nothing = encode(nodes, encoders["coefficients"], of=track(), still_face=True)
    assert "has no expression coefficients: zeros stand in for them" in caplog.text
    assert "clip_vision, left_eye, right_eye, mouth not connected" in caplog.text
    zeros = encode(nodes, encoders["coefficients"])
    assert all(torch.equal(nothing.features[s], zeros.features[s]) for s in zeros.features)


def test_named_coefficients_are_marked_experimental_until_calibrated(nodes, encoders, caplog):
    with caplog.at_level(logging.WARNING):
        encode(nodes, encoders["coefficients"])
    assert (
        "Experimental: the order in which the official networks expect the 51 coefficients is an assumption"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("wires", "kind", "fields"),
    [
        ({"of": track(2)}, FrameCountError, {"what": "track", "frames": 2, "expected": 3}),
        (
            {"clip_vision": clip_vision(), **patches(4)},
            FrameCountError,
            {"what": "left_eye", "frames": 4, "expected": 3},
        ),
        ({"clip_vision": clip_vision(768), **patches()}, ModelError, {"found": 768}),
        (
            {"face_motion": SimpleNamespace(codes=torch.zeros(FRAMES, 548), null=torch.zeros(1, 548))},
            MissingInputError,
            {"inputs": ("coefficients and patches",)},
        ),
    ],
)
def test_what_does_not_fit_is_refused(nodes, encoders, wires, kind, fields):
    with raises(kind, **fields):
        encode(nodes, encoders["coefficients"], **wires)


def test_an_encoder_of_face_motion_asks_for_it(nodes, encoders):
    with raises(MissingInputError, inputs=("Read Expression (PD-FGC)",)):
        encode(nodes, encoders["face_motion"])


def test_the_null_of_face_motion_in_v2_is_a_black_crop(nodes, encoders):
    def motion(null):
        return SimpleNamespace(codes=normal("codes", FRAMES, 548), null=null)

    one = encode(nodes, encoders["face_motion"], face_motion=motion(torch.zeros(1, 548)))
    other = encode(nodes, encoders["face_motion"], face_motion=motion(torch.ones(1, 548)))
    assert torch.equal(one.features["up_0"], other.features["up_0"]) and not torch.equal(
        one.null["up_0"], other.null["up_0"]
    )


def test_v5c_needs_the_portraits_own_drive(nodes):
    from dataclasses import replace

    host = Host()
    adapter = host.adapter("v5b")
    v5c = replace(adapter, loaded=replace(adapter.loaded, versions=("v5c",)))
    latent = {"samples": normal("portrait", 1, 4, 16, 16)}
    with raises(MissingInputError, inputs=("drive",)):
        nodes.EncodeReference.execute(host.model, v5c, prompt("+"), prompt("-"), latent)


def test_a_large_portrait_on_an_old_version_says_that_it_is_extrapolated(nodes, caplog):
    host = Host()
    with caplog.at_level(logging.WARNING):
        host.reference("v2", cells=72)
    assert "trained up to 512 px a side; at 576 px its positional tables are extrapolated" in caplog.text


def test_sizes_are_derived_and_a_mismatch_is_said_by_the_node_that_sees_it(nodes, encoders):
    host = Host()
    drive = encode(
        nodes, encoders["coefficients"], head_pose=pictures(side=192), clip_vision=clip_vision(), **patches()
    )
    batch = host.noise_node.execute(drive)[0]
    assert batch["samples"].shape == (FRAMES, 4, 24, 24) and batch["batch_index"] == [0] * FRAMES
    with raises(SizeError, size=(128, 128), expected=(192, 192)):
        host.noise_node.execute(drive, {"samples": torch.zeros(1, 4, 16, 16)})
    with raises(SizeError, size=(192, 192), expected=(128, 128)):
        host.apply(host.reference("v2"), drive)
