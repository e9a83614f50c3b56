"""Convert a workflow of the official HelloMeme pack to our nodes: `python run.py convert OFFICIAL.json`.

The files and the settings stay the same. Its pipeline nodes become blueprints. Loaders of checkpoint, LoRA
and VAE become ComfyUI's own. Nodes without a counterpart are listed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..host import installation
from ..host.workflow import NOTES, WorkflowError, to_values
from ..sk_attention.versions import PAGE, VERSIONS
from . import blueprints
from .builder import PICTURE
from .graph_writer import Graph, Wire
from .recipes import ANIMATE, COPY, PROMPT, Recipe

PIPELINES = {"HMPipelineImage": ("hm_image_pipeline", False), "HMPipelineVideo": ("hm_video_pipeline", True)}
LOADER = ("checkpoint", "lora", "vae", "version", "stylize", "deployment", "lora_scale", "dtype")
# Widgets of the official nodes, in the order of a saved workflow. "":
# the front end saves one more value after a seed.
WIDGETS = {
    "HMPipelineImage": (
        "trans_ratio",
        "prompt",
        "negative_prompt",
        "steps",
        "seed",
        "",
        "guidance_scale",
        "gpu_id",
    ),
    "HMPipelineVideo": (
        "trans_ratio",
        "patch_overlap",
        "prompt",
        "negative_prompt",
        "steps",
        "seed",
        "",
        "guidance_scale",
        "gpu_id",
    ),
    "HMImagePipelineLoader": LOADER,
    "HMVideoPipelineLoader": LOADER,
    "GetHeadPose": ("crop",),
}
# what replaces each of the other official nodes
ABSORBED = {
    "HMFaceToolkitsLoader": "the face tracker inside the blueprint (ComfyUI's own)",
    "GetFaceLandmarks": "Track Face from Landmarks, or Track Face in Video, inside the blueprint",
    "GetHeadPose": "Crop Portrait and Draw Head Pose inside the blueprint",
    "GetExpression": "Crop Eyes and Mouth, CLIP and the coefficients, inside the blueprint",
    "GetExpression2": "Read Expression (PD-FGC) inside the blueprint",
    "HMImagePipelineLoader": "Load Checkpoint, Load LoRA, Load VAE, and the loaders inside the blueprint",
    "HMVideoPipelineLoader": "Load Checkpoint, Load LoRA, Load VAE, and the loaders inside the blueprint",
}
VIDEO_LOADERS, VIDEO_SAVERS = ("VHS_LoadVideo", "LoadVideo"), ("VHS_VideoCombine",)
# the prompt that the official image pipeline adds for these versions
SHORT_PROMPT = "best quality, highly detailed, masterpiece, person, portrait, headshot, looking at the viewer, sharp focus."
WHOLE = 10.0  # crop factor at which the whole picture is used
NOWHERE = {
    "stylize": "x1",
    "gpu_id": 0,
}  # settings without a counterpart, and the value with which nothing is lost


class Conversion:
    """The conversion of one official workflow in the front end's format.

    object_info: of a host that has our nodes.
    """

    def __init__(self, official: dict, object_info: dict):
        self.nodes = {node["id"]: node for node in official["nodes"]}
        self.sources = {link[0]: (link[1], link[2]) for link in official["links"]}
        self.readers = {(link[1], link[2]) for link in official["links"]}
        self.info, self.graph, self.notes = object_info, Graph("converted", object_info), []
        self.made: dict[int, list[Wire]] = {}

    def run(self) -> tuple[dict, list[str]]:
        """Return the converted workflow, and one note per node without a counterpart.

        Raises ValueError if there is no official pipeline node.
        """
        if not any(node["type"] in PIPELINES for node in self.nodes.values()):
            raise WorkflowError(
                f"This workflow has none of {', '.join(PIPELINES)}: it is not one of the official HelloMeme pack."
            )
        for number in self.nodes:
            self.convert(number)
        return self.graph.saved(), self.notes

    def convert(self, number: int) -> list[Wire]:
        """Convert a node at the first call, and return its outputs in our
        graph; none for a node without a counterpart.
        """
        if number not in self.made:
            node = self.nodes[number]
            kind = node["type"]
            if kind in PIPELINES:
                self.made[number] = self.pipeline(node)
            elif kind in ABSORBED or kind in NOTES:
                self.made[number] = []
            elif kind in VIDEO_LOADERS:
                self.made[number] = self.load_video(node)
            elif kind in VIDEO_SAVERS:
                self.made[number] = self.save_video(node)
            else:
                self.made[number] = self.copy(node)
        return self.made[number]

    def wire(self, node: dict, name: str) -> Wire | None:
        """Return the wire in our graph that corresponds to the
        link into an input of an official node, or None.
        """
        source = self.source(node, name)
        made = self.convert(source[0]) if source else []
        return made[source[1]] if source and source[1] < len(made) else None

    def source(self, node: dict, name: str) -> tuple[int, int] | None:
        link = next((entry["link"] for entry in node.get("inputs", ()) if entry["name"] == name), None)
        return self.sources.get(link)

    def official(self, node: dict, name: str) -> dict:
        """Return the official node that is connected to an input. Raises ValueError if none is."""
        source = self.source(node, name)
        if source is None:
            raise WorkflowError(
                f"Node {node['id']} ({node['type']}) has nothing wired into {name}.", node["type"]
            )
        return self.nodes[source[0]]

    def copy(self, node: dict) -> list[Wire]:
        """Copy a node of ComfyUI or of another pack without changes."""
        kind = node["type"]
        if kind not in self.info:
            self.notes.append(f"{kind} (node {node['id']}) is not installed here: left out.")
            return []
        wires = {entry["name"]: self.wire(node, entry["name"]) for entry in node.get("inputs", ())}
        for name, wire in wires.items():
            if wire is not None and wire.type == "VIDEO" and self.accepts(kind, name, "IMAGE"):
                wires[name] = self.pictures(wire)
        values = to_values(node, self.info[kind]) | {
            name: wire for name, wire in wires.items() if wire is not None
        }
        return self.graph.node(
            kind, node.get("title") or kind, self.graph.after(*wires.values()), tall=PICTURE, **values
        )

    def accepts(self, kind: str, name: str, type_: str) -> bool:
        spec = {
            **self.info[kind]["input"].get("required", {}),
            **self.info[kind]["input"].get("optional", {}),
        }.get(name, [""])
        return spec[0] == type_

    def pictures(self, video: Wire) -> Wire:
        return self.graph.node("GetVideoComponents", "Frames", self.graph.after(video), video=video)[0]

    def load_video(self, node: dict) -> list[Wire]:
        """Add LoadVideo; its only output replaces the pictures of the official loader."""
        values = node.get("widgets_values")
        name = values.get("video") if isinstance(values, dict) else (values or [""])[0]
        return self.graph.node("LoadVideo", "Driving video", 0, tall=PICTURE, file=name)

    def save_video(self, node: dict) -> list[Wire]:
        video, values = self.wire(node, "images"), node.get("widgets_values") or {}
        if video is None:
            return []
        if video.type == "IMAGE":
            video = self.graph.node(
                "CreateVideo",
                "Video",
                self.graph.after(video),
                images=video,
                fps=float(values.get("frame_rate", 8)),
            )[0]
        prefix = values.get("filename_prefix", "sk_portrait/converted")
        return self.graph.node(
            "SaveVideo", "Result", self.graph.after(video), tall=PICTURE, video=video, filename_prefix=prefix
        )

    # The pipeline -----------------------------------------------------------------------------------------

    def pipeline(self, node: dict) -> list[Wire]:
        """Convert one official pipeline node, and the nodes before it, to a blueprint."""
        loader_input, is_video = PIPELINES[node["type"]]
        chosen = _values(node)
        loader = self.official(node, loader_input)
        loaded = _values(loader)
        pose, driver_pose = self.official(node, "ref_head_pose"), self.official(node, "drive_head_pose")
        face_motion = self.official(node, "drive_expression")["type"] == "GetExpression2"
        for name, harmless in NOWHERE.items():
            if (loaded | chosen).get(name, harmless) != harmless:
                self.notes.append(
                    f"{name} = {(loaded | chosen)[name]} (node {node['id']}) has no counterpart: left out."
                )
        recipe = Recipe(VERSIONS[loaded["version"]], chosen["guidance_scale"], face_motion)
        make = blueprints.animation if is_video else blueprints.still
        inner = make(
            self.info,
            recipe,
            f"{ANIMATE if is_video else COPY} {node['id']} ({loaded['version']})",
        )
        default = SHORT_PROMPT if recipe.version.short_prompt and not is_video else PROMPT
        inner.choose("prompt", ", ".join(filter(None, (chosen["prompt"], default))))
        inner.choose("steps", chosen["steps"])
        inner.choose("seed", chosen["seed"])
        inner.find("Negative prompt", "text", chosen["negative_prompt"])
        inner.find("Draw Head Pose", "translation_ratio", chosen["trans_ratio"])
        if is_video:
            inner.find("Portrait Video Sampler", "overlap", chosen["patch_overlap"])
            self.part_of_video(inner, driver_pose)
        # The current official code crops alike for all versions;
        # if its crop is off, the whole picture is used.
        inner.find("Crop Portrait: portrait", "generation", "v5")
        inner.find("Track Face in Video" if is_video else "Crop Portrait: driver", "generation", "v5")
        if not _values(pose).get("crop", True):
            inner.find("Crop Portrait: portrait", "factor", WHOLE)
        if not _values(driver_pose).get("crop", True):
            inner.find("Track Face in Video" if is_video else "Crop Portrait: driver", "factor", WHOLE)
        model = self.model(loaded)
        driver = self.wire(driver_pose, "images")
        if is_video and driver is not None and driver.type == "IMAGE":
            driver = self.graph.node(
                "CreateVideo", "Driver", self.graph.after(driver), images=driver, fps=15.0
            )[0]
        wires = {"portrait": self.wire(pose, "images"), ("video" if is_video else "driver"): driver}
        wires = {
            name: wire
            for name, wire in (wires | dict(zip(("model", "clip", "vae"), model))).items()
            if wire is not None
        }
        made = self.graph.subgraph(inner, self.graph.after(*wires.values()), tall=120, **wires)
        if (node["id"], 1) in self.readers:
            self.notes.append(
                f"The LATENT of {node['type']} (node {node['id']}) is inside the blueprint: open it to wire it."
            )
        return made[:1]

    def part_of_video(self, inner, driver_pose: dict) -> None:
        """Set the frame rate and the part of the video as in the official loader."""
        loader = self.official(driver_pose, "images")
        values = loader.get("widgets_values")
        if not isinstance(values, dict):
            values = {}
        fps = float(values.get("force_rate") or 0)
        inner.choose("fps", fps)
        rate = fps or 25.0
        inner.choose("seconds", (values.get("frame_load_cap") or 0) / rate)
        inner.choose("start", (values.get("skip_first_frames") or 0) / rate)
        if not fps and (values.get("frame_load_cap") or values.get("skip_first_frames")):
            self.notes.append(
                "The video's part was given in frames without a frame rate: 25 per second were assumed."
            )

    def model(self, loaded: dict) -> list[Wire]:
        """Return the MODEL, CLIP and VAE of an official pipeline loader."""
        model = self.checkpoint(loaded["checkpoint"])
        if loaded["lora"] not in (None, "None"):
            name = self.file(loaded["lora"], "loras")
            strength = loaded["lora_scale"]
            model[:2] = self.graph.node(
                "LoraLoader",
                "LoRA",
                1,
                model=model[0],
                clip=model[1],
                lora_name=name,
                strength_model=strength,
                strength_clip=strength,
            )
        vae = loaded["vae"] or "same as checkpoint"
        if vae.startswith("[checkpoint] "):
            model[2] = self.checkpoint(vae.removeprefix("[checkpoint] "))[2]
        elif vae != "same as checkpoint":
            name = self.file(vae.removeprefix("[vae] "), "vae")
            model[2] = self.graph.node("VAELoader", "VAE", 0, vae_name=name)[0]
        return model

    def checkpoint(self, name: str) -> list[Wire]:
        name = self.file(name, "checkpoints")
        return self.graph.node("CheckpointLoaderSimple", "SD1.5 checkpoint", 0, ckpt_name=name)

    def file(self, name: str, folder: str) -> str:
        """Return the file name of an official choice.

        What the official pack would download gets the name of a file that the user has to choose, and a note.
        """
        if "." in name and not name.startswith("["):
            return name
        wanted = f"{name.removeprefix('[preset]')}.safetensors"
        self.notes.append(
            f'"{name}" is a download of the official pack (its page is under {PAGE[:-1]}): put it into models/{folder} '
            f"and choose it; the workflow says {wanted}."
        )
        return wanted


def _values(node: dict) -> dict:
    """Return the widget values of an official node by name."""
    return {
        name: value
        for name, value in zip(WIDGETS.get(node["type"], ()), node.get("widgets_values") or ())
        if name
    }


def main(argv: list[str]) -> int:
    """Convert one file, and print what has no counterpart.

    Returns 1 if ComfyUI is not found or the file is not an official workflow.
    """
    import tempfile

    from ..host.server import Server

    parser = argparse.ArgumentParser(prog="python run.py convert", description=__doc__)
    parser.add_argument(
        "official", type=Path, help="a workflow saved with the official pack, in the front end's format"
    )
    parser.add_argument(
        "--output", type=Path, help="where to write ours (default: beside it, with _sk_portrait in its name)"
    )
    options = parser.parse_args(argv)
    comfy = installation.find()
    if comfy is None:
        print(installation.ABSENT)
        return 1
    official = json.loads(options.official.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="sk-portrait-") as folder, Server(comfy, Path(folder)) as server:
        try:
            converted, notes = Conversion(official, server.object_info()).run()
        except ValueError as error:
            print(error)
            return 1
    output = options.output or options.official.with_name(f"{options.official.stem}_sk_portrait.json")
    output.write_text(json.dumps(converted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{output}: {len(converted['nodes'])} nodes for {len(official['nodes'])}.")
    for note in dict.fromkeys(notes):
        print(f"- {note}")
    return 0
