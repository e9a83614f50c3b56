"""The node Portrait Strength Schedule: strengths of reference or drive per UNet level, step and frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

from comfy_api.latest import io

from ...errors import ExclusiveInputError, SettingError
from ...unet.clip.curve import Curve, pairs
from ...unet.patches import BOUNDARIES, DOWN, UP
from ...unet.strengths import Strengths
from ..schema import RARE, schema
from ..types import FloatsType, StrengthsType


def _level(name: str, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=1.0, min=0.0, max=2.0, step=0.01, tooltip=tooltip)


class PortraitStrengths(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitStrengths",
            display_name="Portrait Strength Schedule",
            category="SK Portrait",
            description="Sets how strongly reference or drive act per UNet level, step and frame, for "
            "example to keep the style of a stylised checkpoint. All values are multiplied; where the "
            "product is 0, the result is the MODEL's own.",
            search_aliases=[
                "HelloMeme",
                "style",
                "stylised checkpoint",
                "strength schedule",
                "block weights",
                "Portrait Strengths",
            ],
            inputs=[
                _level(
                    "down",
                    "Strength in the down blocks of the UNet. They have the reference of v1, and the drive "
                    "of all versions except v2.",
                ),
                _level(
                    "mid", "Strength in the middle block of the UNet. Only the reference of v1 acts there."
                ),
                _level(
                    "up",
                    "Strength in the up blocks of the UNet. They have the reference of all versions, and "
                    "the drive of all versions except v1.",
                ),
                io.String.Input(
                    "stations",
                    display_name="block boundaries",
                    default="",
                    multiline=True,
                    tooltip="Strengths of single block boundaries, such as up_1: 0.5, up_3: 0, multiplied "
                    "by down, mid or up. up_0 is the coarsest, up_3 the finest.",
                    **RARE,
                ),
                io.String.Input(
                    "steps",
                    default="",
                    multiline=True,
                    tooltip="Strengths by percent of the sampling, such as 0: 1, 50: 1, 100: 0.2, with "
                    "linear interpolation. Empty: the same strength in every step.",
                ),
                io.String.Input(
                    "frames",
                    default="",
                    multiline=True,
                    tooltip="Strengths by frame, such as 0: 1, 24: 0.4, with linear interpolation. Empty: "
                    "the same strength in every frame.",
                ),
                FloatsType.Input(
                    "per_step",
                    optional=True,
                    tooltip="Strengths (FLOATS), spread evenly over the sampling; they replace the steps text. "
                    "For one number per step, also connect sigmas.",
                ),
                FloatsType.Input(
                    "per_frame",
                    optional=True,
                    tooltip="One strength per frame of the clip (FLOATS); they replace the frames text.",
                ),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="All SIGMAS of the scheduler, before any split. Connected: steps and per step refer to "
                    "sampling steps; otherwise to noise levels, like start and end percent.",
                ),
            ],
            outputs=[
                StrengthsType.Output(
                    display_name="strengths",
                    tooltip="For *likeness by layer and step* or *performance by layer and step* of Animate "
                    "Portrait.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        down: float,
        mid: float,
        up: float,
        stations: str,
        steps: str,
        frames: str,
        per_step: Sequence[float] | None = None,
        per_frame: Sequence[float] | None = None,
        sigmas: io.Sigmas.Type | None = None,
    ) -> io.NodeOutput:
        levels = dict.fromkeys(DOWN, down) | {"mid": mid} | dict.fromkeys(UP, up)
        wanted = f"no block boundary; write BOUNDARY: STRENGTH, such as up_3: 0.5. Block boundaries: {', '.join(BOUNDARIES)}."
        single = pairs(stations, "|".join(BOUNDARIES), wanted)
        return io.NodeOutput(
            Strengths(
                {boundary: level * single.get(boundary, 1.0) for boundary, level in levels.items()},
                curve_of("step", steps, per_step),
                curve_of("frame", frames, per_frame),
                () if sigmas is None else tuple(sigmas[:-1].tolist()),
            )
        )


def curve_of(what: str, text: str, listed: Sequence[float] | None) -> Curve | None:
    """Return the strength over steps or frames, None if not given. what: "step" or "frame".

    Raises ExclusiveInputError if it is given twice, SettingError if a value is not a finite number.
    """
    if listed is None:
        return (
            Curve.parse(text, f"{'PERCENT' if what == 'step' else 'FRAME'}: STRENGTH")
            if text.strip()
            else None
        )
    if text.strip():
        raise ExclusiveInputError(
            f"{what}s and per_{what} both set the strength of each {what}: keep one of them.",
            (f"{what}s", f"per_{what}"),
        )
    values = tuple(float(value) for value in listed)
    if not values or not all(map(math.isfinite, values)):
        raise SettingError(
            f"per_{what} is {str(values)[:60]}: it must be a list of numbers.", f"per_{what}", values
        )
    return Curve(values)


NODES = [PortraitStrengths]
