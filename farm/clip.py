"""A clip with windows that a worker pool computes."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from ..nodes.hellomeme.clip_runs import Clip, steps_of
from ..unet.clip.windows import Plan, blend
from ..unet.feature_cache import evenly
from .failures import FarmError
from .scheduling import PARTS_EACH, shared_out
from .store import Store
from .worker import KeyFrame, Sampling
from .worker_pool import Request, WorkerPool

KEY = "sk_portrait_farm"
POST_CFG = "sampler_post_cfg_function"  # ComfyUI's name in model_options


class Progress(Protocol):
    """Progress in steps of the sampler over all runs, and in windows of the current step."""

    def step(self, *of_the_host) -> None: ...

    def tick(self, steps: int = 1) -> None: ...

    def part(self, done: int, of: int) -> None: ...


class FarmedClip(Clip):
    """A clip sampled by ComfyUI's sampler in this process, with a MODEL that is not loaded: the worker
    pool computes the windows of every step.
    """

    def __init__(self, pool: WorkerPool, store: Store, progress: Progress, *clip):
        """clip: the arguments of Clip."""
        super().__init__(*clip)
        self.pool, self.store, self.progress = pool, store, progress
        self.runs = self.calls = 0

    def run(self, frames, windows, noise: Tensor, sigmas: Tensor, *rest, **named) -> Tensor:
        """As Clip.run, but a finished run is read from the store."""
        self.runs += 1
        self.calls = 0
        name = f"run{self.runs}"
        if (latents := self.store.load(name)) is None:
            latents = super().run(frames, windows, noise, sigmas, *rest, **named)
            self.store.save(name, latents)
        else:
            self.progress.tick(steps_of(sigmas))
        return latents.to(self.latent)

    def look(self, latents: Mapping[int, Tensor], sites: Container[str]) -> dict[int, KeyFrame]:
        """Return the latents of the key frames: the workers capture the features for their own windows."""
        self.progress.tick(len(latents))
        return {frame: KeyFrame(latent.cpu(), tuple(sites)) for frame, latent in latents.items()}

    def _model_for(self, plan: Plan, sigmas: Tensor, moves: bool, key_frames: Mapping[int, KeyFrame] | None):
        model = self.guider.model_patcher.clone()
        sampling = Sampling(f"run{self.runs}", sigmas.cpu(), moves, max(map(len, plan.windows)))
        plain = len(model.model_options.get(POST_CFG, ()))
        model.add_wrapper_with_key("prepare_sampling", KEY, _unloaded)
        model.add_wrapper_with_key(
            "predict_noise", KEY, partial(self._predict, plan, sampling, key_frames or {}, plain)
        )
        return model

    def _predict(
        self,
        plan: Plan,
        sampling: Sampling,
        key_frames,
        plain: int,
        executor,
        x: Tensor,
        timestep: Tensor,
        model_options,
        *rest,
    ) -> Tensor:
        """PREDICT_NOISE wrapper: x (n, 4, h, w) -> the guider's output, computed by the workers."""
        if len(model_options.get(POST_CFG, ())) > plain:
            raise FarmError(
                "This sampler looks into the guidance, as cfg_pp ones do, and that happens on other machines: take another."
            )
        self.calls += 1
        name = f"{sampling.name}.{self.calls}"
        if (whole := self.store.load(name)) is None:
            whole = self._computed(name, plan, sampling, key_frames, x, float(timestep.max()))
            self.store.save(name, whole)
        return whole.to(x)

    def _computed(
        self, name: str, plan: Plan, sampling: Sampling, key_frames, x: Tensor, sigma: float
    ) -> Tensor:
        x = x.cpu()
        finished = self.store.windows(name)
        missing = [window for window in range(len(plan.windows)) if window not in finished]
        self.progress.part(len(finished), len(plan.windows))

        def request(windows: Sequence[int]) -> Request:
            cut = [
                (tuple(plan.frames[p] for p in plan.windows[w]), x[list(plan.windows[w])]) for w in windows
            ]
            ends = {
                frame: key_frames[frame]
                for frames, _ in cut
                for frame in (frames[0], frames[-1])
                if frame in key_frames
            }
            return Request("denoise", (sampling, cut, sigma, ends), (sampling.name, windows[0]))

        parts = shared_out(missing, PARTS_EACH * len(self.pool.workers))
        for part, results in self.pool.answers([request(windows) for windows in parts]):
            new = dict(zip(parts[part], results, strict=True))
            self.store.save_windows(name, new)
            finished |= new
            self.progress.part(len(finished), len(plan.windows))
        fused, weight = torch.zeros_like(x), torch.zeros(len(x), 1, 1, 1)
        for window, (positions, shares) in enumerate(zip(plan.windows, plan.shares, strict=True)):
            blend([fused], weight, evenly(tuple(positions)), shares, [finished[window]])
        return fused


def _unloaded(executor, model, noise_shape, conds, *rest, **named):
    """PREPARE_SAMPLING wrapper: load nothing, because this process computes nothing."""
    return model.model, conds, []
