"""Prepares a workflow for workers: encodes once, divides the graph
before its sampler, and runs the nodes after it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..unet.clip.parts import MARGIN, Part
from . import graph
from .files import hash_of
from .frames import Asked, within
from .session import Session
from .worker import Task

LATENTS = ("latents", "stage1")  # values that replace the sampler's outputs
PLAIN_END = {
    graph.SAMPLER: "VAEDecode",
    "VAEDecode": "CreateVideo",
    "CreateVideo": "SaveVideo",
}  # class -> the class that follows


class Prepared:
    """The driver's side of one workflow.

    task, given  sent to every worker
    digest       identifies the work: the workflow with its model and input files
    steps        of the sampler, over all runs, for the progress bar
    frames       frames of the clip to sample
    decoder      the VAE's link in the workers' graph, if the workflow only decodes and saves; otherwise None
    """

    def __init__(self, session: Session, prompt: graph.Graph, asked: Asked = None):
        """Raises GraphError if a node of the workflow fails, ValueError
        for a workflow that the farm does not support.
        """
        self.session, self.prompt, self.at = session, prompt, graph.sampler_of(prompt)
        info = session.info(node["class_type"] for node in prompt.values())
        wires = {name: value for name, value in prompt[self.at]["inputs"].items() if graph.is_link(value)}
        widgets = {
            name: value for name, value in prompt[self.at]["inputs"].items() if not graph.is_link(value)
        }
        self.inputs = session.evaluate(prompt, wires) | widgets
        clip = len(self.inputs["latent_image"]["samples"])
        if asked:
            self.frames = within(asked, clip)
            self.inputs["part"] = Part.of(clip, self.frames.start, len(self.frames), MARGIN)
        else:  # with its margins, if the workflow itself samples a part
            self.frames = self.inputs["part"].frames if "part" in self.inputs else range(clip)

        self.decode = next((node for node, _ in graph.consumers(prompt, self.at)), "")
        vae = (
            {"vae": prompt[self.decode]["inputs"]["vae"]} if graph.ends_as(prompt, self.at, PLAIN_END) else {}
        )
        local, handed = graph.cut(prompt, info, wires | vae)
        values = session.evaluate(prompt, {key: list(link) for key, link in handed.items()})
        ends = graph.end_links(wires | vae, handed)
        self.decoder = ends.pop("vae", None)
        self.given = {key: _thin(value) for key, value in values.items()}
        self.task = Task(local, ends, widgets, session.files(local))
        self.digest = hash_of(prompt, session.files(prompt), session.inputs(prompt), asked)
        self.steps = self._order(None, None, None)[0].steps
        _free_memory()

    def sample(self, pool, store, progress) -> tuple[Tensor, Tensor]:
        """Return (n, 4, h, w) of `frames`, and their first stage or all key frames of the clip."""
        with torch.inference_mode():
            order, clip = self._order(pool, store, progress)
            video, first = (
                latents.cpu().contiguous() for latents in order.sample(clip, self.inputs["noise"])
            )
        sampled = self.inputs["part"].frames if "part" in self.inputs else range(len(clip))
        rows = slice(self.frames.start - sampled.start, self.frames.stop - sampled.start)
        return video[rows], first[rows] if order.first_frames == tuple(sampled) else first

    def finish(self, stages: tuple[Tensor, Tensor]) -> None:
        """Run the nodes after the sampler on this machine. Raises GraphError if a node fails."""
        given = {name: {"samples": latents} for name, latents in zip(LATENTS, stages, strict=True)}
        after = graph.replaced(self.prompt, self.at, {f"given {name}": graph.given(name) for name in LATENTS})
        outputs = [
            key
            for key, node in after.items()
            if getattr(self.session.classes[node["class_type"]], "OUTPUT_NODE", False)
        ]
        self.session.run(after, outputs, given)

    def sound_and_speed(self) -> tuple[Any, float]:
        """Return (AUDIO of `frames` or None, frames per second) of the
        video, for a workflow that only decodes and saves.
        """
        maker = next(node for node, _ in graph.consumers(self.prompt, self.decode))
        inputs = self.prompt[maker]["inputs"]
        links = {name: inputs[name] for name in ("audio", "fps") if graph.is_link(inputs.get(name))}
        values = self.session.evaluate(self.prompt, links)
        fps, audio = float(values.get("fps", inputs["fps"])), values.get("audio")
        if audio is not None:
            start, stop = (
                round(frame / fps * audio["sample_rate"]) for frame in (self.frames.start, self.frames.stop)
            )
            audio = audio | {"waveform": audio["waveform"][..., start:stop]}
        return audio, fps

    def _order(self, *pool):
        from ..nodes.hellomeme.two_stage import SamplerInputs, prepare
        from .clip import FarmedClip

        return prepare(partial(FarmedClip, *pool), SamplerInputs(**self.inputs))


def _thin(value: Any) -> Any:
    """Replace a LATENT of equal entries by a view of one entry: workers need its length, and are sent the
    latents of their windows.
    """
    samples = value.get("samples") if isinstance(value, dict) else None
    if torch.is_tensor(samples) and len(samples) > 1 and samples.eq(samples[:1]).all():
        return value | {"samples": samples[:1].clone().expand_as(samples)}
    return value


def _free_memory() -> None:
    """Free the GPU for the workers on this machine, after encoding."""
    import comfy.model_management

    comfy.model_management.unload_all_models()
    comfy.model_management.soft_empty_cache()
