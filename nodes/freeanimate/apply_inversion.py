"""The node Redraw Clip from Noise: samples a clip with the attention maps of an inverted one."""

from __future__ import annotations

import math

from comfy_api.latest import io

from ...errors import SettingError
from ...systems.freeanimate.reference_items import (
    AHEAD,
    BOTH,
    COND_ONLY,
    HERE,
    STORED,
    TEXT_IN_COND,
    AnchorItems,
    Preview,
)
from ...systems.freeanimate.trajectory import Trajectory
from ..checks import require_sd15
from ..schema import RARE, schema
from ..types import TrajectoryType
from .anchor import FIRST_LEVEL, attach, inverted

SHRINK = 8  # factor from a side of the latent to a side of the UNet's smallest map


class ApplyInversion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApplyInversion",
            display_name="Redraw Clip from Noise (IBA)",
            category="SK Portrait",
            description="Redraws an inverted clip with another prompt or style, or with cleaner frames, and "
            "keeps its layout and motion (FreeAnimate's inversion-boosted attention). The clip is computed "
            "in the same batch, so a step takes about 1.6 times as long.",
            search_aliases=[
                "IBA",
                "FreeAnimate",
                "FateZero",
                "video edit",
                "restyle",
                "clean up",
                "Apply Inversion",
            ],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The SD1.5 MODEL that redraws the clip. Do not apply Lock Frames to Reference to it: "
                    "Clip to Noise has stored the reference.",
                ),
                TrajectoryType.Input(
                    "trajectory",
                    tooltip="From Clip to Noise. Sample with the same sigmas, its latent, euler and no "
                    "added noise.",
                ),
                io.Float.Input(
                    "self_until",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the steps in which layout and motion are taken from the inverted "
                    "clip. FateZero uses 0.6 to 0.9.",
                ),
                io.Float.Input(
                    "cross_until",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the steps in which each word acts on the same places as in the "
                    "inverted clip. Set 0 if the prompts differ in more than single words.",
                ),
                io.Int.Input(
                    "largest_map",
                    default=1024,
                    min=1,
                    max=1 << 20,
                    tooltip="Largest self-attention map that is taken from the clip, in latent pixels: 1024 "
                    "= 32x32 (FateZero). Higher values keep more detail of the clip.",
                    **RARE,
                ),
                io.Combo.Input(
                    "guidance",
                    options=[TEXT_IN_COND, BOTH, COND_ONLY],
                    tooltip="Whether cond, or cond and uncond, use the clip's attention maps. FateZero uses "
                    "the positive half (cond) only.",
                    **RARE,
                ),
                io.Combo.Input(
                    "maps_of",
                    options=[HERE, AHEAD, STORED],
                    tooltip="Noise level of the clip when its attention maps are computed: that of the "
                    "step, one level lower (FateZero's order, together with its timestep in Clip to Noise), "
                    "or one level lower with the timestep that the inversion used.",
                    **RARE,
                ),
                FIRST_LEVEL,
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="The patched MODEL, for SamplerCustom with euler. The input MODEL is not "
                    "changed.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        trajectory: Trajectory,
        self_until: float,
        cross_until: float,
        largest_map: int,
        guidance: str,
        maps_of: str,
        first_level: int,
    ) -> io.NodeOutput:
        require_sd15(model)
        boosted = model.clone()
        if self_until or cross_until:
            require_maps(trajectory, self_until, largest_map)
            reference = None if trajectory.anchor is None else inverted(trajectory)
            preview = Preview(trajectory, self_until, cross_until, guidance, maps_of)
            attach(boosted, AnchorItems(reference, preview), first_level, cls, largest_map=largest_map)
        return io.NodeOutput(boosted)


def require_maps(trajectory, self_until: float, largest_map: int) -> None:
    """Raise SettingError if every self-attention map of the clip is larger
    than largest_map, so that none would be used.
    """
    height, width = (math.ceil(side / SHRINK) for side in trajectory.latents.shape[-2:])
    if self_until and height * width > largest_map:
        raise SettingError(
            f"largest_map is {largest_map} cells and the smallest map of this clip has {height * width} ({width}x{height}), so that none "
            "would be taken over: raise largest_map, or set self_until to 0.",
            "largest_map",
            largest_map,
        )


NODES = [ApplyInversion]
