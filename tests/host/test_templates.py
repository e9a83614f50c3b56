"""What the pack ships: a few nodes at the top, everything named, and each template runs from its own files to a result."""

import numpy as np
import pytest
from PIL import Image

from sk_portrait.authoring import blueprints, graphs
from sk_portrait.drawn_heads.examples import NAME
from sk_portrait.face_tools import video
from sk_portrait.host import workflow
from sk_portrait.testing import models
from sk_portrait.testing.servers import SMALL, reduced

pytestmark = pytest.mark.comfy

MOST = 9
OPEN = 12, 4  # nodes and groups of the template that shows the wires: it has no blueprint
MUTED = 2  # mode of a node
DRIVEN = ["clip_cleanup", "freeanimate_restyle", "portrait_directed", "portrait_film", "portrait_video",
          "portrait_video_two_stage", "xdyna_video"]  # templates of videos that follow one  # fmt: skip
TEMPLATES = sorted(make.__name__ for make in graphs.SHIPPED)


def test_the_files_are_what_the_command_writes(info):
    for make in graphs.SHIPPED:
        made = make(info)
        saved = workflow.read(made.name, workflow.TEMPLATES)
        assert {n["type"] for n in workflow.nodes_within(saved)} == {
            n["type"] for n in workflow.nodes_within(made.saved())
        }, made.name
    assert set(TEMPLATES) == set(workflow.names(workflow.TEMPLATES))
    assert {make(info).name for make in blueprints.SHIPPED} == set(workflow.names(workflow.BLUEPRINTS))


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_top_is_small_and_says_what_to_download(name):
    saved = workflow.read(name, workflow.TEMPLATES)
    most, groups = OPEN if name == "try_it" else (MOST, 3)
    assert len(saved["nodes"]) <= most and len(saved["links"]) <= most and len(saved["groups"]) == groups
    (note,) = (node for node in saved["nodes"] if node["type"] == "MarkdownNote")
    for directory, file in workflow.models(saved):
        assert f"models/{directory}/{file}" in note["widgets_values"][0]
    assert (workflow.TEMPLATES / f"{name}.jpg").exists()


def test_every_feature_that_only_nodes_had_is_in_a_template():
    used = {
        node["type"]
        for name in TEMPLATES
        for node in workflow.nodes_within(workflow.read(name, workflow.TEMPLATES))
    }
    faces = "TrackVideo TrackFromLandmarks EditTrack MixTracks PresetExpression PreviewTrack ExpressionEditor FacePatches PasteBackVideo"
    faces += " ImportLiveLinkFace PreviewPatches ComparePerformance SweepSetting ComparisonGrid"
    sampling = "FaceMotion SharedNoise ApplyMotion TwoStageSampler ApplyWPlus AnchorFrames InvertFrames ApplyInversion"
    xdyna = "SFaceCrop XDynaTokens XDynaHints XDynaApply BlurredStart XDynaSteps"
    assert {f"SKPortrait{name}" for name in f"{faces} {sampling} {xdyna}".split()} <= used


def frames_of(server, name: str) -> int:
    """Frames of a template's result: of the whole driver in try_it, which cuts no part out of it."""
    if name != "try_it":
        return 3
    return len(list(video.frames(server.base / "input" / "sk_portrait_example_driver.mp4")))


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_template_runs_to_its_result(stocked, info, name):
    graph = workflow.to_api(workflow.read(name, workflow.TEMPLATES), info)
    models.use_synthetic(graph)
    for node in graph.values():
        values = {key: value for key, value in node["inputs"].items() if not isinstance(value, list)}
        node["inputs"].update(reduced(node["class_type"], values))
    outputs = stocked.run(graph)
    for kind in ("SaveVideo", "SaveImage"):
        for node in [key for key, n in graph.items() if n["class_type"] == kind]:
            (file,) = outputs[node]["images"]
            path = stocked.path(file)
            pictures = list(video.frames(path)) if kind == "SaveVideo" else [np.asarray(Image.open(path))]
            expected = frames_of(stocked, name) if kind == "SaveVideo" else 1
            assert len(pictures) == expected and pictures[0].std() > 0


def muted(saved: dict) -> list[dict]:
    return [node for node in saved["nodes"] if node.get("mode") == MUTED]


@pytest.mark.parametrize("name", DRIVEN)
def test_a_muted_node_waits_for_the_video_side_by_side(name):
    (node,) = muted(workflow.read(name, workflow.TEMPLATES))
    assert node["type"] == "SaveVideo" and "Ctrl+M" in node["title"]


def test_unmuting_that_node_shows_driver_pose_and_result(stocked, info):
    saved = workflow.read("portrait_video", workflow.TEMPLATES)
    (node,) = muted(saved)
    node["mode"] = 0
    graph = workflow.to_api(saved, info)
    models.use_synthetic(graph)
    for each in graph.values():
        each["inputs"].update({key: value for key, value in SMALL.items() if key in each["inputs"]})
    (file,) = stocked.run(graph)[str(node["id"])]["images"]
    pictures = list(video.frames(stocked.path(file)))
    assert len(pictures) == 3 and pictures[0].shape == (128, 3 * 128, 3)
    assert all(pictures[0][:, x : x + 128].std() > 0 for x in (0, 128, 256))


def test_a_stretch_of_a_film_keeps_what_is_not_the_face(stocked, info):
    """Paste Portrait Back into Video: outside the square the film is the film, and it lasts as long as the stretch."""
    graph = workflow.to_api(workflow.read("portrait_film", workflow.TEMPLATES), info)
    models.use_synthetic(graph)
    for node in graph.values():
        node["inputs"].update(
            {key: value for key, value in (SMALL | {"start": 1.0}).items() if key in node["inputs"]}
        )
    (file,) = stocked.run(graph)[workflow.node_id(graph, "SaveVideo")]["images"]
    made = list(video.frames(stocked.path(file)))
    film = list(video.frames(stocked.base / "input" / NAME.format("driver.mp4"), 10.0, 1.0, 0.3))
    assert len(made) == len(film) == 3
    edge = (slice(0, 4), slice(None))
    assert np.abs(made[0][edge].astype(int) - film[0][edge]).mean() < 8
