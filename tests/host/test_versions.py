"""portrait_image.json with every official version, on the real server: a test over the table."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from sk_portrait.host import workflow
from sk_portrait.sk_attention.versions import VERSIONS
from sk_portrait.testing import servers
from sk_portrait.testing.servers import only
from sk_portrait.testing.version_files import write, write_pair

pytestmark = pytest.mark.comfy


def drive_the_portrait_too(graph: dict) -> None:
    """v5c: the reference pass also receives the portrait's own drive, made as the driver's is from the portrait's own wires."""
    encode = workflow.node_id(graph, "SKPortraitEncodeDrive")
    portrait_track = only(graph, "SKPortraitDrawHeadPose")["reference"]
    crop = next(
        k
        for k, n in graph.items()
        if n["class_type"] == "SKPortraitCropPortrait" and [k, 1] == portrait_track
    )
    own = {
        name: copy.deepcopy(graph[workflow.node_id(graph, f"SKPortrait{name}")])
        for name in ("DrawHeadPose", "FacePatches")
    }
    own["DrawHeadPose"]["inputs"] |= {"track": portrait_track, "reference": portrait_track}
    own["FacePatches"]["inputs"] |= {"images": [crop, 0], "track": portrait_track}
    graph |= {f"own_{name}": node for name, node in own.items()}
    graph["own_drive"] = copy.deepcopy(graph[encode])
    graph["own_drive"]["inputs"] |= {"head_pose": ["own_DrawHeadPose", 0], "track": portrait_track}
    graph["own_drive"]["inputs"] |= {
        part: ["own_FacePatches", i] for i, part in enumerate(("left_eye", "right_eye", "mouth"))
    }
    only(graph, "SKPortraitEncodeReference")["drive"] = ["own_drive", 0]


def picture(stocked, graph: dict) -> np.ndarray:
    return servers.picture(stocked, graph).astype(float)


@pytest.fixture(scope="module")
def plain(stocked, small_graph):
    """What the checkpoint draws without our nodes' effect."""
    graph = small_graph("portrait_image")
    only(graph, "SKPortraitApply").update(reference_strength=0.0, drive_strength=0.0)
    return picture(stocked, graph)


@pytest.mark.parametrize("row", VERSIONS.values(), ids=VERSIONS)
def test_the_workflow_runs_with_every_version(stocked, small_graph, plain, row):
    files = write_pair(stocked.base / "models" / "sk_portrait", row)
    graph = small_graph("portrait_image")
    only(graph, "SKPortraitLoadAdapter")["file"] = files["adapter"]
    only(graph, "SKPortraitLoadDriveEncoder").update(
        file=files["drive_encoder"], projection=files["projection"]
    )
    only(graph, "KSampler").update(sampler_name=row.sampler, scheduler=row.scheduler)
    if row.driven_reference:
        drive_the_portrait_too(graph)
    drawn = picture(stocked, graph)
    assert drawn.shape == plain.shape and np.abs(drawn - plain).max() > 8


def test_face_motion_drives_a_version_that_takes_both_kinds(stocked, small_graph):
    folder = stocked.base / "models" / "sk_portrait"
    files = write_pair(folder, VERSIONS["v3"])
    graph = small_graph("portrait_image")
    only(graph, "SKPortraitLoadAdapter")["file"] = files["adapter"]
    only(graph, "SKPortraitLoadDriveEncoder")["file"] = files["drive_encoder"]
    patches = workflow.node_id(graph, "SKPortraitFacePatches")
    graph["motion"] = {
        "class_type": "SKPortraitFaceMotion",
        "inputs": {"file": write(folder, "v1", "face_motion"), "motion_crop": [patches, 3]},
    }
    only(graph, "SKPortraitEncodeDrive")["face_motion"] = ["motion", 0]
    outputs = stocked.run(graph)
    assert outputs["motion"]["images"], "the crops are shown on the node"
    assert outputs[workflow.node_id(graph, "SaveImage")]["images"]


@pytest.mark.parametrize(
    ("adapter", "encoder", "projection", "sentence"),
    [
        (
            ("reference", "v3"),
            ("coefficients_drive", "v5"),
            "v5",
            "A v3 reference and a v5 or v5b drive do not belong together.*Pairs",
        ),
        (
            ("reference", "v1"),
            ("coefficients_drive", "v2"),
            None,
            "A v1 reference and a v2 drive do not belong together.*Pairs",
        ),
        (
            ("reference", "v4"),
            ("coefficients_drive", "v4"),
            None,
            "needs its projection file beside it: hm4_control_proj",
        ),
        (
            ("reference", "v4"),
            ("coefficients_drive", "v4"),
            "v5",
            "base and projection must be of one version",
        ),
        (
            ("coefficients_drive", "v2"),
            ("coefficients_drive", "v2"),
            None,
            "v2 drive encoder, and this input takes a reference adapter",
        ),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    stocked, small_graph, adapter, encoder, projection, sentence
):
    from sk_portrait.host.server import RunError

    folder = stocked.base / "models" / "sk_portrait"
    graph = small_graph("portrait_image")
    only(graph, "SKPortraitLoadAdapter")["file"] = write(folder, adapter[1], adapter[0])
    only(graph, "SKPortraitLoadDriveEncoder").update(
        file=write(folder, encoder[1], encoder[0]),
        projection=write(folder, projection, "projection") if projection else "none",
    )
    with pytest.raises(RunError, match=sentence):
        stocked.run(graph)
