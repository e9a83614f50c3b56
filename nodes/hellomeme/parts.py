"""Nodes for sampling a clip in parts: the inputs of one part, and joining the parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from comfy_api.latest import io
from torch import Tensor

from ...errors import FrameCountError
from ...sk_attention.drive import Drive
from ...unet.clip.parts import MARGIN, Part, join
from ..checks import require_frames, require_latent
from ..schema import schema
from ..types import ClipPartsType, ClipPartType, DriveType


class PartNoise:
    """NOISE for a part of a clip: each frame gets the noise that it has in the whole clip."""

    def __init__(self, noise, part: Part):
        self.noise, self.part, self.seed = noise, part, noise.seed

    def generate_noise(self, latent: dict) -> torch.Tensor:
        """Return noise (frames, 4, h, w) for the part's frames.

        Raises FrameCountError for another number of latents.
        """
        if "batch_index" in latent:  # the latent already states the noise of each item
            return self.noise.generate_noise(latent)
        like, frames = latent["samples"], self.part.frames
        if len(like) != len(frames):
            raise FrameCountError(
                "latent",
                len(like),
                "part",
                len(frames),
                "connect the latent of the same Take Clip Part. "
                "The Portrait Video Sampler takes the part itself, with the noise and the latent of the "
                "whole clip.",
            )
        drawn = self.noise.generate_noise(
            latent | {"samples": like.new_zeros(self.part.clip, *like.shape[1:])}
        )
        return drawn[frames.start : frames.stop]


def part_of(rows, part: Part | None):
    """Select the part's entries of a sequence with one entry per frame of the clip.

    Any other sequence is returned unchanged; part: None = the whole clip.
    """
    return rows if part is None or len(rows) != part.clip else rows[part.frames.start : part.frames.stop]


class ClipPart(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitClipPart",
            display_name="Take Clip Part",
            category="SK Portrait/parts",
            description="Selects a part of a long clip, to be sampled separately with the Portrait Video "
            "Sampler or, through its noise, drive and latent outputs, with another sampler. Join Clip "
            "Parts joins the parts.",
            search_aliases=["split", "segment", "chunk", "long video", "Portrait Clip Part"],
            is_output_node=True,  # so that ComfyUI repeats the node's message even if its output is cached
            inputs=[
                io.Latent.Input(
                    "latent", tooltip="The latents of the whole clip, one per frame, from Portrait Latents."
                ),
                io.Int.Input(
                    "first", default=0, min=0, max=2**20, tooltip="First frame of the part, counted from 0."
                ),
                io.Int.Input(
                    "count",
                    default=250,
                    min=1,
                    max=2**20,
                    tooltip="Number of frames in the part. The last part of a clip may be shorter.",
                ),
                io.Int.Input(
                    "margin",
                    default=MARGIN,
                    min=0,
                    max=1024,
                    tooltip="Extra frames on each side, over which neighbouring parts are cross-faded. Set "
                    "0 if no motion module is used.",
                ),
                io.Noise.Input(
                    "noise",
                    optional=True,
                    tooltip="From RandomNoise, with the same seed in every part. Leave it empty for the "
                    "Portrait Video Sampler, which has its own noise input.",
                ),
                DriveType.Input(
                    "drive",
                    optional=True,
                    tooltip="The drive of the whole clip, from Encode Performance. Leave it empty for the "
                    "Portrait Video Sampler.",
                ),
            ],
            outputs=[
                io.Noise.Output(
                    display_name="noise",
                    tooltip="The part's noise, for SamplerCustomAdvanced. Empty if noise is not connected.",
                ),
                DriveType.Output(
                    display_name="drive",
                    tooltip="The part's drive, for Animate Portrait. Empty if drive is not connected.",
                ),
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The part's latents, including the margin, for KSampler and other samplers.",
                ),
                ClipPartType.Output(
                    display_name="part",
                    tooltip="For the Portrait Video Sampler, and for Join Clip Parts.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        latent: io.Latent.Type,
        first: int,
        count: int,
        margin: int,
        noise: io.Noise.Type | None = None,
        drive: Drive | None = None,
    ) -> io.NodeOutput:
        samples = latent["samples"]
        require_latent(samples, "latent")
        part = Part.of(len(samples), first, count, margin)
        rows = {name: latent.get(name) for name in ("samples", "noise_mask", "batch_index")}
        cut = latent | {name: part_of(row, part) for name, row in rows.items() if row is not None}
        if drive is not None:
            require_frames("drive", len(drive), "latent", len(samples))
            kinds = [
                {boundary: part_of(feature, part) for boundary, feature in kind.items()}
                for kind in (drive.features, drive.null)
            ]
            drive = replace(drive, features=kinds[0], null=kinds[1])
        # Read by the client that queued the graph: the farm asks servers for the clip's length.
        told = {"clip_frames": [part.clip]}
        return io.NodeOutput(noise and PartNoise(noise, part), drive, cut, part, ui=told)


class JoinClip(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitJoinClip",
            display_name="Join Clip Parts",
            category="SK Portrait/parts",
            description="Joins the parts of a clip and reports missing frames and the frame in which two "
            "parts differ most. Use one node per part, each connected to the node before it; the order does "
            "not matter.",
            search_aliases=["merge", "concatenate", "long video", "Portrait Join Clip"],
            inputs=[
                io.Latent.Input("latent", tooltip="The sampled latents of the part."),
                ClipPartType.Input(
                    "part", tooltip="From the Take Clip Part with which the part was sampled."
                ),
                ClipPartsType.Input(
                    "parts",
                    optional=True,
                    tooltip="The parts joined so far, from the previous Join Clip Parts. Not connected: "
                    "this is the first part.",
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The whole clip. Missing frames are empty."),
                ClipPartsType.Output(
                    display_name="parts", tooltip="The parts joined so far, for the next Join Clip Parts."
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Missing frames, and the frame in which two parts differ most. Connect it to "
                    "Preview Any.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, latent: io.Latent.Type, part: Part, parts: Sequence[tuple[Part, Tensor]] | None = None
    ) -> io.NodeOutput:
        require_latent(latent["samples"], "latent")
        parts = (*(parts or ()), (part, latent["samples"]))
        joined = join(parts)
        missing = ", ".join(f"{stretch[0]} to {stretch[-1]}" for stretch in joined.missing)
        lines = [
            f"Missing of {part.clip} frames: {missing}." if missing else f"All {part.clip} frames are there."
        ]
        if joined.seam:
            frame, difference = joined.seam
            lines.append(f"Parts differ most in frame {frame}: by {difference:.2%} of the latents' spread.")
        return io.NodeOutput({"samples": joined.latents}, parts, " ".join(lines))


NODES = [ClipPart, JoinClip]
