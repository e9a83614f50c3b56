"""Chooses a workflow's weights: the real ones if ComfyUI has all of them, otherwise synthetic ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..host import workflow
from .stand_ins import checkpoint

# Loader class -> its widgets that name a file.
LOADERS = {
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CLIPVisionLoader": ("clip_name",),
    "SKPortraitLoadAdapter": ("file",),
    "SKPortraitLoadDriveEncoder": ("file", "projection"),
    "SKPortraitLoadMotion": ("file",),
    "SKPortraitFaceMotion": ("file",),
    "LoadMediaPipeFaceLandmarker": ("model_name",),
    "SKPortraitLoadXDyna": ("file", "image_tokens", "motion"),
    "SKPortraitLoadXDynaControl": ("file",),
    "SKPortraitLoadWPlus": ("file",),
    "SKPortraitWPlusDirection": ("file",),
    "SKPortraitLoadFaceIDSK": ("file",),
    "SKPortraitApplySKText": ("file",),
    "ControlNetLoader": ("control_net_name",),
}
NONE = "none"  # value for an optional file
FOLDERS = (
    "checkpoints",
    "clip_vision",
    "controlnet",
    "detection",
    "sk_portrait",
    "face_tools",
    "wplus_directions",
    "loras",
    "vae",
)


def share_host_models(comfy: Path, base: Path) -> list[str]:
    """Return options with which a server with its own base directory also uses its ComfyUI's models."""
    lines = ["comfyui:", f"  base_path: {comfy / 'models'}", *(f"  {name}: {name}" for name in FOLDERS)]
    path = base / "host_models.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--extra-model-paths-config", str(path)]


def named(graph: dict) -> Iterator[tuple[dict, str, str]]:
    """Yield (node, widget, file) for every file that a graph loads."""
    for node in graph.values():
        for widget in LOADERS.get(node["class_type"], ()):
            if node["inputs"][widget] != NONE:
                yield node, widget, node["inputs"][widget]


def missing(graph: dict, object_info: dict) -> list[str]:
    """Return the weights that a graph names and ComfyUI does not list."""
    return [
        name
        for node, widget, name in named(graph)
        if name not in offered(object_info, node["class_type"], widget)
    ]


def offered(object_info: dict, kind: str, widget: str) -> list[str]:
    """Return the names that a loader lists."""
    return workflow.choices(workflow.inputs_of(object_info[kind])[widget])


def use_synthetic(graph: dict) -> None:
    """Set every loader of a graph to its synthetic stand-in."""
    for node, widget, name in list(named(graph)):
        node["inputs"][widget] = checkpoint.stand_in(widget, name)
