"""Faults of runs: Cancel in every long node, memory freed between runs, adapters in turn, no network."""

from __future__ import annotations

import socket
from functools import cache, partial
from pathlib import Path
from unittest import mock

import torch

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

    from ..demo import clips

    return InputImpl.VideoFromFile(str(clips.driver()))


def _two_stages():
    from ..tests.moving import MovingHost

    host = MovingHost()
    motion = host.motion("animatediff")
    return lambda: host.video([motion], 3, cells=8)


LONG = {  # what takes long -> makes what is needed, and gives the act to be cancelled
    "Crop Portrait": lambda: lambda: crop(grey(2)),
    "Face Patches": lambda: lambda: node("SKPortraitFacePatches").execute(grey(2), track_of(2)),
    "Draw Head Pose": lambda: lambda: node("SKPortraitDrawHeadPose").execute(track_of(2), 0.0, 128),
    "Paste Back": _paste,
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
