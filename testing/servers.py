"""What a template needs to run on a machine without weights: a server's folders filled, and a size for trying."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

from .. import material
from ..face_tools import video
from ..host import workflow
from . import models
from .stand_ins import checkpoint

TEMPLATE = "portrait_image"
LOOKS = (
    "clip_vision",
    "left_eye",
    "right_eye",
    "mouth",
)  # of the drive encoder through CLIP: 15 seconds per run
# Values of a run that only shows that it runs: by the name of the widget, and where that means another thing, by the class of the node.
SMALL = {"size": 128, "steps": 1, "seconds": 0.3, "fps": 10.0, "window_length": 4, "overlap": 2}
LEAN = {"size": 128, "steps": 1, "cfg": 1.0}
SMALL_OF = {
    "ImageFromBatch": {"length": 3},
    "ImageScale": {"width": 128, "height": 128},
    "EmptyLatentImage": {"width": 128, "height": 128, "batch_size": 3},
}


def fill(base: Path, *workflows: dict) -> None:
    """Put a portrait, a driver and random weights into the folders of a server, for saved workflows, by default for all that lie here.

    base: its base directory
    """
    from PIL import Image

    checkpoint.write_for(base / "models", workflow.models(*workflows))
    inputs = base / "input"
    shutil.copy(material.portrait(), inputs / "portrait.png")
    for name in ("driver", "clip", "pose"):  # a finished clip and skeletons: any pictures will do
        shutil.copy(material.driver(), inputs / f"{name}.mp4")
    Image.fromarray(next(islice(video.frames(material.driver()), 40, None))).save(inputs / "driver.png")


def list_models(base: Path) -> None:
    """Empty files under the names that the templates know, where there are none: the front end lists them and misses nothing."""
    for directory, name in workflow.models():
        path = base / "models" / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def small(saved: dict, info: dict) -> dict:
    """A saved workflow with stand-ins of its weights, at the small size, as its author would set it in the front end."""
    for node in workflow.nodes_within(saved):
        if node["type"] not in info:
            continue
        values = SMALL | SMALL_OF.get(node["type"], {})
        for name, _, place, _ in workflow.saved_widgets(node, info[node["type"]]):
            if name in values:
                node["widgets_values"][place] = values[name]
            if name in models.LOADERS.get(node["type"], ()) and node["widgets_values"][place] != models.NONE:
                node["widgets_values"][place] = checkpoint.stand_in(name, node["widgets_values"][place])
    return saved


def stock(folder: Path) -> None:
    """What TEMPLATE made `lean` needs in a server's folders: random weights, and one photograph as portrait and as driver."""
    saved = workflow.read(TEMPLATE)
    checkpoint.write_for(
        folder / "models", (model for model in workflow.models(saved) if model[0] != "clip_vision")
    )
    (folder / "input").mkdir(parents=True, exist_ok=True)
    for name in ("portrait.png", "driver.png"):
        shutil.copy(material.portrait(), folder / "input" / name)


def lean(graph: dict) -> dict:
    """A graph at a size for soaking, its face held still: CLIP is not asked."""
    for node in graph.values():
        node["inputs"].update({name: value for name, value in LEAN.items() if name in node["inputs"]})
    drive = graph[workflow.node_id(graph, "SKPortraitEncodeDrive")]["inputs"]
    for name in LOOKS:
        del drive[name]
    drive["still_face"] = True
    del graph[workflow.node_id(graph, "CLIPVisionLoader")]
    return graph
