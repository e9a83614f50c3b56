"""Nodes for a clip in parts: what a stretch of it is sampled with, and how stretches become one clip again."""

from __future__ import annotations

from dataclasses import replace

import torch
from comfy_api.latest import io

from ...unet.parts import Part, join
from ..checks import require_frames, require_latent
from ..schema import schema
from ..types import ClipPartsType, ClipPartType, DriveType


class PartNoise:
    """The NOISE of a whole clip, for a part of it: each frame has the noise that it has in the clip.

    Samplers draw a row a frame; the Portrait Two-Stage Sampler one more in front for v1 and v2, which all frames share.
    """

    def __init__(self, noise, part: Part):
        self.noise, self.part, self.seed = noise, part, noise.seed

    def generate_noise(self, latent: dict) -> torch.Tensor:
        """(rows, 4, h, w) for the part's frames. Raises ValueError for another number of rows."""
        if "batch_index" in latent:  # says itself which noise each row has
            return self.noise.generate_noise(latent)
        like, frames = latent["samples"], self.part.frames
        shared = len(like) - len(frames)
        if shared not in (0, 1):
            raise ValueError(
                f"The sampler asks for the noise of {len(like)} frames and the part has {len(frames)}: sample the latent of the same "
                "Portrait Clip Part, and with the Portrait Two-Stage Sampler's method paper."
            )
        drawn = self.noise.generate_noise(latent | {"samples": like.new_zeros(shared + self.part.clip, *like.shape[1:])})
        return drawn[[*range(shared), *(shared + frame for frame in frames)]]


class ClipPart(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitClipPart",
            display_name="Portrait Clip Part",
            category="SK Portrait/parts",
            description="A stretch of a long clip, to be sampled on its own, here or on another machine: its drive, its latents and its "
            "noise are those that these frames have in the whole clip. Put together with Portrait Join Clip.",
            search_aliases=["HelloMeme", "split", "segment", "chunk", "long video"],
            inputs=[
                io.Noise.Input("noise", tooltip="Random Noise, with the same seed for all parts."),
                DriveType.Input("drive", tooltip="Of the whole clip, from Encode Drive."),
                io.Latent.Input("latent", tooltip="Of the whole clip, one a frame, from Portrait Shared Noise."),
                io.Int.Input("first", default=0, min=0, max=2**20, tooltip="First frame of the part, counted from 0."),
                io.Int.Input("count", default=250, min=1, max=2**20, tooltip="Frames of the part; the last one may be shorter."),
                io.Int.Input(
                    "margin",
                    default=16,
                    min=0,
                    max=1024,
                    tooltip="Frames more on both sides, over which parts fade into each other. Frames that stand alone need none.",
                ),
            ],
            outputs=[
                io.Noise.Output(display_name="noise", tooltip="For the sampler of this part."),
                DriveType.Output(display_name="drive", tooltip="For Apply Portrait."),
                io.Latent.Output(display_name="latent", tooltip="For the sampler, one a frame with the margin."),
                ClipPartType.Output(display_name="part", tooltip="For Portrait Join Clip: where the part lies."),
            ],
        )

    @classmethod
    def execute(cls, noise, drive, latent, first, count, margin) -> io.NodeOutput:
        samples = latent["samples"]
        require_latent(samples, "latent")
        require_frames("drive", len(drive), "latent", len(samples))
        part = Part.of(len(samples), first, count, margin)
        rows = slice(part.frames.start, part.frames.stop)
        cut = latent | {"samples": samples[rows]}
        if torch.is_tensor(mask := latent.get("noise_mask")) and len(mask) == len(samples):
            cut["noise_mask"] = mask[rows]
        if "batch_index" in latent:
            cut["batch_index"] = latent["batch_index"][rows]
        null = {station: feature if len(feature) == 1 else feature[rows] for station, feature in drive.null.items()}
        driven = replace(drive, features={station: feature[rows] for station, feature in drive.features.items()}, null=null)
        return io.NodeOutput(PartNoise(noise, part), driven, cut, part)


class JoinClip(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitJoinClip",
            display_name="Portrait Join Clip",
            category="SK Portrait/parts",
            description="Puts parts of a clip together, in any order, and says which frames are still missing and where two parts differ "
            "most in the frames that they share. One node a part, each wired to the one before.",
            search_aliases=["HelloMeme", "merge", "concatenate", "long video"],
            inputs=[
                io.Latent.Input("latent", tooltip="The sampled part."),
                ClipPartType.Input("part", tooltip="From the Portrait Clip Part that the part was sampled with."),
                ClipPartsType.Input("parts", optional=True, tooltip="The parts so far, from another Portrait Join Clip."),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The whole clip; frames that are missing are empty."),
                ClipPartsType.Output(display_name="parts", tooltip="For the next Portrait Join Clip."),
                io.String.Output(display_name="report", tooltip="What is missing, and the seam. Wire it to Preview Any."),
            ],
        )

    @classmethod
    def execute(cls, latent, part, parts=None) -> io.NodeOutput:
        require_latent(latent["samples"], "latent")
        parts = (*(parts or ()), (part, latent["samples"]))
        joined = join(parts)
        missing = ", ".join(f"{stretch[0]} to {stretch[-1]}" for stretch in joined.missing)
        lines = [f"Missing of {part.clip} frames: {missing}." if missing else f"All {part.clip} frames are there."]
        if joined.seam:
            frame, difference = joined.seam
            lines.append(f"Parts differ most in frame {frame}: by {difference:.2%} of the latents' spread.")
        return io.NodeOutput({"samples": joined.latents}, parts, " ".join(lines))


NODES = [ClipPart, JoinClip]
