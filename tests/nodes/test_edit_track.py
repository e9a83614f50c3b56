"""The nodes that edit, show, read and write tracks, on the real ComfyUI."""

import inspect
import os
from datetime import datetime

import numpy as np
import pytest

from sk_portrait.errors import FrameCountError, MissingFileError
from sk_portrait.face_tools import track_file
from sk_portrait.face_tools.coefficients import ARKIT_51, LIVE_LINK_51
from sk_portrait.face_tools.recordings.presets import preset
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import SchemeError, TrackTextError
from sk_portrait.testing.raised import raises

MODULES = ("face.edit", "face.presets", "face.preview", "face.recordings")


@pytest.fixture
def nodes(comfy):
    from importlib import import_module

    modules = [import_module(f"sk_portrait.nodes.{name}") for name in MODULES]
    return {
        node.define_schema().node_id.removeprefix("SKPortrait"): node
        for module in modules
        for node in module.NODES
    }


@pytest.fixture
def folders(comfy, tmp_path, monkeypatch):
    import folder_paths

    for name in ("input", "output", "temp"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    return tmp_path


def make(count=12, size=(64, 48)):
    rng = np.random.default_rng(0)
    return FaceTrack(
        source="test",
        scheme="none",
        fps=25.0,
        size=size,
        valid=np.arange(count) != 4,
        box=np.tile(np.float32([10, 10, 40, 40]), (count, 1)),
        landmarks=np.zeros((count, 0, 2), np.float32),
        rotation=rng.normal(0, 0.1, (count, 3)).astype(np.float32),
        translation=np.tile(np.float32([0, 0, -4]), (count, 1)),
        coefficients=rng.random((count, 51)).astype(np.float32),
    )


def value(track, name):
    return track.coefficients[:, ARKIT_51.index(name)]


def test_every_node_explains_itself(nodes):
    assert set(nodes) == {
        "EditTrack", "RetimeTrack", "MixTracks", "PresetExpression", "SavePreset", "ApproximateExpression", "PreviewTrack",
        "ImportLiveLinkFace", "LoadTrack", "SaveTrack",
    }  # fmt: skip
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for name, node in nodes.items():
        schema = node.define_schema()
        assert schema.category.startswith("SK Portrait/") and schema.description
        assert all(part.tooltip for part in (*schema.inputs, *schema.outputs)), name
        assert {part.id for part in schema.inputs} == set(inspect.signature(node.execute).parameters), name
        assert os.path.isfile(os.path.join(root, "web", "docs", f"SKPortrait{name}.md")), name


def test_edit_with_everything_off_changes_nothing(nodes):
    track = make()
    (same,) = nodes["EditTrack"].execute(track, 0.0, 0.0, 0.0, 1.0, 1.0, "").args
    for name, array in track.arrays().items():
        np.testing.assert_array_equal(getattr(same, name), array)


def test_blink_jaw_and_written_edits(nodes):
    (got,) = nodes["EditTrack"].execute(make(), 0.0, 0.0, 0.0, 0.0, 0.5, "cheekPuff=0.3").args
    assert not value(got, "eyeBlinkLeft").any() and (value(got, "cheekPuff") == np.float32(0.3)).all()
    np.testing.assert_allclose(value(got, "jawOpen"), value(make(), "jawOpen") / 2, atol=1e-6)
    with pytest.raises(TrackTextError, match="did you mean 'jawOpen'"):
        nodes["EditTrack"].execute(make(), 0.0, 0.0, 0.0, 1.0, 1.0, "jawOpne*2")


def test_approximate_expression_keeps_the_coefficients_of_a_tracker(nodes):
    node = nodes["ApproximateExpression"]
    (kept,) = node.execute(make()).args
    np.testing.assert_array_equal(kept.coefficients, make().coefficients)
    with raises(SchemeError, scheme="none"):
        node.execute(make(), replace=True)


def test_retime_keeps_track_and_video_together(nodes):
    import torch

    images = torch.arange(12)[:, None, None, None].expand(-1, 48, 64, 3) / 12
    track, pictures = nodes["RetimeTrack"].execute(make(), 2.0, 0.0, 2, 9, "loop", 6, images).args
    assert len(track) == len(pictures) == 6
    np.testing.assert_allclose(pictures[:, 0, 0, 0] * 12, [2, 4, 6, 8, 2, 4])
    track, blocked = nodes["RetimeTrack"].execute(make(), 1.0, 50.0, 0, -1, "once", 0).args
    assert len(track) == 23 and "images input" in blocked.message
    with raises(FrameCountError, what="track", frames=12, expected=11):
        nodes["RetimeTrack"].execute(make(), 1.0, 0.0, 0, -1, "once", 0, images[:11])


def test_mix_in_all_three_ways(nodes):
    (smile,) = nodes["PresetExpression"].execute("smile", 1.0).args
    mix = nodes["MixTracks"]
    (taken,) = mix.execute(make(), smile, "take its expression", 1.0, 0).args
    assert (value(taken, "mouthSmileLeft") == np.float32(0.7)).all() and not value(taken, "jawOpen").any()
    (added,) = mix.execute(make(), smile, "add its expression", 0.5, 0).args
    np.testing.assert_allclose(value(added, "jawOpen"), value(make(), "jawOpen"), atol=1e-6)
    (after,) = mix.execute(make(), make(), "play it afterwards", 1.0, 4).args
    assert len(after) == 20


def test_preview_shows_overlay_and_plot(nodes, folders):
    import torch

    images = torch.full((12, 48, 64, 3), 0.4)
    result = nodes["PreviewTrack"].execute(make(), "eyeBlink, yaw", 256, 128, images)
    overlay, plot = result.args
    assert overlay.shape == images.shape and plot.shape == (1, 128, 256, 3)
    assert not torch.equal(overlay, images) and 0 <= overlay.min() and overlay.max() <= 1
    shown = result.ui.as_dict() if hasattr(result.ui, "as_dict") else result.ui
    assert len(shown["images"]) == 1
    on_black, _ = nodes["PreviewTrack"].execute(make(), "", 256, 128).args
    assert on_black.shape == (12, 48, 64, 3)


def test_a_track_is_saved_under_its_date_and_size(nodes, folders):
    _, path = nodes["SaveTrack"].execute(make(), "%date:yyyy%/take_%width%").args
    assert path == str(folders / "output" / str(datetime.now().year) / "take_64_00001_.npz")


def test_a_saved_track_is_listed_and_loaded(nodes, folders):
    _, first = nodes["SaveTrack"].execute(make(), "faces/anna").args
    _, second = nodes["SaveTrack"].execute(make(5), "faces/anna").args
    assert os.path.basename(first) == "anna_00001_.npz" and os.path.basename(second) == "anna_00002_.npz"
    load = nodes["LoadTrack"]
    options = load.define_schema().inputs[0].options
    assert options == ["faces/anna_00001_.npz [output]", "faces/anna_00002_.npz [output]"]
    track, report = load.execute(options[1]).args
    assert len(track) == 5 and "5 frames" in report
    assert load.validate_inputs(options[0]) is True
    before = load.fingerprint_inputs(options[0])
    track_file.save(make(7), first)
    assert load.fingerprint_inputs(options[0]) != before


@pytest.mark.parametrize("file", ["absent.npz", "../secret.npz", "/etc/passwd", "faces [output]"])
def test_only_files_of_the_two_folders_are_read(nodes, folders, file):
    (folders / "secret.npz").write_bytes(b"")
    assert "There is no file" in nodes["LoadTrack"].validate_inputs(file)
    with raises(MissingFileError, file=file):
        nodes["LoadTrack"].execute(file)


def test_a_recording_is_imported_and_its_oddities_are_told(nodes, folders):
    header = ",".join(["Timecode", "BlendShapeCount", *LIVE_LINK_51, "HeadYaw", "HeadPitch", "HeadRoll"])
    rows = [f"10:00:0{k // 30}:{k % 30:02}.0,54," + ",".join(["0.5"] * 51) + ",0.2,0,0" for k in range(90)]
    (folders / "input" / "take.csv").write_text("\n".join([header, *rows]))
    node = nodes["ImportLiveLinkFace"]
    assert node.define_schema().inputs[0].options == ["take.csv"]
    track, report = node.execute("take.csv", 15.0, 60.0, 0.5, "expression and head angles").args
    assert track.fps == 15 and track.rotation[0, 1] == pytest.approx(0.2)
    assert "probably recorded at 30 frames per second" in report and "Experimental" in report
    track, _ = node.execute("take.csv", 15.0, 30.0, 0.0, "expression").args
    assert not track.rotation.any() and len(track) == 45


def test_presets_need_no_landmarks_to_be_shown(nodes, folders):
    overlay, _ = nodes["PreviewTrack"].execute(preset("wink"), "", 256, 128).args
    assert overlay.shape == (1, 512, 512, 3)
