"""Tracks whose pitch counts from different zeros, in the nodes where they are converted or meet."""

import logging

import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, State, truth
from sk_portrait.face_tools import track_file
from sk_portrait.face_tools.trackers.straight_look import straight_pitch, with_zero

MESH = "mediapipe-mesh"


@pytest.fixture
def old(comfy):
    """A track of a drawn head as an older version saved it: a straight look has MediaPipe's own pitch."""
    from sk_portrait.nodes import folders

    folders.register()
    states = [State(rotation=np.float32([straight_pitch(MESH) + nod, 0.2, 0.1])) for nod in (0.0, 0.1)]
    return truth(Identity.of(1), states, 256).replace(source=MESH)


@pytest.fixture
def new(old):
    return with_zero(old, straight_pitch(MESH))


def edited(track, **options):
    from sk_portrait.nodes.face.edit import EditTrack

    return EditTrack.execute(track, 0.0, 0.0, 0.0, 1.0, 1.0, "", **options).args[0]


def test_edit_face_track_converts_an_old_track_only_when_asked(old, new):
    assert np.array_equal(edited(old).rotation, old.rotation)
    straight = edited(old, head_pose_zero="straight look")
    assert np.abs(straight.rotation - new.rotation).max() < 1e-6 and abs(straight.rotation[0, 0]) < 1e-6
    assert np.array_equal(edited(new, head_pose_zero="straight look").rotation, new.rotation)


def test_draw_head_pose_draws_an_old_driver_as_the_new_portrait_counts(old, new, caplog):
    import torch

    from sk_portrait.nodes.face.pictures import DrawHeadPose

    (expected,) = DrawHeadPose.execute(new, 0.0, 256, new.rows(slice(0, 1))).args
    assert not caplog.records
    (drawn,) = DrawHeadPose.execute(old, 0.0, 256, new.rows(slice(0, 1))).args
    assert torch.equal(drawn, expected) and "-8.6 degrees were added" in caplog.text
    (alone,) = DrawHeadPose.execute(old, 0.0, 256).args
    assert not torch.equal(alone, expected)


def test_a_drawn_head_looks_straight_ahead_with_either_track(old, new, caplog):
    import torch

    from sk_portrait.nodes.drawn_heads.drawn_head import DrawnHead

    sliders = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    first, second = (DrawnHead.execute(1, 128, *sliders, track).args[0] for track in (new, old))
    assert (first - second).abs().max() < 1e-2 and "counts pitch from another zero" in caplog.text
    assert torch.is_tensor(first)


def test_load_face_track_says_that_a_track_has_the_trackers_own_zero(old, new, caplog):
    import folder_paths

    from sk_portrait.nodes.face.recordings import LoadTrack

    for name, track in (("old.npz", old), ("new.npz", new)):
        track_file.save(track, f"{folder_paths.get_input_directory()}/{name}")
    with caplog.at_level(logging.WARNING):
        loaded, report = LoadTrack.execute("new.npz").args
        assert not caplog.records and "a straight look is 0" in report
        loaded, report = LoadTrack.execute("old.npz").args
    assert "a straight look is +8.6 degrees" in report and "head_pose_zero" in caplog.text
    assert np.array_equal(loaded.rotation, old.rotation)
