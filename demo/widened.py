"""The toy model in a real ComfyUI: its networks in SD1.5's shapes, and the changes to a template that uses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..host import workflow
from ..testing.stand_ins import shapes
from ..testing.stand_ins.checkpoint import SharedViews
from ..train.toy import definition as networks
from .toy_model import World
from .tracker import Tracker

PREFIX = "world_"
CHECKPOINT = f"{PREFIX}sd15.ckpt"


def write_for(models: Path, world: World | None = None) -> None:
    """Write the toy model's files into a models folder."""
    world = world or World()
    write_checkpoint(models, world.base, CHECKPOINT)
    for part in networks.parts():
        wide = networks.wide_part(part, world.part(part.kind).state_dict())
        write_network(models, wide, networks.file_of(part))


def write_checkpoint(models: Path, narrow: Mapping[str, Tensor], name: str) -> Path:
    """Write a narrow base in SD1.5's shapes as a checkpoint.

    Its text encoder is synthetic; the encoder's output is multiplied by zero.
    """
    views = SharedViews()
    text = {key: views.tensor(key, shape) for key, shape in shapes.clip_text().items()}
    path = models / "checkpoints" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(networks.wide_base(narrow) | text, path)
    return path


def write_network(
    models: Path, wide: Mapping[str, Tensor], name: str, about: Mapping[str, str] | None = None
) -> Path:
    """Write a network into models/sk_portrait. about: metadata of the file."""
    path = models / "sk_portrait" / f"{PREFIX}{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in wide.items()}, path, about and dict(about))
    return path


def use(graph: dict, info: dict, tracker: Tracker) -> None:
    """Make an API graph of the two-stage template sample with the toy model.

    Sets its files, v-prediction, one noise for all frames (its motion module was trained for minutes only), a
    tracker that can run here, and that tracker's coefficients instead of face motion.
    """

    def added(name: str, kind: str, title: str, **inputs) -> str:
        graph[name] = {
            "class_type": kind,
            "inputs": workflow.to_values({}, info[kind]) | inputs,
            "_meta": {"title": title},
        }
        return name

    def only(kind: str) -> dict:
        return graph[workflow.node_id(graph, kind)]["inputs"]

    checkpoint = workflow.node_id(graph, "CheckpointLoaderSimple")
    graph[checkpoint]["inputs"]["ckpt_name"] = CHECKPOINT
    for kind, part in zip(
        ("SKPortraitLoadAdapter", "SKPortraitLoadDriveEncoder", "SKPortraitLoadMotion"),
        networks.parts(),
        strict=True,
    ):
        only(kind)["file"] = PREFIX + networks.file_of(part)
    only("SKPortraitTwoStageSampler")["shared_noise"] = 1.0
    readers = list(_readers(graph, [checkpoint, 0]))
    sampling = added(
        "velocity", "ModelSamplingDiscrete", "v-prediction", model=[checkpoint, 0], sampling="v_prediction"
    )
    for inputs, name in readers:
        inputs[name] = [sampling, 0]

    found, tracked = (
        workflow.node_id(graph, kind) for kind in ("MediaPipeFaceLandmarker", "SKPortraitTrackFromLandmarks")
    )
    picture = graph[tracked]["inputs"]["images"]
    del graph[found], graph[tracked], graph[workflow.node_id(graph, "LoadMediaPipeFaceLandmarker")]
    portrait = {"images": picture, "source": tracker.name, "on_miss": "stop"}
    added(tracked, "SKPortraitTrackFace", "Track portrait", **portrait)
    driver = workflow.node_id(graph, "SKPortraitTrackVideo")
    del graph[driver]["inputs"]["face_detection_model"]
    graph[driver]["inputs"]["source"] = tracker.name

    del graph[workflow.node_id(graph, "SKPortraitFaceMotion")]
    drive = only("SKPortraitEncodeDrive")
    del drive["face_motion"]
    if not tracker.gives_coefficients:
        estimated = added("expression", "SKPortraitApproximateExpression", "Expression", track=drive["track"])
        drive["track"] = [estimated, 0]


def _readers(graph: dict, output: list) -> Iterator[tuple[dict, str]]:
    """(inputs, name) of everything that is wired to an output."""
    for node in graph.values():
        for name, value in node["inputs"].items():
            if value == output:
                yield node["inputs"], name
