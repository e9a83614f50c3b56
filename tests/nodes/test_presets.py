"""Presets that artists save: files, names and the two nodes that list them."""

import base64
import json

import numpy as np
import pytest
import torch

from sk_portrait.drawn_heads import Identity, State, clip, truth
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.editing import poses
from sk_portrait.face_tools.opencv import cv2
from sk_portrait.face_tools.recordings import saved_presets
from sk_portrait.face_tools.recordings.presets import PRESETS
from sk_portrait.face_tools.track import TrackError
from sk_portrait.host.environment import ROOT

SIZE, WHO = 128, Identity.of(5)


@pytest.fixture
def nodes(comfy, tmp_path, monkeypatch):
    """Save, Preset and Editor, with an empty user folder."""
    import folder_paths

    from sk_portrait.nodes.face.expression import ExpressionEditor
    from sk_portrait.nodes.face.presets import PresetExpression, SavePreset

    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path / "user"))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    return SavePreset, PresetExpression, ExpressionEditor


def listed(node) -> list[str]:
    """The presets that a node offers now."""
    return next(part for part in node.define_schema().inputs if part.id == "preset").options


def performance():
    return truth(WHO, clip(3, 8), SIZE)


def test_a_saved_moment_is_listed_by_both_nodes_and_comes_back(nodes, tmp_path):
    save, preset, editor = nodes
    track = performance()
    save.execute(track, " Anna, singing ", 5)
    assert listed(preset) == [*PRESETS, "Anna, singing"]
    assert listed(editor) == ["none", *PRESETS, "Anna, singing"]
    assert preset.validate_inputs("Anna, singing") is True and editor.validate_inputs("Anna, singing") is True
    (back,) = preset.execute("Anna, singing", 1.0).args
    np.testing.assert_allclose(back.coefficients[0], track.coefficients[5], atol=1e-4)
    np.testing.assert_allclose(back.rotation[0], track.rotation[5], atol=1e-3)
    (half,) = preset.execute("Anna, singing", 0.5).args
    np.testing.assert_allclose(half.coefficients, back.coefficients / 2, atol=1e-6)


def test_the_file_is_json_as_the_help_says_with_a_picture_of_the_frame(nodes, tmp_path):
    save, *_ = nodes
    images = torch.linspace(0, 1, 8)[:, None, None, None].expand(-1, 60, 90, 3)
    save.execute(performance(), "grey", 4, images)
    (file,) = (tmp_path / "user").rglob("*.json")
    content = json.loads(file.read_text(encoding="utf-8"))
    page = (ROOT / "web" / "docs" / "SKPortraitSavePreset.md").read_text(encoding="utf-8")
    assert file.relative_to(tmp_path).as_posix() == "user/default/sk_portrait_presets/grey.json"
    assert (
        file.parent.as_posix().endswith("user/default/sk_portrait_presets")
        and f"`{content['format']}`" not in page
    )
    assert all(f'"{field}"' in page for field in content) and set(content["coefficients"]) <= set(ARKIT_51)
    kind, _, data = content["picture"].partition(",")
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert f"{kind}," == saved_presets.DATA and picture.shape == (192, 192, 3)
    assert picture.mean() == pytest.approx(255 * 4 / 7, abs=3)


def test_a_name_that_is_taken_is_kept_unless_it_is_to_be_replaced(nodes):
    save, preset, _ = nodes
    track = performance()
    save.execute(track, "mine", 0)
    before = preset.fingerprint_inputs("mine")
    with pytest.raises(TrackError, match="There is a preset 'mine' already"):
        save.execute(track, "mine", 5)
    assert preset.fingerprint_inputs("mine") == before
    save.execute(track, "mine", 5, replace=True)
    np.testing.assert_allclose(
        preset.execute("mine", 1.0).args[0].coefficients[0], track.coefficients[5], atol=1e-4
    )
    assert preset.fingerprint_inputs("mine") != before


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "a/b",
        "a\\b",
        "C:x",
        "",
        "  ",
        ".hidden",
        "dot.",
        "con",
        "LPT1.txt",
        "a\0b",
        "a\nb",
        "what?",
        "x" * 61,
        "smile",
        "none",
    ],
)
def test_a_name_that_is_no_plain_file_name_is_refused(nodes, tmp_path, name):
    save, preset, editor = nodes
    with pytest.raises(TrackError, match="cannot name a preset"):
        save.execute(performance(), name, 0)
    assert not list(tmp_path.rglob("*.json"))
    if name not in (*PRESETS, "none"):
        assert isinstance(preset.validate_inputs(name), str)


def test_a_preset_that_is_gone_is_named_with_its_folder(nodes, tmp_path):
    _, preset, _ = nodes
    assert "no preset 'gone'" in preset.validate_inputs("gone")
    with pytest.raises(TrackError, match="sk_portrait_presets"):
        preset.execute("gone", 1.0)


GOOD = {
    "format": "sk-portrait preset",
    "version": 1,
    "coefficients": {},
    "head": dict.fromkeys(saved_presets.ANGLES, 0),
}
WRONG = [
    {"format": "other"},
    {"version": 99},
    {"coefficients": {"jawOpen": 2}},
    {"coefficients": {"jawOpen": float("nan")}},
    {"coefficients": {"nose": 0.5}},
    {"head": {"pitch": 1e9, "yaw": 0, "roll": 0}},
    {"head": {}},
]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, *(json.dumps(GOOD | wrong) for wrong in WRONG)]
)
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TrackError, match="bad.json is not a preset"):
        saved_presets.load(path)
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    assert len(saved_presets.load(path)) == 1


def test_the_editor_starts_from_a_preset_and_its_sliders_are_added(nodes):
    *_, editor = nodes
    portrait, track = torch.rand(1, SIZE, SIZE, 3), truth(WHO, [State()], SIZE)

    def edited(**inputs):
        rest = dict.fromkeys(poses.NAMES, 0.0)
        result, picture = editor.execute(portrait, track, "", False, 10.0, **(rest | inputs)).args
        return dict(zip(ARKIT_51, result.coefficients[0])), picture

    plain, same = edited()
    smiling, picture = edited(preset="smile", preset_strength=0.5, jaw=0.3)
    assert torch.equal(same, portrait) and not torch.equal(picture, portrait)
    assert smiling["mouthSmileLeft"] == pytest.approx(0.35) and smiling["jawOpen"] == pytest.approx(0.3)
    assert not any(plain.values())
    assert edited(preset="none")[0] == edited(preset="smile", preset_strength=0.0)[0] == plain
