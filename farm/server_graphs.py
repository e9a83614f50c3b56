"""The graphs that are sent to servers: to get the clip's length, to sample a
part, and to run the nodes after the sampler.
"""

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
    """Raise WorkflowError for a workflow that already samples a part."""
    if "part" in whole[sampler]["inputs"]:
        raise WorkflowError(
            "The workflow samples a part of its clip: take Take Clip Part out, parts are what this command makes."
        )


def length(whole: Graph, sampler: str) -> Graph:
    """Return a graph whose node PART outputs the number of frames of the clip as "clip_frames"."""
    return graph.upstream(whole | {PART: _clip_part(whole, sampler, 0, 1, 0)}, [PART])


def part(whole: Graph, sampler: str, one: Part, margin: int, key_frames: str | None) -> Graph:
    """Return a graph that saves one part: VIDEO and FIRST, the two outputs of the sampler.

    key_frames: name of a file with the clip's key frames, in the server's input folder; None = none
    """
    inputs = whole[sampler]["inputs"] | {"part": [PART, 3]}
    nodes = {PART: _clip_part(whole, sampler, one.keeps.start, len(one.keeps), margin)}
    if key_frames:
        inputs["stage1"] = [KEY_FRAMES, 0]
        nodes[KEY_FRAMES] = load(key_frames)
    name = f"{FOLDER}/{uuid.uuid4().hex}"  # a new name: files saved earlier may have been removed
    saves = {
        end: {"class_type": "SaveLatent", "inputs": {"samples": [sampler, slot], "filename_prefix": name}}
        for slot, end in enumerate((VIDEO, FIRST))
    }
    return graph.upstream(whole | nodes | saves | {sampler: whole[sampler] | {"inputs": inputs}}, saves)


def sampled_files(digest: str) -> tuple[str, str]:
    """Return the names in the input folder for the sampler's two outputs."""
    return f"{FOLDER}/{digest}.video.latent", f"{FOLDER}/{digest}.stage1.latent"


def rest(whole: Graph, sampler: str, info: Mapping[str, dict], digest: str) -> Graph | None:
    """Return the graph of the nodes after the sampler, with its outputs read
    from `sampled_files`; None if there are none.
    """
    behind = graph.downstream(whole, sampler)
    ends = [key for key in behind if info[whole[key]["class_type"]]["output_node"]]
    stand_ins = {name: load(file) for name, file in zip((VIDEO, FIRST), sampled_files(digest), strict=True)}
    return graph.upstream(graph.replaced(whole, sampler, stand_ins), ends) if ends else None


def load(name: str) -> dict:
    """Return a node that reads a latent from the server's input folder."""
    return {"class_type": "LoadLatent", "inputs": {"latent": name}}


def _clip_part(whole: Graph, sampler: str, first: int, count: int, margin: int) -> dict:
    latent = whole[sampler]["inputs"]["latent_image"]
    return {
        "class_type": CLIP_PART,
        "inputs": {"latent": latent, "first": first, "count": count, "margin": margin},
    }
