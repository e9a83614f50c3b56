"""The Portrait Video Sampler: a video from still frames and motion
(HelloMeme, section 3.5), with ComfyUI's own sampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import comfy.sample
from comfy_api.latest import io
from torch import Tensor

from ...errors import CombinationError, FrameCountError, MissingInputError, ShapeError
from ...sk_attention.published_files import MOTION
from ...unet.clip.parts import Part
from ..checks import require_latent, require_prompt, require_sd15
from ..schema import RARE, schema
from ..types import ClipPartType, MotionType
from ..windows import require_window
from . import attach
from .clip_runs import Clip, Progress
from .clip_stages import KeyFrameTree, TwoStages, thinned
from .motion import OVERLAP
from .networks import Network
from .parts import part_of

PAPER, PUBLISHED = "paper", "official code"
EARLIER_NAME = "published code"  # name of PUBLISHED in graphs saved with 0.1 and 0.2


class TwoStageSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitTwoStageSampler",
            display_name="Portrait Video Sampler",
            category="SK Portrait",
            description="Samples a whole video in two stages. v1 and v2: every frame separately, then all "
            "frames with the motion module in overlapping windows; v3 and later: key frames, then the "
            "frames between them.",
            search_aliases=["HelloMeme", "video", "key frames", "AnimateDiff", "Portrait Two-Stage Sampler"],
            inputs=[
                io.Noise.Input(
                    "noise", tooltip="From RandomNoise. Its seed determines all noise of this node."
                ),
                io.Guider.Input(
                    "guider",
                    tooltip="From CFGGuider with the MODEL of Animate Portrait. Do not use Apply HelloMeme "
                    "Motion Module on that MODEL.",
                ),
                io.Sampler.Input(
                    "sampler",
                    tooltip="Any sampler. The authors use euler for v1 to v4 and dpmpp_2m_sde for v5.",
                ),
                io.Sigmas.Input(
                    "sigmas",
                    tooltip="Noise levels of stage 2 and, for v3 and later, of every level of key frames.",
                ),
                io.Latent.Input(
                    "latent_image",
                    tooltip="One latent per frame of the drive, from Portrait Latents.",
                ),
                MotionType.Input(
                    "motion",
                    tooltip="From Load HelloMeme Motion Module. The sampler applies it in the stages that "
                    "use it.",
                ),
                MotionType.Input(
                    "motion_2",
                    display_name="second motion module",
                    optional=True,
                    tooltip="Only for v3 and v4, which have two motion files: connect SK motion to one "
                    "input and AnimateDiff to the other.",
                ),
                io.Latent.Input(
                    "stage1",
                    display_name="saved stage 1",
                    optional=True,
                    tooltip="A saved stage1 output of the same clip: the sampler then starts with stage 2. "
                    "The result is the same as if stage 1 had been sampled again.",
                ),
                io.Sigmas.Input(
                    "stage1_sigmas",
                    display_name="stage 1 sigmas",
                    optional=True,
                    tooltip="Noise levels of stage 1 of v1 and v2. Not connected: sigmas, "
                    "reduced to stage 1 steps.",
                ),
                ClipPartType.Input(
                    "part",
                    optional=True,
                    tooltip="From Take Clip Part: only the part's frames are sampled. Leave all other "
                    "inputs as for the whole clip.",
                ),
                io.Int.Input(
                    "stage1_steps",
                    display_name="stage 1 steps",
                    default=10,
                    min=1,
                    max=1000,
                    tooltip="Largest number of steps in stage 1 of v1 and v2.",
                    **RARE,
                ),
                io.Int.Input(
                    "window_length",
                    display_name="context length",
                    default=12,
                    min=4,
                    max=128,
                    tooltip="Frames per window; 12 as in the official code.",
                    **RARE,
                ),
                OVERLAP,
                io.Combo.Input(
                    "method",
                    options=[PAPER, PUBLISHED],
                    tooltip="paper: in stage 1 all frames start from the same noise, and windows are "
                    "cross-faded. official code: each frame starts from the finished frame before it, and "
                    "windows are averaged.",
                    **RARE,
                ),
                io.Float.Input(
                    "shared_noise",
                    optional=True,  # graphs in API format that were saved before this input existed lack it
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Fraction of noise shared by all frames. 0 = independent noise (official); "
                    "higher values reduce flicker.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The video, one latent per frame."),
                io.Latent.Output(
                    display_name="stage1",
                    tooltip="The result of stage 1: every frame (v1, v2), or the key frames of the last "
                    "level. Save it to repeat only stage 2 later.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, method: str) -> bool | str:
        known = method in (PAPER, PUBLISHED, EARLIER_NAME)
        return known or f"method is {method!r}; choose {PAPER!r} or {PUBLISHED!r}."

    @classmethod
    def execute(
        cls,
        noise: io.Noise.Type,
        guider: io.Guider.Type,
        sampler: io.Sampler.Type,
        sigmas: io.Sigmas.Type,
        latent_image: io.Latent.Type,
        motion: Network,
        stage1_steps: int,
        window_length: int,
        overlap: int,
        method: str,
        shared_noise: float = 0.0,
        motion_2: Network | None = None,
        stage1: io.Latent.Type | None = None,
        stage1_sigmas: io.Sigmas.Type | None = None,
        part: Part | None = None,
    ) -> io.NodeOutput:
        inputs = SamplerInputs(
            noise, guider, sampler, sigmas, latent_image, motion, stage1_steps, window_length, overlap, method,
            shared_noise, motion_2, stage1, stage1_sigmas, part,
        )  # fmt: skip
        order, clip = prepare(Clip, inputs)
        final, first = order.sample(clip, noise)
        masked = {} if clip.mask is None else {"noise_mask": part_of(clip.mask, part)}
        return io.NodeOutput({"samples": final} | masked, {"samples": first})


@dataclass(frozen=True, eq=False)
class SamplerInputs:
    """The inputs of the Portrait Video Sampler."""

    noise: io.Noise.Type
    guider: io.Guider.Type
    sampler: io.Sampler.Type
    sigmas: io.Sigmas.Type
    latent_image: io.Latent.Type
    motion: Network
    stage1_steps: int
    window_length: int
    overlap: int
    method: str
    shared_noise: float = 0.0
    motion_2: Network | None = None
    stage1: io.Latent.Type | None = None
    stage1_sigmas: io.Sigmas.Type | None = None
    part: Part | None = None

    @property
    def motions(self) -> list[Network]:
        return [one for one in (self.motion, self.motion_2) if one is not None]

    @property
    def published(self) -> bool:
        """Whether to sample in the order of the official code."""
        return self.method != PAPER


def prepare(make_clip: Callable[..., Clip], inputs: SamplerInputs) -> tuple[TwoStages | KeyFrameTree, Clip]:
    """Check the inputs, and return the order of sampling and the
    clip; `order.sample(clip, noise)` samples it.

    make_clip: called with the arguments of Clip. Raises an error if the inputs do not fit together.
    """
    model, part = inputs.guider.model_patcher, inputs.part
    _require_guider(inputs.guider)
    require_window(inputs.window_length, inputs.overlap, *inputs.motions)
    samples = comfy.sample.fix_empty_latent_channels(model, inputs.latent_image["samples"])
    require_latent(samples, "latent_image")
    if part is not None and part.clip != len(samples):
        raise FrameCountError(
            "latent_image",
            len(samples),
            "clip of the part",
            part.clip,
            "connect the latents of the whole clip.",
        )
    order = _order(inputs, len(samples), _first_stage(inputs.stage1, samples))
    progress = Progress(order.steps, model)
    return order, make_clip(
        inputs.guider, inputs.sampler, inputs.noise.seed, samples, inputs.latent_image.get("noise_mask"),
        inputs.motions, not inputs.published, inputs.published, progress,
    )  # fmt: skip


def _require_guider(guider: io.Guider.Type) -> None:
    """Raise an error unless the guider's MODEL is a plain
    SD1.5 without motion, and its prompts are of SD1.5.
    """
    model = guider.model_patcher
    require_sd15(model)
    if attach.moves(model):
        raise CombinationError(
            "The guider's MODEL already has a motion module: connect the MODEL from before Apply HelloMeme "
            "Motion Module, which is not needed here.",
            "Apply HelloMeme Motion Module",
        )
    if not guider.original_conds.get("positive"):
        raise MissingInputError(
            "The guider has no positive conditioning: connect CLIP Text Encode. Its text may be empty.",
            ("positive",),
        )
    for name, prompts in guider.original_conds.items():
        for prompt in prompts:
            require_prompt(model, prompt.get("cross_attn"), name)


def _first_stage(stage1: io.Latent.Type | None, samples: Tensor) -> Tensor | None:
    """Return the latents of a saved first stage on the device of `samples`, None if there is none.

    Raises ShapeError for another size.
    """
    if stage1 is None:
        return None
    first = stage1["samples"].to(samples)
    if first.shape[1:] != samples.shape[1:]:
        raise ShapeError(
            f"The saved stage 1 is {first.shape[-1]}x{first.shape[-2]} latent pixels and the latent image "
            f"{samples.shape[-1]}x{samples.shape[-2]}. Connect a stage 1 of this size, or sample stage 1 again.",
            tuple(first.shape),
        )
    return first


def _order(inputs: SamplerInputs, frames: int, first: Tensor | None) -> TwoStages | KeyFrameTree:
    """Return a KeyFrameTree if one of the motions is SK motion, otherwise TwoStages."""
    wanted = None if inputs.part is None else inputs.part.frames
    tree = next((one.module for one in inputs.motions if one.loaded.part.kind == MOTION), None)
    if tree:
        return KeyFrameTree(
            frames, inputs.sigmas, inputs.window_length, tree, inputs.published, inputs.shared_noise, first, wanted
        )  # fmt: skip
    first_sigmas = inputs.stage1_sigmas
    if first_sigmas is None:
        first_sigmas = thinned(inputs.sigmas, inputs.stage1_steps)
    return TwoStages(
        frames, first_sigmas, inputs.sigmas, inputs.window_length, inputs.overlap,
        inputs.published, inputs.shared_noise, first, wanted,
    )  # fmt: skip


NODES = [TwoStageSampler]
