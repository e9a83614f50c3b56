"""Which weights a workflow runs with: the real ones where all of them lie in the host's model folders, else synthetic ones."""

from __future__ import annotations

from pathlib import Path

from . import weights

# Loader class: (its widget, the synthetic file that can stand in, by folder).
LOADERS = {
    "CheckpointLoaderSimple": ("ckpt_name", weights.CHECKPOINT),
    "CLIPVisionLoader": ("clip_name", weights.CLIP_VISION),
    "SKPortraitLoadAdapter": ("file", weights.ADAPTER),
    "SKPortraitLoadDriveEncoder": ("file", weights.DRIVE_ENCODER),
}
FOLDERS = ("checkpoints", "clip_vision", "sk_portrait", "face_tools", "loras", "vae")

NOISE = """
********************************************************************************************************
*  THE WEIGHTS ARE SYNTHETIC: random numbers in the published format, so the picture is noise.         *
*  What is real: the portrait, the video, the faces found in it, and everything that ComfyUI runs.     *
*  For a portrait that moves, put the files named below into ComfyUI's models folder and run it again. *
********************************************************************************************************"""


def share_host_models(comfy: Path, base: Path) -> list[str]:
    """Options that let a server with a base directory of its own see the models of its ComfyUI folder as well."""
    lines = ["comfyui:", f"  base_path: {comfy / 'models'}", *(f"  {name}: {name}" for name in FOLDERS)]
    path = base / "host_models.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--extra-model-paths-config", str(path)]


def missing(graph: dict, object_info: dict) -> list[str]:
    """Weights that a graph names and the host does not list."""
    absent = []
    for node in graph.values():
        if node["class_type"] in LOADERS:
            widget, _ = LOADERS[node["class_type"]]
            if node["inputs"][widget] not in choices(object_info, node["class_type"], widget):
                absent.append(node["inputs"][widget])
    return absent


def choices(object_info: dict, kind: str, widget: str) -> list[str]:
    """The options of a combo widget, in either of the host's notations."""
    spec = object_info[kind]["input"]["required"][widget]
    return spec[0] if isinstance(spec[0], list) else spec[1]["options"]


def use_synthetic(graph: dict) -> None:
    """Point every loader of a graph at its synthetic stand-in."""
    for node in graph.values():
        if node["class_type"] in LOADERS:
            widget, name = LOADERS[node["class_type"]]
            node["inputs"][widget] = name
