"""Nodes that load motion modules and add them to a MODEL."""

from __future__ import annotations

from comfy_api.latest import io

from ...errors import CombinationError
from ...sk_attention.published_files import ANIMATEDIFF, MOTION
from ...sk_attention.versions import listed
from ...systems.xdyna.patch import SYSTEM as XDYNA
from ...unet.clip import keyframes
from ...unet.clip.windows import Plan
from ...unet.hosts import extra_items
from ..checks import require_sd15
from ..percent_range import PERCENT_RANGE, range_of
from ..schema import RARE, patched_model, schema
from ..types import MotionType
from ..windows import require_window, see_in_windows
from . import attach
from .library import options, unknown
from .load import RECOGNISED
from .networks import Network, open_network

SMOOTH, FLAT = "smooth", "flat"

WINDOW_LENGTH = io.Int.Input(
    "window_length",
    display_name="context length",
    default=12,
    min=0,
    max=128,
    tooltip="Frames per window: 12 for HelloMeme's modules, 16 for AnimateDiff's own. 0 = no windows, for "
    "context windows of another node or a batch that fits into one window.",
    **RARE,
)
OVERLAP = io.Int.Input(
    "overlap",
    display_name="context overlap",
    default=4,
    min=0,
    max=64,
    tooltip="Frames that two neighbouring windows share. More overlap gives smoother transitions and takes "
    "longer.",
    **RARE,
)


class LoadMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadMotion",
            display_name="Load HelloMeme Motion Module",
            category="SK Portrait/load",
            description="Loads a motion module, which keeps motion consistent from frame to frame: "
            "HelloMeme's hm*_motion or hm*_animatediff, or any AnimateDiff v1, v2 or v3 file.",
            search_aliases=["HelloMeme", "AnimateDiff", "motion module", "Load Portrait Motion"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=options(MOTION, ANIMATEDIFF),
                    tooltip=f"A motion file in models/sk_portrait: {listed('animatediff', 'motion', between=' and ')}, "
                    "or any AnimateDiff motion module.",
                )
            ],
            outputs=[
                MotionType.Output(
                    display_name="motion",
                    tooltip="The motion module, for Apply HelloMeme Motion Module or Portrait Video Sampler.",
                ),
                RECOGNISED,
            ],
        )

    @classmethod
    def validate_inputs(cls, file):
        return unknown(file) or True

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        network = open_network(file, MOTION, ANIMATEDIFF)
        return io.NodeOutput(network, f"{network.loaded}, windows of up to {network.module.longest} frames")


class ApplyMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApplyMotion",
            display_name="Apply HelloMeme Motion Module",
            category="SK Portrait",
            description="Lets the frames of a latent batch attend to each other, so that the video does not "
            "flicker. A batch longer than the context length is sampled in overlapping windows, with any "
            "sampler.",
            search_aliases=["HelloMeme", "AnimateDiff", "context windows", "Apply Portrait Motion"],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 MODEL, usually from Animate Portrait."),
                MotionType.Input(
                    "motion",
                    tooltip="From Load HelloMeme Motion Module. v3 and v4 have two files: use two of these "
                    "nodes, one after the other.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="Strength of the motion module: 1 = as in the official code, 0 = off.",
                ),
                *PERCENT_RANGE,
                WINDOW_LENGTH,
                OVERLAP,
                io.Combo.Input(
                    "blend",
                    display_name="fuse method",
                    options=[SMOOTH, FLAT],
                    tooltip="How frames that two windows share are mixed: smooth cross-fades from one "
                    "window to the next, flat averages them as the official code does.",
                    **RARE,
                ),
            ],
            outputs=[patched_model()],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        motion: Network,
        strength: float,
        start_percent: float,
        end_percent: float,
        window_length: int,
        overlap: int,
        blend: str,
    ) -> io.NodeOutput:
        require_sd15(model)
        moving = model.clone()
        if strength == 0 or start_percent >= end_percent:
            return io.NodeOutput(moving)
        require_window(window_length, overlap, motion)
        if extra_items.system_of(model) == XDYNA and attach.moves(model):
            raise CombinationError(
                "X-Dyna on this MODEL has motion modules of its own: remove Apply HelloMeme Motion Module.",
                XDYNA,
            )
        attach.motion(moving, motion, strength, range_of(start_percent, end_percent))
        if window_length:
            see_in_windows(
                moving, lambda n, step: clip_plan(n, window_length, overlap, blend == SMOOTH), window_length
            )
        return io.NodeOutput(moving)


def clip_plan(n: int, length: int, overlap: int, smooth: bool) -> Plan:
    """Plan of context windows over a whole clip of n frames."""
    return Plan.of(keyframes.windows(n, length, overlap), smooth, range(n), n)


NODES = [LoadMotion, ApplyMotion]
