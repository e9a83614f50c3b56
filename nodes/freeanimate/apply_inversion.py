"""Redraw Clip from Noise: draws another clip with the attention maps of an inverted one."""

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
from ..checks import require_sd15
from ..schema import RARE, schema
from ..types import TrajectoryType
from .anchor import FIRST_LEVEL, attach, inverted

SHRINK = 8  # of a latent's sides, to the smallest map of the UNet


class ApplyInversion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApplyInversion",
            display_name="Redraw Clip from Noise (IBA)",
            category="SK Portrait",
            description="Lets a MODEL draw an inverted clip again with its layout and motion (inversion-boosted attention of FreeAnimate): "
            "another prompt, style or cleaner frames. The clip is computed beside the new one, about 1.6 times the time of a step.",
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
                    tooltip="The SD1.5 MODEL that draws, without Lock Frames to Reference: the reference comes with the path.",
                ),
                TrajectoryType.Input(
                    "trajectory",
                    tooltip="From Clip to Noise. Sample with its sigmas and latent, euler, no noise added.",
                ),
                io.Float.Input(
                    "self_until",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the steps in which layout and motion are those of the inverted clip. FateZero uses 0.6 to 0.9.",
                ),
                io.Float.Input(
                    "cross_until",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the steps in which each word acts where it acted in the inverted clip. 0 where the prompts differ in "
                    "more than single words.",
                ),
                io.Int.Input(
                    "largest_map",
                    default=1024,
                    min=1,
                    max=1 << 20,
                    tooltip="Most cells of a self-attention map that is taken over: 1024 is 32x32 (FateZero). Larger holds more detail of "
                    "the clip.",
                    **RARE,
                ),
                io.Combo.Input(
                    "guidance",
                    options=[TEXT_IN_COND, BOTH, COND_ONLY],
                    tooltip="Which halves of classifier-free guidance take the clip's maps. FateZero: the positive half only.",
                    **RARE,
                ),
                io.Combo.Input(
                    "maps_of",
                    options=[HERE, AHEAD, STORED],
                    tooltip="Where the clip stands on its way while it is looked at: at the noise level of the step; one level lower "
                    "(FateZero's order, with its timestep in Clip to Noise); or as the inversion itself saw it.",
                    **RARE,
                ),
                FIRST_LEVEL,
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="For SamplerCustom with euler. The MODEL that came in is left as it was.",
                )
            ],
        )

    @classmethod
    def execute(
        cls, model, trajectory, self_until, cross_until, largest_map, guidance, maps_of, first_level
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
    """Raise SettingError where every self-attention map of the clip is larger than those that are to be taken over."""
    height, width = (math.ceil(side / SHRINK) for side in trajectory.latents.shape[-2:])
    if self_until and height * width > largest_map:
        raise SettingError(
            f"largest_map is {largest_map} cells and the smallest map of this clip has {height * width} ({width}x{height}), so that none "
            "would be taken over: raise largest_map, or set self_until to 0.",
            "largest_map",
            largest_map,
        )


NODES = [ApplyInversion]
