"""The graphs that servers are sent: how long the clip is, a part of it, and what comes after the sampler."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from ..host.workflow import WorkflowError
from ..unet.clip.parts import Part
from . import graph
from .graph import Graph

PART, VIDEO, FIRST, KEY_FRAMES = "farm part", "farm video", "farm first stage", "farm key frames"  # node ids
FOLDER = "sk_portrait_farm"  # in the servers' input and output folders
CLIP_PART = "SKPortraitClipPart"


def require_plain(whole: Graph, sampler: str) -> None:
    """Raise WorkflowError for a workflow whose sampler is given a part already."""
    if "part" in whole[sampler]["inputs"]:
        raise WorkflowError(
            "The workflow samples a part of its clip: take Portrait Clip Part out, parts are what this command makes."
        )


def length(whole: Graph, sampler: str) -> Graph:
    """Says in the output "clip_frames" of PART how many frames the clip has."""
    return graph.upstream(whole | {PART: _clip_part(whole, sampler, 0, 1, 0)}, [PART])


def part(whole: Graph, sampler: str, one: Part, margin: int, key_frames: str | None) -> Graph:
    """Saves one part: VIDEO and FIRST, the two outputs of the sampler.

    key_frames: name of a file with those of the clip, in the server's input folder
    """
    inputs = whole[sampler]["inputs"] | {"part": [PART, 3]}
    nodes = {PART: _clip_part(whole, sampler, one.keeps.start, len(one.keeps), margin)}
    if key_frames:
        inputs["stage1"] = [KEY_FRAMES, 0]
        nodes[KEY_FRAMES] = load(key_frames)
    name = f"{FOLDER}/{uuid.uuid4().hex}"  # a new one: what was saved before may have been removed
    saves = {
        end: {"class_type": "SaveLatent", "inputs": {"samples": [sampler, slot], "filename_prefix": name}}
        for slot, end in enumerate((VIDEO, FIRST))
    }
    return graph.upstream(whole | nodes | saves | {sampler: whole[sampler] | {"inputs": inputs}}, saves)


def sampled_files(digest: str) -> tuple[str, str]:
    """Names in the input folder for the sampler's two outputs."""
    return f"{FOLDER}/{digest}.video.latent", f"{FOLDER}/{digest}.stage1.latent"


def rest(whole: Graph, sampler: str, info: Mapping[str, dict], digest: str) -> Graph | None:
    """What hangs on the sampler, whose outputs are read from `sampled_files`; None where nothing does."""
    behind = graph.downstream(whole, sampler)
    ends = [key for key in behind if info[whole[key]["class_type"]]["output_node"]]
    stand_ins = {name: load(file) for name, file in zip((VIDEO, FIRST), sampled_files(digest), strict=True)}
    return graph.upstream(graph.replaced(whole, sampler, stand_ins), ends) if ends else None


def load(name: str) -> dict:
    """A node that reads a latent of the server's input folder."""
    return {"class_type": "LoadLatent", "inputs": {"latent": name}}


def _clip_part(whole: Graph, sampler: str, first: int, count: int, margin: int) -> dict:
    latent = whole[sampler]["inputs"]["latent_image"]
    return {
        "class_type": CLIP_PART,
        "inputs": {"latent": latent, "first": first, "count": count, "margin": margin},
    }
