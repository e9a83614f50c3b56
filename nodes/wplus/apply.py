"""The node Apply W+: steers a MODEL along a W+ direction, with one lambda per frame."""

from __future__ import annotations

from collections.abc import Sequence

from comfy.ldm.modules.attention import optimized_attention
from comfy_api.latest import io
from torch import Tensor

from ...errors import ExclusiveInputError
from ...face_tools.coefficients import ARKIT_51
from ...face_tools.track import FaceTrack
from ...face_tools.track_errors import NoCoefficientsError
from ...systems.wplus.directions import long_enough
from ...systems.wplus.patch import WPlusPatch
from ...unet.clip.curve import Curve
from ...unet.hosts import comfy_attention
from ..checks import require_sd15
from ..percent_range import PERCENT_RANGE, range_of
from ..schema import RARE, patched_model, schema
from ..types import FaceTrackType, FloatsType, WPlusCodeType, WPlusType
from .load import WPlusNetwork

NEGATE_LAMBDA, NEGATE_DIRECTION = "negate lambda", "negate direction"
BOTH, COND_ONLY = "both halves", "positive half only"
SIDED = ("Left", "Right")


class ApplyWPlus(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApplyWPlus",
            display_name="Apply W+",
            category="SK Portrait",
            description="Adds an expression slider to any SD1.5 MODEL: it moves the face along a direction, "
            "such as a smile, by one lambda for the clip or one per frame. It works with HelloMeme, "
            "AnimateDiff, LoRA, ControlNet and IPAdapter.",
            search_aliases=["w-plus-adapter", "expression slider", "age"],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 MODEL, with LoRAs and patches as you like."),
                WPlusType.Input("wplus", tooltip="From Load W+."),
                WPlusCodeType.Input(
                    "w", tooltip="From W+ Direction: a direction alone, or a person with directions added."
                ),
                io.Float.Input(
                    "strength",
                    display_name="lambda",
                    default=0.5,
                    min=-4.0,
                    max=4.0,
                    step=0.01,
                    tooltip="Strength of the edit: about -0.7 to 0.7 for a direction, 1 for the code of a "
                    "person, 0 = off. Lambdas per frame are multiplied by it.",
                ),
                io.Combo.Input(
                    "sign_mode",
                    options=[NEGATE_LAMBDA, NEGATE_DIRECTION],
                    tooltip="For lambda below 0. negate lambda: subtract the attention to w. negate direction: add "
                    "the attention to -w, which gives another edit.",
                    **RARE,
                ),
                io.Combo.Input(
                    "guidance",
                    options=[BOTH, COND_ONLY],
                    tooltip="Where the edit acts: cond and uncond (as in the official code; uncond with an empty "
                    "code), or cond only, which is stronger at the same CFG.",
                    **RARE,
                ),
                io.Float.Input(
                    "delay",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the sampling, from its start, in which the edit does not act, so that "
                    "the layout forms without it. The authors use 0.2 for persons.",
                ),
                *PERCENT_RANGE,
                io.String.Input(
                    "curve",
                    display_name="lambda over frames",
                    default="",
                    tooltip="Lambdas of key frames, such as 0: -0.7, 24: 0, 48: 0.7, with linear "
                    "interpolation. Empty: the same lambda in every frame.",
                ),
                io.Combo.Input(
                    "coefficient",
                    display_name="coefficient to follow",
                    options=coefficients(),
                    default="mouthSmile",
                    tooltip="Only with a track: the driver's coefficient that sets the lambda of each "
                    "frame. A name without left or right is the mean of both sides.",
                ),
                FaceTrackType.Input(
                    "track",
                    optional=True,
                    tooltip="Track of a driver, one entry per frame: the edit follows one of its "
                    "coefficients, such as mouthSmile.",
                ),
                FloatsType.Input(
                    "lambdas",
                    optional=True,
                    tooltip="One lambda per frame, from any node with a FLOATS output.",
                ),
            ],
            outputs=[patched_model()],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        wplus: WPlusNetwork,
        w: Tensor,
        strength: float,
        sign_mode: str,
        guidance: str,
        delay: float,
        start_percent: float,
        end_percent: float,
        curve: str,
        coefficient: str,
        track: FaceTrack | None = None,
        lambdas: Sequence[float] | None = None,
    ) -> io.NodeOutput:
        require_sd15(model)
        patched = model.clone()
        scales = lambdas_of(curve, track, coefficient, lambdas).times(strength)
        if not any(scales.values) or start_percent >= end_percent:
            return io.NodeOutput(patched)
        patch = WPlusPatch(
            wplus.module,
            long_enough(w),
            scales,
            uncond=guidance == BOTH,
            turn=sign_mode == NEGATE_DIRECTION,
            delay=delay,
            percent_range=range_of(start_percent, end_percent),
        )
        comfy_attention.bind(patched, [patch], optimized_attention, [wplus.patcher])
        return io.NodeOutput(patched)


def coefficients() -> list[str]:
    """Return the coefficients that a track can steer: the 51 names, with left and right merged.

    jawLeft and mouthLeft are directions, not sides, and stay separate.
    """
    paired = (name.removesuffix("Left").removesuffix("Right") for name in ARKIT_51)
    return list(
        dict.fromkeys(pair if pair not in ("jaw", "mouth") else name for pair, name in zip(paired, ARKIT_51))
    )


def lambdas_of(curve: str, track, coefficient: str, listed) -> Curve:
    """Return the lambda of each frame, before it is multiplied by the strength.

    Raises ExclusiveInputError if several inputs give it,
    NoCoefficientsError if the track has no expression coefficients.
    """
    said = [
        name
        for name, there in (
            ("curve", curve.strip()),
            ("track", track is not None),
            ("lambdas", listed is not None),
        )
        if there
    ]
    if len(said) > 1:
        raise ExclusiveInputError(
            f"{' and '.join(said)} set the lambda of each frame: keep one of them.", tuple(said)
        )
    if listed is not None:
        return Curve(tuple(float(value) for value in listed))
    if track is not None:
        if track.coefficients is None:
            raise NoCoefficientsError(
                f"The track of {track.source} has no expression coefficients. Use another tracker (hello-onnx or "
                "mediapipe-tasks), Approximate Expression, or a recording.",
                track.source,
            )
        columns = [
            i
            for i, name in enumerate(ARKIT_51)
            if name in (coefficient, *(coefficient + side for side in SIDED))
        ]
        return Curve(tuple(track.coefficients[:, columns].mean(axis=1).tolist()))
    return Curve.parse(curve) if curve.strip() else Curve.constant(1.0)


NODES = [ApplyWPlus]
