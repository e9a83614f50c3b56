"""The order of the 51 coefficients is recovered from a clip, on stand-in networks whose order is known."""

import json

import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, State, truth
from sk_portrait.face_tools.calibrate import correlations, recover_order, require_sure, tilt_between
from sk_portrait.face_tools.coefficients import (
    ARKIT_51,
    ASSUMED_ORDER,
    LIVE_LINK_51,
    ORDER_FILE,
    CoefficientOrder,
    network_order,
)
from sk_portrait.face_tools.geometry import rotation_angles, rotation_matrix
from sk_portrait.face_tools.track_errors import TrackError, TrackSettingError
from sk_portrait.face_tools.trackers import straight_look
from sk_portrait.face_tools.trackers.faces import ModelFiles
from sk_portrait.face_tools.trackers.straight_look import with_zero
from sk_portrait.testing.raised import raises

pytest.importorskip("scipy")
SHUFFLED = tuple(np.random.default_rng(8).permutation(ARKIT_51))


def performance(frames=400, seed=0):
    """(F, 51) a face at play: smooth bumps at random times, left and right mostly together."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None]
    bumps = (
        sum(
            np.exp(-(((time - rng.uniform(0, frames, 51)) / 12) ** 2)) * rng.uniform(0.3, 1, 51)
            for _ in range(5)
        )
        / 2
    )
    for k, name in enumerate(ARKIT_51):
        if name.endswith("Right"):
            left = ARKIT_51.index(name.replace("Right", "Left"))
            bumps[:, k] = 0.7 * bumps[:, left] + 0.3 * bumps[:, k]
    return bumps.clip(0, 1)


def network(named, order=SHUFFLED, noise=0.03, seed=1):
    """What a network with that order and a scale of its own would give."""
    rng = np.random.default_rng(seed)
    values = named[:, [ARKIT_51.index(n) for n in order]]
    return values * rng.uniform(0.4, 1.2, 51) + rng.uniform(0, 0.1, 51) + rng.normal(0, noise, values.shape)


def test_a_shuffled_order_is_recovered():
    named = performance()
    recovered = recover_order(network(named), named, "clip.mp4")
    assert recovered.order.names == SHUFFLED and recovered.order.measured
    assert recovered.sure.all() and "clip.mp4, 400 frames" in recovered.order.provenance
    require_sure(recovered)


def test_sides_and_opposites_are_told_apart():
    named = performance()
    up, down = (ARKIT_51.index(f"eyeLook{way}Left") for way in ("Up", "Down"))
    named[:, down] = 1 - named[:, up]  # as strong a correlation, of the other sign
    recovered = recover_order(network(named), named, "clip")
    assert recovered.order.names == SHUFFLED


def test_what_the_clip_does_not_show_keeps_its_assumed_place_and_is_unsure():
    named = performance()
    still = [ARKIT_51.index(n) for n in ("cheekPuff", "noseSneerLeft", "jawForward")]
    named[:, still] = 0
    recovered = recover_order(network(named, LIVE_LINK_51, noise=0.02), named, "clip")
    assert recovered.order.names == LIVE_LINK_51
    unsure = {recovered.order.names[k] for k in np.flatnonzero(~recovered.sure)}
    assert unsure == {"cheekPuff", "noseSneerLeft", "jawForward"}
    assert "cheekPuff" in [
        line.split()[1] for line in recovered.table().splitlines() if line.endswith("unsure")
    ]


def test_a_dull_clip_gives_no_table():
    named = np.zeros((100, 51))
    named[:, 3] = np.sin(np.arange(100) / 5) + 1
    with raises(TrackSettingError, setting="clip", value=1):
        require_sure(recover_order(network(named), named, "clip"))


def test_too_few_frames_are_refused():
    with raises(TrackSettingError, setting="clip", value=20):
        recover_order(np.zeros((20, 51)), np.zeros((20, 51)), "clip")


def test_correlation_of_still_columns_is_zero():
    a = np.random.default_rng(0).random((60, 51))
    b = a.copy()
    b[:, 4] = 0.3
    table = correlations(a, b)
    np.testing.assert_allclose(np.diag(table), [0.0 if k == 4 else 1.0 for k in range(51)], atol=1e-9)
    assert not table[:, 4].any()


def heads(frames=80):
    """A track of a head that turns every way."""
    angles = np.random.default_rng(2).normal(0, 0.3, (frames, 3)).astype(np.float32)
    return truth(Identity.of(0), [State(rotation=row) for row in angles], 256)


def tilted(network, degrees):
    """What a tracker sees whose head nods by so much, with some noise."""
    shake = np.random.default_rng(3).normal(0, 0.02, (len(network), 3))
    tilt = rotation_matrix([np.radians(degrees), 0, 0]) @ rotation_matrix(shake)
    seen = rotation_angles(rotation_matrix(network.rotation) @ tilt)
    return network.replace(rotation=seen.astype(np.float32))


def test_the_tilt_of_a_trackers_head_is_recovered_in_the_frame_of_the_head():
    network = heads()
    tracker = tilted(network, 9.0)
    assert np.allclose(tilt_between(network, tracker), [9, 0, 0], atol=0.4)
    again = with_zero(tracker, np.radians(5.0))  # a calibration in force does not change what is measured
    assert np.allclose(tilt_between(network, again), tilt_between(network, tracker), atol=1e-3)
    few = tracker.replace(valid=np.arange(80) < 49)
    with raises(TrackSettingError, setting="clip", value=49):
        tilt_between(network, few)


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A video of the stand-in face, which shows a performance on a board, and networks that read the board in a shuffled order."""
    av = pytest.importorskip("av")
    pytest.importorskip("onnxruntime")
    from sk_portrait.testing.stand_ins import onnx_faces as stand_ins

    models = tmp_path / "face_tools"
    models.mkdir()
    monkeypatch.setattr("sk_portrait.authoring.calibrate.calibrate_head_pose", lambda *_: None)
    stand_ins.write_all(models)
    stand_ins.board_coefficients(
        models / "hello_arkit_blendshape.onnx", [ARKIT_51.index(name) for name in SHUFFLED]
    )
    named = performance(120)
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264rgb", rate=30, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "rgb24"
        for row in named:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stand_ins.board(row), format="rgb24")))
        container.mux(stream.encode())
    (tmp_path / "named.json").write_text(
        json.dumps({"fps": 30, "names": list(ARKIT_51), "frames": named.tolist()})
    )
    return tmp_path


def test_the_command_writes_the_table_that_the_nodes_read(clip, capsys):
    from sk_portrait.authoring.calibrate import main

    arguments = [
        str(clip / "clip.mp4"),
        "--named",
        str(clip / "named.json"),
        "--models",
        str(clip / "face_tools"),
    ]
    assert main(arguments) == 0, capsys.readouterr().out
    order = network_order(clip / "face_tools" / ORDER_FILE)
    assert order.names == SHUFFLED and order.measured and len(order.confidence) == 51
    assert main(arguments) == 0  # a second run, now read through the table just written, finds the same
    assert network_order(clip / "face_tools" / ORDER_FILE).names == SHUFFLED


def test_the_command_writes_the_head_poses_zero_that_the_trackers_read(tmp_path, monkeypatch, capsys):
    from sk_portrait.authoring import calibrate

    def by_mediapipe(module, clip, models):
        if module is calibrate.mediapipe_mesh:
            raise TrackError("It is not installed.")
        return tilted(heads(), 9.0)

    monkeypatch.setattr(calibrate, "_by_mediapipe", by_mediapipe)
    path = tmp_path / straight_look.CALIBRATION
    calibrate.calibrate_head_pose(tmp_path / "clip.mp4", heads(), ModelFiles((str(tmp_path),)), path)
    for name in ("mediapipe-tasks", "comfyui-landmarks"):
        assert np.degrees(straight_look.straight_pitch(name, path)) == pytest.approx(9, abs=0.4)
    assert "mediapipe-mesh was not calibrated. It is not installed." in capsys.readouterr().out


def test_the_command_says_what_is_missing(clip, capsys):
    from sk_portrait.authoring.calibrate import main

    (clip / "face_tools" / "hello_3dmm.onnx").unlink()
    assert main([str(clip / "clip.mp4"), "--models", str(clip / "face_tools")]) == 1
    assert '"hello_3dmm.onnx" was not found' in capsys.readouterr().out
    assert not (clip / "face_tools" / ORDER_FILE).exists()


def test_the_assumption_is_marked_as_one():
    assert not ASSUMED_ORDER.measured and ASSUMED_ORDER.provenance.startswith("assumed")
    assert CoefficientOrder(LIVE_LINK_51, "x").confidence == ()
