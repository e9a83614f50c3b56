"""The Two-Stage Sampler: a video from stills and motion (HelloMeme, section 3.5), on the host's own sampling."""

import comfy.sample
import torch
from comfy_api.latest import io
from torch import Tensor

from ..sk_attention.parts import MOTION
from ..sk_attention.stages import Level, batches, key_frame_levels, published_padding, windows
from . import attach
from .checks import require_sd15
from .clip_runs import Clip, Progress
from .motion import OVERLAP, require_window
from .schema import schema
from .types import MotionType

PAPER, PUBLISHED = "paper", "published code"


class TwoStageSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitTwoStageSampler",
            display_name="Two-Stage Sampler",
            category="SK Portrait",
            description="Samples a whole video. With AnimateDiff (v1, v2): every frame alone with few steps from one noise, then all of "
            "them re-noised and denoised with motion in overlapping windows. With SK motion (v3 and later): a tree of key frames.",
            search_aliases=["HelloMeme", "video", "key frames", "AnimateDiff"],
            inputs=[
                io.Noise.Input("noise", tooltip="Random Noise. Its seed decides everything that is random here."),
                io.Guider.Input("guider", tooltip="CFG Guider around the MODEL that has Apply on it, without Apply Motion."),
                io.Sampler.Input("sampler", tooltip="Any. The authors use euler, and dpmpp_2m_sde for v5."),
                io.Sigmas.Input("sigmas", tooltip="Of the second stage, and of every level of a key-frame tree."),
                io.Latent.Input("latent_image", tooltip="One latent for every frame of the drive (Shared Noise makes them from one)."),
                MotionType.Input("motion", tooltip="From Load Motion, without Apply Motion on the MODEL."),
                MotionType.Input("motion_2", optional=True, tooltip="v3 and v4 have two motion files: SK motion and AnimateDiff."),
                io.Latent.Input(
                    "stage1",
                    optional=True,
                    tooltip="A saved stage1 of the same clip, to begin with the second stage. The result is as if both had been run.",
                ),
                io.Sigmas.Input(
                    "stage1_sigmas", optional=True, tooltip="Of the first stage of v1 and v2, instead of a thinned-out copy of sigmas."
                ),
                io.Int.Input("stage1_steps", default=10, min=1, max=1000, tooltip="Most steps of the first stage of v1 and v2."),
                io.Int.Input("window_length", default=12, min=4, max=128, tooltip="Frames that see each other; the authors use 12."),
                OVERLAP,
                io.Combo.Input(
                    "method",
                    options=[PAPER, PUBLISHED],
                    tooltip="paper: one shared noise for all frames of the first stage, faded windows, full windows to the end. "
                    "published code: each frame starts from the one before it, averaged windows, a padded or short last window.",
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The video, one latent a frame."),
                io.Latent.Output(
                    display_name="stage1",
                    tooltip="After the first stage: every frame (v1, v2), or the key frames of the last level. Save it to resume from it.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
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
        motion_2=None,
        stage1=None,
        stage1_sigmas=None,
    ) -> io.NodeOutput:
        require_sd15(guider.model_patcher)
        if attach.moves(guider.model_patcher):
            raise ValueError("The guider's MODEL already moves: wire it from before Apply Motion, this node adds the motion itself.")
        motions = [one for one in (motion, motion_2) if one is not None]
        require_window(window_length, overlap, *motions)
        samples = comfy.sample.fix_empty_latent_channels(guider.model_patcher, latent_image["samples"])
        tree = next((one.module for one in motions if one.loaded.part.kind == MOTION), None)
        published = method == PUBLISHED
        steps = len(sigmas) - 1
        if tree:
            levels = key_frame_levels(len(samples), window_length, tree.has_margins, published)
            resumed = stage1 is not None
            looked_at = levels[-1:] if resumed or tree.has_margins else levels[1:]
            total = (1 if resumed else len(levels)) * steps + sum(len(level.ends) for level in looked_at)
        else:
            first_sigmas = thinned(sigmas, stage1_steps) if stage1_sigmas is None else stage1_sigmas
            total = steps + (len(first_sigmas) - 1) * (len(samples) if published else 1) * (stage1 is None)
        progress = Progress(total, guider.model_patcher)
        mask = latent_image.get("noise_mask")
        clip = Clip(guider, sampler, noise.seed, samples, mask, motions, not published, published, progress)
        given = None if stage1 is None else stage1["samples"]
        if tree:
            final, first = sample_tree(clip, levels, noise, sigmas, tree, given)
        else:
            final, first = sample_stages(clip, noise, first_sigmas, sigmas, window_length, overlap, published, given)
        masked = {} if mask is None else {"noise_mask": mask}
        return io.NodeOutput({"samples": final} | masked, {"samples": first})


def sample_stages(
    clip: Clip, noise, first_sigmas: Tensor, sigmas: Tensor, length: int, overlap: int, published: bool, first: Tensor | None
) -> tuple[Tensor, Tensor]:
    """v1, v2: (video, stage 1), each (n, 4, h, w). One draw of noise holds the shared one first, then those of the second stage."""
    n = len(clip)
    padding = published_padding(n, length, overlap) if published else None
    frames = padding.drive if padding else range(n)
    drawn = draw(noise, clip.latent, 1 + len(frames))
    if first is None:
        first = chained(clip, drawn[:1], first_sigmas) if published else alone(clip, drawn[:1], first_sigmas, length)
    elif len(first) != n:
        raise ValueError(f"stage1 holds {len(first)} frames and the clip has {n}: they must be equal.")
    start = first.to(clip.latent)
    layout = padding.windows if padding else windows(n, length, overlap)
    start = start[list(padding.latents)] if padding else start
    return clip.run(frames, layout, drawn[1:], sigmas, start, overlap)[:n], first


def alone(clip: Clip, shared: Tensor, sigmas: Tensor, batch: int) -> Tensor:
    """First stage of the paper: every frame by itself, all from the same noise; `batch` of them in one UNet call."""
    n = len(clip)
    return clip.run(range(n), batches(n, batch), shared.expand(n, -1, -1, -1), sigmas, moves=False)


def chained(clip: Clip, shared: Tensor, sigmas: Tensor) -> Tensor:
    """First stage of the published code: every frame starts from the result of the one before it, under the same noise."""
    results: list[Tensor] = []
    for frame in range(len(clip)):
        start = results[-1] if results else None
        results.append(clip.run([frame], (range(1),), shared, sigmas, start, moves=False))
    return torch.cat(results)


def sample_tree(
    clip: Clip, levels: tuple[Level, ...], noise, sigmas: Tensor, motion, first: Tensor | None
) -> tuple[Tensor, Tensor]:
    """v3 and later: (video, key frames of its windows). Every level starts from noise again; of the deeper one it knows the pads.

    v3 and v4 keep the look of a frame from the level where it was made first, v5 takes it from the latest level.
    """
    drawn = draw(noise, clip.latent, len(clip))
    seen: dict[int, Tensor] = {}  # key frame -> its latent
    key_frames = {}
    if first is not None:
        ends = levels[-1].ends
        if len(levels) == 1 or len(first) != len(ends):
            raise ValueError(f"stage1 holds {len(first)} key frames and this clip has {len(ends) if len(levels) > 1 else 0}.")
        seen = dict(zip(ends, first.to(clip.latent), strict=True))
        key_frames = clip.look(seen, motion.stations())
        levels = levels[-1:]
    for level in levels:
        rows = drawn[list(level.noise)]
        result = clip.run(level.frames, level.windows, rows, sigmas, None, 1, level.moves, key_frames)
        if level is levels[-1]:
            break
        made = dict(zip(level.frames, result, strict=True))
        new = {frame: made[frame] for frame in made if not (motion.has_margins and frame in seen)}
        seen |= new
        key_frames = key_frames | clip.look(new, motion.stations())
    return result, torch.stack([seen[frame] for frame in levels[-1].ends]) if seen else result


def draw(noise, latent: Tensor, rows: int) -> Tensor:
    """(rows, 4, h, w) from the NOISE object."""
    return noise.generate_noise({"samples": torch.zeros(rows, *latent.shape[1:])})


def thinned(sigmas: Tensor, steps: int) -> Tensor:
    """At most `steps` steps that keep to the noise levels of `sigmas`, its first and its last among them."""
    last = len(sigmas) - 1
    count = min(steps, last)
    return sigmas[[round(i * last / count) for i in range(count + 1)]]


NODES = [TwoStageSampler]
