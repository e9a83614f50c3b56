"""Portrait Strength Schedule: how strongly reference or drive act by level of the UNet, by step and by frame."""

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
            description="How strongly reference or drive act by level of the UNet, by step and by frame, for Animate Portrait: the means "
            "to keep the look of a stylised checkpoint. All of it is multiplied; 0 leaves the MODEL's own result, bit-identically, there.",
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
                    "On the way down of the UNet: v1's reference, and the drive of all versions but v2.",
                ),
                _level("mid", "In the middle of the UNet: v1's reference and nothing else."),
                _level("up", "On the way up of the UNet: every reference, and every drive but v1's."),
                io.String.Input(
                    "stations",
                    display_name="block boundaries",
                    default="",
                    multiline=True,
                    tooltip="Single block boundaries, times their level: up_1: 0.5, up_3: 0. Up_0 is the coarsest, up_3 the finest.",
                    **RARE,
                ),
                io.String.Input(
                    "steps",
                    default="",
                    multiline=True,
                    tooltip="By percent of the sampling, as start and end percent, such as 0: 1, 50: 1, "
                    "100: 0.2; linear between them. Empty: the same in every step.",
                ),
                io.String.Input(
                    "frames",
                    default="",
                    multiline=True,
                    tooltip="By frame, such as 0: 1, 24: 0.4. Linear between them. Empty: the same in every frame.",
                ),
                FloatsType.Input(
                    "per_step",
                    optional=True,
                    tooltip="Numbers instead of steps, spread evenly over the sampling. For exactly one per "
                    "step, connect sigmas as well.",
                ),
                FloatsType.Input(
                    "per_frame",
                    optional=True,
                    tooltip="Numbers instead of frames: one per frame of the clip.",
                ),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="The scheduler's whole SIGMAS, before any split: steps and per_step then count its "
                    "steps. Not connected: they count noise, as start and end percent do.",
                ),
            ],
            outputs=[
                StrengthsType.Output(
                    display_name="strengths",
                    tooltip="For Animate Portrait, one wire for the reference, one for the drive.",
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
        per_step=None,
        per_frame=None,
        sigmas=None,
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
    """The strength over steps or frames, None if not given.

    Raises ExclusiveInputError if it is given twice, SettingError if it is not a number.
    """
    if listed is None:
        return (
            Curve.parse(text, f"{'PERCENT' if what == 'step' else 'FRAME'}: STRENGTH")
            if text.strip()
            else None
        )
    if text.strip():
        raise ExclusiveInputError(
            f"The strength of each {what} is said by {what}s and by per_{what}: keep one of them.",
            (f"{what}s", f"per_{what}"),
        )
    values = tuple(float(value) for value in listed)
    if not values or not all(map(math.isfinite, values)):
        raise SettingError(
            f"per_{what} is {str(values)[:60]}: it must be a list of numbers.", f"per_{what}", values
        )
    return Curve(values)


NODES = [PortraitStrengths]
