"""The Two-Stage Sampler: a video from stills and motion (HelloMeme, section 3.5), on ComfyUI's own sampling."""

from __future__ import annotations

from collections.abc import Callable

import comfy.sample
from comfy_api.latest import io

from ...sk_attention.published_files import MOTION
from ..checks import require_latent, require_prompt, require_sd15
from ..schema import RARE, schema
from ..types import ClipPartType, MotionType
from ..windows import require_window
from . import attach
from .clip_runs import Clip, Progress
from .clip_stages import KeyFrameTree, TwoStages, thinned
from .motion import OVERLAP
from .parts import part_of

PAPER, PUBLISHED = "paper", "official code"


class TwoStageSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitTwoStageSampler",
            display_name="Portrait Two-Stage Sampler",
            category="SK Portrait",
            description="Samples a whole video. With AnimateDiff (v1, v2): every frame alone with few steps from one noise, then all of "
            "them re-noised and denoised with motion in overlapping windows. With SK motion (v3 and later): a tree of key frames.",
            search_aliases=["HelloMeme", "video", "key frames", "AnimateDiff"],
            inputs=[
                io.Noise.Input(
                    "noise", tooltip="Random Noise. Its seed decides everything that is random here."
                ),
                io.Guider.Input(
                    "guider",
                    tooltip="CFG Guider around the MODEL that has Apply on it, without Apply Portrait Motion.",
                ),
                io.Sampler.Input("sampler", tooltip="Any. The authors use euler, and dpmpp_2m_sde for v5."),
                io.Sigmas.Input(
                    "sigmas", tooltip="Of the second stage, and of every level of a key-frame tree."
                ),
                io.Latent.Input(
                    "latent_image",
                    tooltip="One latent for every frame of the drive, from Portrait Shared Noise.",
                ),
                MotionType.Input(
                    "motion", tooltip="From Load Portrait Motion, without Apply Portrait Motion on the MODEL."
                ),
                MotionType.Input(
                    "motion_2",
                    optional=True,
                    tooltip="v3 and v4 have two motion files: SK motion and AnimateDiff.",
                ),
                io.Latent.Input(
                    "stage1",
                    optional=True,
                    tooltip="A saved stage1 of the same clip, to begin with the second stage. The result is as if both had been run.",
                ),
                io.Sigmas.Input(
                    "stage1_sigmas",
                    optional=True,
                    tooltip="Of the first stage of v1 and v2, instead of a thinned-out copy of sigmas.",
                ),
                ClipPartType.Input(
                    "part",
                    optional=True,
                    tooltip="From Portrait Clip Part: only its frames are sampled. All else stays that of the whole clip.",
                ),
                io.Int.Input(
                    "stage1_steps",
                    default=10,
                    min=1,
                    max=1000,
                    tooltip="Most steps of the first stage of v1 and v2.",
                    **RARE,
                ),
                io.Int.Input(
                    "window_length",
                    default=12,
                    min=4,
                    max=128,
                    tooltip="Frames that see each other; 12 as published.",
                    **RARE,
                ),
                OVERLAP,
                io.Combo.Input(
                    "method",
                    options=[PAPER, PUBLISHED],
                    tooltip="paper: one shared noise for all frames of the first stage, faded windows, full windows to the end. "
                    "official code: each frame starts from the one before it, averaged windows, a padded or short last window.",
                    **RARE,
                ),
                io.Float.Input(
                    "shared_noise",
                    optional=True,  # graphs in API format that were saved before it have none
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Part of the noise that all moving frames have in common. 0 = each its own, as published; more flickers less.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The video, one latent per frame."),
                io.Latent.Output(
                    display_name="stage1",
                    tooltip="After the first stage: every frame (v1, v2), or the key frames of the last level. Save it to resume from it.",
                ),
            ],
        )

    @classmethod
    def execute(cls, noise, *wires, **options) -> io.NodeOutput:
        order, clip = prepare(Clip, noise, *wires, **options)
        final, first = order.sample(clip, noise)
        part = options.get("part")
        masked = {} if clip.mask is None else {"noise_mask": part_of(clip.mask, part)}
        return io.NodeOutput({"samples": final} | masked, {"samples": first})


def prepare(
    make_clip: Callable[..., Clip],
    noise,
    guider,
    sampler,
    sigmas,
    latent_image,
    motion,
    stage1_steps,
    window_length,
    overlap,
    method,
    shared_noise=0.0,
    motion_2=None,
    stage1=None,
    stage1_sigmas=None,
    part=None,
) -> tuple[TwoStages | KeyFrameTree, Clip]:
    """The order in which a clip is sampled, and the clip, from the inputs of the node; `order.sample(clip, noise)` samples it.

    make_clip takes the arguments of Clip. Raises ValueError for inputs that do not fit together.
    """
    model = guider.model_patcher
    require_sd15(model)
    if attach.moves(model):
        raise ValueError(
            "The guider's MODEL already moves: wire it from before Apply Portrait Motion, which is not needed here."
        )
    motions = [one for one in (motion, motion_2) if one is not None]
    require_window(window_length, overlap, *motions)
    samples = comfy.sample.fix_empty_latent_channels(model, latent_image["samples"])
    require_latent(samples, "latent_image")
    if not guider.original_conds.get("positive"):
        raise ValueError(
            "The guider's positive prompt is empty: wire CLIP Text Encode, with an empty text if you want none."
        )
    for name, prompts in guider.original_conds.items():
        for prompt in prompts:
            require_prompt(model, prompt.get("cross_attn"), name)
    mask, frames, published = latent_image.get("noise_mask"), len(samples), method == PUBLISHED
    if part is not None and part.clip != frames:
        raise ValueError(
            f"The part is of a clip of {part.clip} frames and latent_image has {frames}: wire the latents of the whole clip."
        )
    wanted = None if part is None else part.frames
    first = None if stage1 is None else stage1["samples"].to(samples)
    if first is not None and first.shape[1:] != samples.shape[1:]:
        raise ValueError(
            f"stage1 is {tuple(first.shape)} and latent_image {tuple(samples.shape)}: they must be of one size."
        )
    tree = next((one.module for one in motions if one.loaded.part.kind == MOTION), None)
    if tree:
        order = KeyFrameTree(frames, sigmas, window_length, tree, published, shared_noise, first, wanted)
    else:
        first_sigmas = thinned(sigmas, stage1_steps) if stage1_sigmas is None else stage1_sigmas
        order = TwoStages(
            frames, first_sigmas, sigmas, window_length, overlap, published, shared_noise, first, wanted
        )
    progress = Progress(order.steps, model, part.keeps.start if part else 0)
    return order, make_clip(
        guider, sampler, noise.seed, samples, mask, motions, not published, published, progress
    )


NODES = [TwoStageSampler]
