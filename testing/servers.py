"""Prepares a server to run templates on a machine without weights: fills its folders, and reduces sizes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from .. import material
from ..drawn_heads.examples import NAME
from ..face_tools import video
from ..host import workflow
from . import models
from .stand_ins import appendix, checkpoint

TEMPLATE = "portrait_image"
# CLIP inputs of the drive encoder: 15 seconds per run.
LOOKS = ("clip_vision", "left_eye", "right_eye", "mouth")
# Values for a run that only shows that a graph works, by widget name; SMALL_OF: by
# node class, where the name means something else.
SMALL = {"size": 128, "steps": 1, "seconds": 0.3, "fps": 10.0, "window_length": 4, "overlap": 2}
LEAN = {"size": 128, "steps": 1, "cfg": 1.0}
SMALL_OF = {
    "ImageFromBatch": {"length": 3},
    "ImageScale": {"width": 128, "height": 128},
    "EmptyLatentImage": {"width": 128, "height": 128},
    "SKPortraitFaceEmbedding": {"source": appendix.PERSON},
}
MOST = {"batch_size": 3}  # values that are reduced to this, if they are larger


def fill(base: Path, *workflows: dict) -> None:
    """Put a portrait, a driver and random weights into a server's folders.

    workflows: saved workflows to prepare for, by default all templates; base: the server's base directory
    """
    checkpoint.write_for(base / "models", workflow.models(*workflows))
    inputs = base / "input"
    for name in ("portrait.png", NAME.format("portrait.png")):
        shutil.copy(material.portrait(), inputs / name)
    # The last one is of skeletons, for which any pictures are suitable.
    for name in ("driver.mp4", NAME.format("driver.mp4"), NAME.format("pose.mp4")):
        shutil.copy(material.driver(), inputs / name)
    spoken = Image.fromarray(next(islice(video.frames(material.driver()), 40, None)))
    for name in ("driver.png", NAME.format("expression.png")):
        spoken.save(inputs / name)
    appendix.write_person(inputs / appendix.PERSON)


def list_models(base: Path) -> None:
    """Create the templates' missing weights as empty files, so that the front end reports none as missing."""
    for directory, name in workflow.models():
        path = base / "models" / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def reduced(kind: str, values: Mapping) -> dict:
    """Return the widget values of a node class that change for a small run. values: all of them by name."""
    changed = {name: value for name, value in (SMALL | SMALL_OF.get(kind, {})).items() if name in values}
    return changed | {name: min(values[name], most) for name, most in MOST.items() if name in values}


def small(saved: dict, info: dict) -> dict:
    """Change a saved workflow to stand-in weights and the small size, as an author would in the front end."""
    for node in workflow.nodes_within(saved):
        if node["type"] not in info:
            continue
        widgets = workflow.saved_widgets(node, info[node["type"]])
        values = reduced(node["type"], {widget.name: widget.value for widget in widgets})
        for name, _, place, _ in widgets:
            if name in values:
                node["widgets_values"][place] = values[name]
            if name in models.LOADERS.get(node["type"], ()) and node["widgets_values"][place] != models.NONE:
                node["widgets_values"][place] = checkpoint.stand_in(name, node["widgets_values"][place])
    return saved


def stock(folder: Path) -> None:
    """Put the files for TEMPLATE, reduced by `lean`, into a server's folders: random weights, and one
    photograph as portrait and driver.
    """
    saved = workflow.read(TEMPLATE)
    checkpoint.write_for(
        folder / "models", (model for model in workflow.models(saved) if model[0] != "clip_vision")
    )
    (folder / "input").mkdir(parents=True, exist_ok=True)
    for name in ("portrait.png", "driver.png"):
        shutil.copy(material.portrait(), folder / "input" / name)


def lean(graph: dict) -> dict:
    """Reduce a graph to a size for endurance tests, with a still face so that CLIP is not needed."""
    for node in graph.values():
        node["inputs"].update({name: value for name, value in LEAN.items() if name in node["inputs"]})
    drive = only(graph, "SKPortraitEncodeDrive")
    for name in LOOKS:
        del drive[name]
    drive["still_face"] = True
    del graph[workflow.node_id(graph, "CLIPVisionLoader")]
    return graph


def only(graph: dict, kind: str) -> dict:
    """Return the inputs of the only node of a kind."""
    return graph[workflow.node_id(graph, kind)]["inputs"]


def picture(server, graph: dict) -> np.ndarray:
    """Run a graph, and return the only picture that it saves, (H, W, 3) uint8."""
    (file,) = server.run(graph)[workflow.node_id(graph, "SaveImage")]["images"]
    return np.asarray(Image.open(server.path(file)))
