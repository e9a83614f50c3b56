"""What an artist reads on a node: every input in words, and the names of earlier versions still lead to it."""

import re

import pytest

pytestmark = pytest.mark.comfy

# Display names of 0.2, which tutorials and saved notes still use.
EARLIER = {
    "SKPortraitLoadAdapter": "Load Portrait Adapter",
    "SKPortraitLoadDriveEncoder": "Load Portrait Drive Encoder",
    "SKPortraitLoadMotion": "Load Portrait Motion",
    "SKPortraitApplyMotion": "Apply Portrait Motion",
    "SKPortraitEncodeReference": "Encode Portrait Reference",
    "SKPortraitEncodeDrive": "Encode Portrait Drive",
    "SKPortraitApply": "Apply Portrait",
    "SKPortraitStrengths": "Portrait Strengths",
    "SKPortraitSharedNoise": "Portrait Shared Noise",
    "SKPortraitTwoStageSampler": "Portrait Two-Stage Sampler",
    "SKPortraitFacePatches": "Face Patches",
    "SKPortraitPreviewPatches": "Preview Face Patches",
    "SKPortraitFaceMotion": "Face Motion (PD-FGC)",
    "SKPortraitDrawnHead": "Drawn Head",
    "SKPortraitAnchorFrames": "Anchor Frames",
    "SKPortraitInvertFrames": "Invert Frames",
    "SKPortraitApplyInversion": "Apply Inversion",
    "SKPortraitXDynaTokens": "X-Dyna Tokens",
    "SKPortraitXDynaApply": "X-Dyna Apply",
    "SKPortraitXDynaHints": "X-Dyna Hints",
    "SKPortraitSFaceCrop": "S-Face Crop",
    "SKPortraitBlurredStart": "Blurred Start",
    "SKPortraitXDynaSteps": "X-Dyna Steps",
    "SKPortraitClipPart": "Portrait Clip Part",
    "SKPortraitJoinClip": "Portrait Join Clip",
}


def inputs(info: dict) -> dict[str, dict]:
    """Options of every input by its name."""
    return {
        name: spec[1]
        for kind in ("required", "optional")
        for name, spec in info["input"].get(kind, {}).items()
    }


@pytest.fixture(scope="module")
def nodes(server):
    return {name: info for name, info in server.object_info().items() if name.startswith("SKPortrait")}


def test_every_input_is_labelled_in_words(nodes):
    for name, info in nodes.items():
        for key, options in inputs(info).items():
            assert re.fullmatch(r"[^_]+", options.get("display_name", "")), f"{name}.{key}"


def test_no_two_inputs_of_a_node_have_one_label(nodes):
    for name, info in nodes.items():
        labels = [options["display_name"] for options in inputs(info).values()]
        assert len(labels) == len(set(labels)), name


def test_no_two_nodes_have_one_name(nodes):
    names = [info["display_name"] for info in nodes.values()]
    assert len(names) == len(set(names))


def test_the_slider_of_a_feature_has_one_label_in_every_node(nodes):
    editor, head = (inputs(nodes[f"SKPortrait{name}"]) for name in ("ExpressionEditor", "DrawnHead"))
    pairs = {"jaw": "jaw_open", "look_sideways": "gaze_x", "look_up": "gaze_y"}
    for name in ("pitch", "yaw", "roll", "brows", "jaw", "smile", "pucker", "look_sideways", "look_up"):
        assert editor[name]["display_name"] == head[pairs.get(name, name)]["display_name"]


def test_the_earlier_name_of_a_node_is_searched(nodes):
    if not any("search_aliases" in info for info in nodes.values()):
        pytest.skip("this ComfyUI has no search aliases")
    for name, earlier in EARLIER.items():
        assert earlier in nodes[name]["search_aliases"], name
