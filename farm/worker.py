"""Computes windows of a run, on a worker with ComfyUI in its process."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..unet.clip.windows import Plan
from .files import require_files
from .graph import Graph
from .session import Session

Window = tuple[tuple[int, ...], Tensor]  # absolute frames, and their noisy latents (m, 4, h, w)


@dataclass(frozen=True)
class Task:
    """A worker's task, as plain data.

    graph, ends   the worker's part of the workflow, and the links of its sampler's inputs
    widgets       the sampler's other inputs
    files         name -> SHA-256 of the model files
    """

    graph: Graph
    ends: Mapping[str, list]
    widgets: Mapping[str, Any]
    files: Mapping[str, str]


class Sampling(NamedTuple):
    """State of one sampling run: its name, its noise
    levels, whether motion is applied, its longest window.
    """

    name: str
    sigmas: Tensor
    moves: bool
    length: int


class KeyFrame(NamedTuple):
    """A finished frame (4, h, w), and the block boundaries at which its features are needed."""

    latent: Tensor
    sites: tuple[str, ...]


class Worker:
    """ComfyUI with one workflow's MODEL and networks loaded."""

    def __init__(self, session: Session, task: Task, given: Mapping[str, Any]):
        """given: key -> value of the graph's Given nodes.

        Raises ValueError if a model file differs from the driver's.
        """
        self.session, self.task = session, task
        require_files(task.files, self.session.files(task.graph), f"the worker {socket.gethostname()}")
        from ..nodes.hellomeme.clip_runs import Clip
        from ..nodes.hellomeme.two_stage import SamplerInputs, prepare

        wires = self.session.evaluate(task.graph, task.ends, given)
        _, self.clip = prepare(Clip, SamplerInputs(**wires, **task.widgets))
        self.key_frames: dict[int, Any] = {}
        self.sampling = ""
        self.run: OpenRun | None = None

    def identity(self) -> tuple[str, int]:
        """(machine, process)."""
        return socket.gethostname(), os.getpid()

    @torch.inference_mode()
    def denoise(
        self, sampling: Sampling, windows: Sequence[Window], sigma: float, ends: Mapping[int, KeyFrame]
    ) -> list[Tensor]:
        """Return the guider's output for each window at this noise level, (m, 4, h, w).

        ends: the key frames at the ends of the windows.
        """
        if self.sampling != sampling.name:
            self.close()
            self.key_frames, self.sampling = {}, sampling.name
        if unseen := {frame: end for frame, end in ends.items() if frame not in self.key_frames}:
            self.close()  # the feature pass removes the motion from the UNet
            sites = next(iter(unseen.values())).sites
            self.key_frames |= self.clip.look({frame: end.latent for frame, end in unseen.items()}, sites)
        self.run = self.run or OpenRun(self.clip, sampling, self.key_frames)
        try:
            return [self.run.ask(frames, x, sigma) for frames, x in windows]
        except BaseException:
            self.close()
            raise

    @torch.inference_mode()
    def decode(self, latent: Tensor, vae: list) -> Tensor:
        """Decode a latent to (F, H, W, 3) uint8, with the VAE at this link of the graph."""
        self.close()
        vae = self.session.evaluate(self.task.graph, {"vae": vae})["vae"]
        return (vae.decode(latent).clamp(0, 1) * 255).round().to(torch.uint8).cpu()

    def close(self) -> None:
        """End the current run."""
        if self.run is not None:
            self.run.close()
            self.run = None


class OpenRun:
    """A sampling run of ComfyUI that waits for windows instead of stepping by itself.

    Nodes do their work for a run only once, and at each call they read the
    run's own noise levels, conditions and window.
    """

    def __init__(self, clip, sampling: Sampling, key_frames):
        from ..nodes.windows import see_in_windows

        self.asked, self.answered = SimpleQueue(), SimpleQueue()
        self.frames: tuple[int, ...] = ()
        model = clip.moving(sampling.moves, key_frames)
        see_in_windows(
            model, lambda n, step: Plan.of((range(n),), clip.smooth, self.frames, len(clip)), sampling.length
        )
        start = torch.zeros(sampling.length, *clip.latent.shape[1:])
        guider = clip.guided(model)
        self.thread = Thread(
            target=self._sample, args=(guider, start, sampling.sigmas, clip.seed), daemon=True
        )
        self.thread.start()

    def ask(self, frames: tuple[int, ...], x: Tensor, sigma: float) -> Tensor:
        """Compute a window: (m, 4, h, w) on the CPU. Raises the error of the run, if any."""
        self.asked.put((frames, x, sigma))
        answer = self.answered.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        self.asked.put(None)
        self.thread.join()

    @torch.inference_mode()  # per thread
    def _sample(self, guider, start: Tensor, sigmas: Tensor, seed: int) -> None:
        try:
            guider.sample(start, start, _Waiting(self._serve), sigmas, disable_pbar=True, seed=seed)
        except BaseException as error:  # noqa: B036  (ComfyUI's interrupt is one; the asking thread raises it)
            self.answered.put(error)

    def _serve(self, denoise: Callable[[Tensor, Tensor], Tensor], device: torch.device) -> None:
        while (request := self.asked.get()) is not None:
            self.frames, x, sigma = request
            level = torch.full((len(x),), sigma, device=device)
            self.answered.put(denoise(x.to(device), level).cpu())


class _Waiting:
    """A SAMPLER that serves requests."""

    def __init__(self, serve: Callable):
        self.serve = serve

    def sample(
        self,
        model_wrap,
        sigmas,
        extra_args,
        callback,
        noise,
        latent_image=None,
        denoise_mask=None,
        disable_pbar=False,
    ) -> Tensor:
        """ComfyUI's interface for samplers. The result is not used."""
        self.serve(lambda x, level: model_wrap(x, level, **extra_args), noise.device)
        return noise
