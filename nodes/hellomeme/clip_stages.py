"""The stages in which a clip is sampled: two stages (v1, v2), or a
key-frame tree (v3 and later); HelloMeme, section 3.5.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from ...errors import FrameCountError, SettingError
from ...sk_attention.motion import SKMotion
from ...unet.clip.keyframes import Level, batches, key_frame_levels, published_padding, windows
from ...unet.clip.windows import Plan
from .clip_runs import Clip, steps_of

Stages = tuple[Tensor, Tensor]  # (the video, the first stage), each one latent per frame


class TwoStages:
    """Samples a clip in two stages: every frame independently from one noise, then all frames noised again
    and denoised with motion in windows.

    published: official order: each frame starts from the finished previous one, and the last window is padded
    shared:    fraction of the second stage's noise that all frames share, 0..1
    first:     (n, 4, h, w), result of an earlier first stage, or None. Raises FrameCountError if it has
      another length
    wanted:    frames of the clip to sample and return, None = all. Raises SettingError together with
      `published`, where each frame needs all frames before it
    first_frames: frames that the first stage contains
    steps:     sampler steps of both stages, for the progress bar
    """

    def __init__(
        self,
        frames: int,
        first_sigmas: Tensor,
        sigmas: Tensor,
        length: int,
        overlap: int,
        published: bool,
        shared: float,
        first: Tensor | None,
        wanted: range | None,
    ):
        if published and wanted:
            raise SettingError(
                "A part of a clip cannot be sampled with method = official code, because every frame then needs "
                "all frames before it. Set method to paper.",
                "method",
                "official code",
            )
        if first is not None and len(first) != frames:
            raise FrameCountError("stage1 latent", len(first), "clip", frames)
        self.first_sigmas, self.sigmas, self.first = first_sigmas, sigmas, first
        self.length, self.overlap, self.published, self.shared, self.wanted = (
            length,
            overlap,
            published,
            shared,
            wanted,
        )
        self.first_frames = tuple(wanted or range(frames))
        first_steps = steps_of(first_sigmas) * (frames if published else 1)
        self.steps = steps_of(sigmas) + (0 if first is not None else first_steps)

    def sample(self, clip: Clip, noise) -> Stages:
        """Sample the clip.

        One draw from the NOISE object contains the first stage's noise, then the
        second's, so a resumed run uses the same noise.
        """
        n = len(clip)
        layout, frames, starts = windows(n, self.length, self.overlap), range(n), list(range(n))
        if self.published:
            padding = published_padding(n, self.length, self.overlap)
            layout, frames, starts = padding.windows, padding.drive, list(padding.latents)
        drawn = draw(noise, clip.latent, 1 + len(frames), self.shared)
        first = self.first
        if first is None:
            seen = (
                None
                if self.wanted is None
                else Plan.of(layout, clip.smooth, frames, n).for_frames(self.wanted).seen
            )
            first = self._chained(clip, drawn[:1]) if self.published else self._alone(clip, drawn[:1], seen)
        video = clip.run(frames, layout, drawn[1:], self.sigmas, first[starts], wanted=self.wanted)[:n]
        return _rows(video, self.wanted), _rows(first, self.wanted)

    def _alone(self, clip: Clip, shared: Tensor, wanted: Collection[int] | None) -> Tensor:
        n = len(clip)
        noise = shared.expand(n, -1, -1, -1)
        return clip.run(
            range(n), batches(n, self.length), noise, self.first_sigmas, moves=False, wanted=wanted
        )

    def _chained(self, clip: Clip, shared: Tensor) -> Tensor:
        results: list[Tensor] = []
        for frame in range(len(clip)):
            start = results[-1] if results else None
            results.append(clip.run([frame], (range(1),), shared, self.first_sigmas, start, moves=False))
        return torch.cat(results)


class KeyFrameTree:
    """Samples a tree of key frames, coarsest level first.

    Each level starts from noise. The features captured in the key frames of the coarser levels guide its
    windows (SK motion's `pads`).

    published: shorten only the last window, as the official code does
    shared:    fraction of its noise that every frame shares with the first one, 0..1
    first:     key frames of the last level from an earlier run, or None. Raises FrameCountError if their
      number is wrong
    wanted:    frames of the clip to sample and return, None = all; key frames are always all sampled
    first_frames: key frames of the last level, which are the first stage
    steps:     progress steps: sampler steps of all levels plus one feature pass per key frame
    """

    def __init__(
        self,
        frames: int,
        sigmas: Tensor,
        length: int,
        motion: SKMotion,
        published: bool,
        shared: float,
        first: Tensor | None,
        wanted: range | None,
    ):
        levels = key_frame_levels(frames, length, motion.has_margins, published)
        if first is not None:
            count = len(levels[-1].ends) if len(levels) > 1 else 0
            if len(first) != count:
                raise FrameCountError("stage1 latent", len(first), "list of key frames of this clip", count)
        resumed = first is not None
        looked_at = levels[-1:] if resumed or motion.has_margins else levels[1:]
        self.levels: tuple[Level, ...] = levels[-1:] if resumed else levels
        self.first_frames = levels[-1].ends if len(levels) > 1 else tuple(wanted or range(frames))
        self.sigmas, self.motion, self.shared, self.first, self.wanted = sigmas, motion, shared, first, wanted
        self.steps = len(self.levels) * steps_of(sigmas) + sum(len(level.ends) for level in looked_at)

    def sample(self, clip: Clip, noise) -> Stages:
        """Sample the clip.

        In v3 and v4 a key frame keeps the features of the level that
        sampled it first; in v5 those of the latest level.
        """
        drawn = draw(noise, clip.latent, len(clip), self.shared)
        *deeper, last = self.levels
        latents: dict[int, Tensor] = {}  # of the key frames
        key_frames = {}
        if self.first is not None:
            latents = dict(zip(last.ends, self.first, strict=True))
            key_frames = clip.look(latents, self.motion.boundaries())
        for level in deeper:
            made = dict(zip(level.frames, self._run(clip, level, drawn, key_frames), strict=True))
            new = {
                frame: latent
                for frame, latent in made.items()
                if not (self.motion.has_margins and frame in latents)
            }
            latents |= new
            key_frames |= clip.look(new, self.motion.boundaries())
        video = _rows(self._run(clip, last, drawn, key_frames, self.wanted), self.wanted)
        return video, torch.stack([latents[frame] for frame in last.ends]) if latents else video

    def _run(self, clip: Clip, level, drawn: Tensor, key_frames, wanted: range | None = None) -> Tensor:
        noise = drawn[list(level.noise)]
        return clip.run(
            level.frames, level.windows, noise, self.sigmas, None, level.moves, key_frames, wanted
        )


def _rows(latents: Tensor, wanted: range | None) -> Tensor:
    return latents if wanted is None else latents[wanted.start : wanted.stop]


def draw(noise, latent: Tensor, rows: int, shared: float) -> Tensor:
    """Draw noise (rows, 4, h, w) from the NOISE object.

    shared: fraction (0..1) of its variance that each item shares
    with the first one (Ge et al. 2023, mixed noise).
    """
    drawn = noise.generate_noise({"samples": torch.zeros(rows, *latent.shape[1:])})
    return (
        torch.cat([drawn[:1], shared**0.5 * drawn[:1] + (1 - shared) ** 0.5 * drawn[1:]]) if shared else drawn
    )


def thinned(sigmas: Tensor, steps: int) -> Tensor:
    """Select at most `steps` steps from `sigmas`; the first and the last noise level are kept."""
    last = steps_of(sigmas)
    count = min(steps, last)
    return sigmas[[round(i * last / count) for i in range(count + 1)]] if count else sigmas
