"""Faults of runs: Cancel in every long node, memory freed between runs, adapters in turn, no network."""

from __future__ import annotations

import socket
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch

from ..drawn_heads import Identity, State, draw, truth
from ..face_tools.editing import poses
from ..testing.stand_ins import networks
from .fault import Lost, Table, keep
from .faults_faces import HAS_MESH, clip
from .faults_files import track_of
from .faults_host import encoder, narrow
from .faults_nodes import crop, grey, node

TABLE = Table(host=True)


def _paste():
    portraits, _, square = crop(grey(2)).args
    return lambda: node("SKPortraitPasteBack").execute(grey(2), portraits, square, 0.1, 0.0)


def _follow(name: str, *values):
    return lambda: node(name).execute(*values, "mediapipe-mesh", "largest", 1, "hold", *(() if "Video" not in name else ("v5", 0.0, 128)))


def _pictures() -> torch.Tensor:
    return torch.from_numpy(clip()[0])[None].float() / 255


def _video():
    from comfy_api.latest import InputImpl

    from ..testing import material

    return InputImpl.VideoFromFile(str(material.driver()))


def _paste_video():
    from .faults_pool import pool

    video, (_, crop_of_part, *_) = pool("VIDEO")[0], pool("SK_CROP")
    return lambda: node("SKPortraitPasteBackVideo").execute(video, grey(3, 128, 128), crop_of_part, 0.1, 0.0)


def _face_motion():
    from ..nodes.hellomeme import face_motion

    network = SimpleNamespace(module=networks.build("pd_fgc_motion"))

    def act():
        with mock.patch.object(face_motion, "open_network", lambda *_: network):
            face_motion.EncodeFaceMotion.execute("pd_fgc_motion", grey(1, 224, 224))

    return act


def _landmarks():
    from .faults_pool import pool

    return lambda: node("SKPortraitTrackFromLandmarks").execute(pool("FACE_LANDMARKS")[0], 25.0, "largest", 1, "hold")


def _editor():
    who, rest = Identity.of(5), State()
    portrait = torch.from_numpy(draw(who, rest, 128))[None] / 255
    sliders = dict.fromkeys(poses.NAMES, 0.0)
    return lambda: node("SKPortraitExpressionEditor").execute(portrait, truth(who, [rest], 128), "", False, 15.0, **sliders)


def _invert():
    host = narrow()
    clip, sigmas = {"samples": torch.zeros(1, 4, 8, 8)}, torch.tensor([14.6, 1.0, 0.0])
    return lambda: node("SKPortraitInvertFrames").execute(host.model, [[torch.zeros(1, 7, 64), {}]], sigmas, 0, "of the level", clip)


def _two_stages():
    from ..testing.tiny_motion import MovingHost

    host = MovingHost()
    motion = host.motion("animatediff")
    return lambda: host.video([motion], 3, cells=8)


LONG = {  # what takes long -> makes what is needed, and gives the act to be cancelled
    "Crop Portrait": lambda: lambda: crop(grey(2)),
    "Face Patches": lambda: lambda: node("SKPortraitFacePatches").execute(grey(2), track_of(2)),
    "Draw Head Pose": lambda: lambda: node("SKPortraitDrawHeadPose").execute(track_of(2), 0.0, 128),
    "Paste Back": _paste,
    "Paste Back into Video": _paste_video,
    "Expression Editor": _editor,
    "Drawn Head": lambda: lambda: node("SKPortraitDrawnHead").execute(11, 128, *[0.0] * 10),
    "S-Face Crop": lambda: lambda: node("SKPortraitSFaceCrop").execute(grey(2), track_of(2), 64, 64, "as they were held"),
    "Track Face from Landmarks": _landmarks,
    "Face Motion": _face_motion,
    "Invert Frames": _invert,
    "Preview Track": lambda: lambda: node("SKPortraitPreviewTrack").execute(track_of(2), "", 256, 128),
    "Encode Drive": lambda: lambda: node("SKPortraitEncodeDrive").execute(encoder("v2"), torch.zeros(2, 128, 128, 3), track_of(2, "none")),
    "the Two-Stage Sampler": _two_stages,
}
if HAS_MESH:
    LONG |= {
        "Track Face": lambda: _follow("SKPortraitTrackFace", _pictures(), 25.0),
        "Track Video": lambda: _follow("SKPortraitTrackVideo", _video(), 0.0, 0.0, 0.0),
    }


def cancelled(name: str, folder: Path) -> str:
    import comfy.model_management as management

    act = LONG[name]()
    management.interrupt_current_processing(True)
    try:
        act()
    except management.InterruptProcessingException:
        return "the host's own: interrupted"
    finally:
        management.interrupt_current_processing(False)
    raise Lost("the Cancel: the node ran to its end")


for name in LONG:
    TABLE.fault(f"Cancel in {name}", "interrupted")(partial(cancelled, name))


@cache
def portrait(generation: str):
    """A model with the narrow adapter of a generation on it."""
    host = narrow()
    return host.apply(host.reference(generation, cells=8))


@TABLE.fault("two adapters in turn, with /free between the runs")
def in_turn(folder: Path) -> None:
    import comfy.model_management as management

    first = {}
    for generation in ("v2", "v5", "v2", "v5"):
        video = narrow().sample(portrait(generation), frames=1, cells=8, steps=1)
        keep(torch.equal(video, first.setdefault(generation, video)), f"the picture of {generation}: it changed")
        management.unload_all_models()
        management.soft_empty_cache()
    keep(not torch.equal(first["v2"], first["v5"]), "the difference of two adapters")


@TABLE.fault("a machine whose sockets are refused")
def no_network(folder: Path) -> None:
    refused = mock.Mock(side_effect=OSError("refused"))
    with mock.patch.object(socket.socket, "connect", refused), mock.patch.object(socket, "getaddrinfo", refused):
        crop(grey(1))
        narrow().sample(portrait("v2"), frames=1, cells=8, steps=1)
        if HAS_MESH:
            _follow("SKPortraitTrackFace", _pictures(), 25.0)()
    keep(not refused.called, "what the artist's machine keeps to itself: a connection was tried")
