"""Cancel in every long node, models in turn with memory freed between, no network."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from sk_portrait.drawn_heads import Identity, State, draw, truth
from sk_portrait.face_tools import video
from sk_portrait.face_tools.editing import poses
from sk_portrait.face_tools.trackers import mediapipe_mesh
from sk_portrait.face_tools.trackers.faces import ModelFiles
from sk_portrait.testing.node_values import values
from sk_portrait.testing.pack import crop, encoder, grey, node, tiny_host
from sk_portrait.testing.stand_ins import networks
from sk_portrait.testing.talking_head import clip_path
from sk_portrait.testing.tracks import track_of

pytestmark = [pytest.mark.comfy, pytest.mark.usefixtures("comfy")]
HAS_MESH = mediapipe_mesh.missing(ModelFiles()) is None
TRACKER = ("mediapipe-mesh", "largest", 1, "hold")


def _run(name: str, *inputs):
    """An act on a node whose inputs are ready."""
    return lambda: node(f"SKPortrait{name}").execute(*inputs)


def _paste():
    portraits, _, square, _ = crop(grey(2)).args
    return _run("PasteBack", grey(2), portraits, square, 0.1, 0.0)


def _picture() -> torch.Tensor:
    return torch.from_numpy(next(iter(video.frames(clip_path()))))[None].float() / 255


def _track_video():
    from comfy_api.latest import InputImpl

    return _run(
        "TrackVideo", InputImpl.VideoFromFile(str(clip_path())), 0.0, 0.0, 0.0, *TRACKER, "v5", 0.0, 128
    )


def _paste_video():
    return _run("PasteBackVideo", values("VIDEO")[0], grey(3, 128, 128), values("SK_CROP")[1], 0.1, 0.0)


def _face_motion():
    from sk_portrait.nodes.hellomeme import face_motion

    network = SimpleNamespace(module=networks.build("pd_fgc_motion"))

    def act():
        with mock.patch.object(face_motion, "open_network", lambda *_: network):
            face_motion.EncodeFaceMotion.execute("pd_fgc_motion", grey(1, 224, 224))

    return act


def _editor():
    who, rest = Identity.of(5), State()
    portrait = torch.from_numpy(draw(who, rest, 128))[None] / 255
    sliders, edit = dict.fromkeys(poses.NAMES, 0.0), node("SKPortraitExpressionEditor")
    return lambda: edit.execute(portrait, truth(who, [rest], 128), "", False, 15.0, **sliders)


def _invert():
    clip, sigmas = {"samples": torch.zeros(1, 4, 8, 8)}, torch.tensor([14.6, 1.0, 0.0])
    return _run(
        "InvertFrames", tiny_host().model, [[torch.zeros(1, 7, 64), {}]], sigmas, 0, "of the level", clip
    )


def _two_stages():
    from sk_portrait.testing.tiny_motion import MovingHost

    host = MovingHost()
    motion = host.motion("animatediff")
    return lambda: host.video([motion], 3, cells=8)


LONG = {  # display name of a long node -> prepares its inputs and returns the act to cancel
    "Crop Portrait": lambda: lambda: crop(grey(2)),
    "Crop Eyes and Mouth": lambda: _run("FacePatches", grey(2), track_of(2)),
    "Draw Head Pose": lambda: _run("DrawHeadPose", track_of(2), 0.0, 128),
    "Paste Back": _paste,
    "Paste Back into Video": _paste_video,
    "Expression Editor": _editor,
    "Draw Cartoon Head": lambda: _run("DrawnHead", 11, 128, *[0.0] * 10),
    "X-Dyna Face Crop": lambda: _run("SFaceCrop", grey(2), track_of(2), 64, 64, "as they were held"),
    "Track Face from Landmarks": lambda: _run(
        "TrackFromLandmarks", values("FACE_LANDMARKS")[0], 25.0, "largest", 1, "hold"
    ),
    "Read Expression": _face_motion,
    "Clip to Noise": _invert,
    "Preview Track": lambda: _run("PreviewTrack", track_of(2), "", 256, 128),
    "Encode Performance": lambda: _run(
        "EncodeDrive", encoder("v2"), torch.zeros(2, 128, 128, 3), track_of(2, "none")
    ),
    "Portrait Video Sampler": _two_stages,
} | (
    {"Track Face": lambda: _run("TrackFace", _picture(), 25.0, *TRACKER), "Track Video": _track_video}
    if HAS_MESH
    else {}
)


@pytest.mark.parametrize("prepare", LONG.values(), ids=LONG)
def test_cancel_in(prepare):
    import comfy.model_management as management

    act = prepare()
    management.interrupt_current_processing(True)
    try:
        with pytest.raises(management.InterruptProcessingException):
            act()
    finally:
        management.interrupt_current_processing(False)


def test_two_adapters_in_turn_with_memory_freed_between_the_runs():
    import comfy.model_management as management

    host, first = tiny_host(), {}
    models = {version: host.apply(host.reference(version, cells=8)) for version in ("v2", "v5")}
    for version in ("v2", "v5", "v2", "v5"):
        frame = host.sample(models[version], frames=1, cells=8, steps=1)
        assert torch.equal(frame, first.setdefault(version, frame))
        management.unload_all_models()
        management.soft_empty_cache()
    assert not torch.equal(first["v2"], first["v5"])


def test_no_connection_is_tried(monkeypatch):
    host, refused = tiny_host(), mock.Mock(side_effect=OSError("refused"))
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    crop(grey(1))
    host.sample(host.apply(host.reference("v2", cells=8)), frames=1, cells=8, steps=1)
    if HAS_MESH:
        LONG["Track Face"]()()
    assert not refused.called
