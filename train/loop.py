"""The training loop of every task: accelerate for devices and precision,
checkpoints for exact resumption, EMA, TensorBoard.

The random numbers of a step depend on the seed and the step alone. A resumed run therefore draws the same
numbers as an uninterrupted one, and several processes share the samples that a single process would have.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import SettingError
from .checkpoint import read_checkpoint, write_checkpoint
from .errors import TrainError

CLIP_NORM = 1.0


@dataclass(frozen=True)
class Settings:
    """Length and hyperparameters of a training.

    steps:     optimizer steps; the cosine schedule ends with them
    minutes:   the schedule ends after this training time, if that is earlier; 0 = never (only then results
      are repeatable)
    batch:     samples per step, over all processes and accumulated parts
    rates:     first and last learning rate of the cosine schedule (section 4.1)
    warmup:    steps over which the rate rises to the first one
    precision: "no" (fp32), "bf16" or "fp16"
    save, sheet: steps between checkpoints, and between contact sheets of samples; 0 = no sheets
    """

    steps: int
    minutes: float = 0.0
    batch: int = 42
    accumulation: int = 1
    rates: tuple[float, float] = (5e-5, 1e-7)
    warmup: int = 0
    precision: str = "no"
    seed: int = 0
    ema: float = 0.999
    save: int = 500
    sheet: int = 1000

    def rate(self, step: int, progress: float) -> float:
        first, last = self.rates
        cosine = last + (first - last) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        return cosine * min(1.0, (step + 1) / self.warmup) if self.warmup else cosine


class Task(Protocol):
    """A training task.

    name:    of the run's log
    unused:  submodules of the trained ones that are never run
    network: its forward takes the result of `collate` and returns the loss, a mean over samples
    trained: name -> module of `network` with trainable parameters; all others are frozen
    """

    name: str
    network: nn.Module
    trained: Mapping[str, nn.Module]
    unused: Sequence[nn.Module]

    def choose(self, draw: np.random.Generator, count: int) -> Sequence[Any]:
        """Choose `count` samples. Each choice is small: indices and a seed."""

    def collate(self, picks: Sequence[Any]) -> Any:
        """Return the chosen samples, on the CPU."""

    def sheet(self) -> np.ndarray | None:
        """(H, W, 3) uint8 picture of the networks' current results; None = no sheets."""


class Average:
    """Exponential moving average of the trained tensors;
    in the first steps it is close to their plain mean.
    """

    def __init__(self, tensors: Mapping[str, Tensor], decay: float):
        self.decay, self.tensors = decay, {name: t.detach().clone() for name, t in tensors.items()}

    @torch.no_grad()
    def update(self, tensors: Mapping[str, Tensor], step: int) -> None:
        for name, tensor in tensors.items():
            self.tensors[name].lerp_(tensor.detach(), 1 - min(self.decay, (1 + step) / (10 + step)))


def parameters(trained: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Return every trainable parameter, named "module/parameter"."""
    return {
        f"{name}/{key}": p
        for name, module in trained.items()
        for key, p in module.named_parameters()
        if p.requires_grad
    }


@contextmanager
def averaged(learning: Mapping[str, Tensor], average: Average):
    """Context manager: inside it, the networks have their averaged weights."""
    own = {name: p.detach().clone() for name, p in learning.items()}
    with torch.no_grad():
        for name, p in learning.items():
            p.copy_(average.tensors[name])
    try:
        yield
    finally:
        with torch.no_grad():
            for name, p in learning.items():
                p.copy_(own[name])


def fit(task: Task, settings: Settings, folder: Path, run: Mapping[str, Any]) -> None:
    """Train a task to its end, from the checkpoint in `folder` if there is one,
    and leave the averaged weights in the networks.

    run: a checkpoint is resumed only if these values, batch and seed are the same.

    Raises OtherRunError for a checkpoint of another run, SettingError for a batch that cannot be divided
    among the processes, and TrainError if the disk is full or a loss is not finite.
    """
    from accelerate import Accelerator
    from tqdm import tqdm

    accelerator = Accelerator(
        mixed_precision=settings.precision,
        gradient_accumulation_steps=settings.accumulation,
        log_with="tensorboard",
        project_dir=folder,
        cpu=not torch.cuda.is_available(),
    )
    parts = settings.accumulation * accelerator.num_processes
    if settings.batch % parts:
        raise SettingError(
            f"batch is {settings.batch}, which {accelerator.num_processes} processes x {settings.accumulation} "
            f"accumulation steps do not divide. Use a multiple of {parts}.",
            "batch",
            settings.batch,
        )
    task.network.requires_grad_(False)
    for module in task.trained.values():
        module.requires_grad_(True)
    for module in task.unused:
        module.requires_grad_(False)
    learning = parameters(task.trained)
    optimizer = torch.optim.AdamW(learning.values(), lr=settings.rates[0])
    fingerprint = dict(run) | {"task": task.name, "batch": settings.batch, "seed": settings.seed}
    network, optimizer = accelerator.prepare(task.network.train(), optimizer)
    average = Average(learning, settings.ema)
    state = read_checkpoint(folder, fingerprint, accelerator.device)
    first, spent = 0, 0.0
    if state is not None:
        with torch.no_grad():
            for name, p in learning.items():
                p.copy_(state["weights"][name])
        optimizer.load_state_dict(state["optimizer"])
        average.tensors = state["average"]
        if accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(state["scaler"])
        first, spent = state["step"], state["spent"]
    accelerator.init_trackers(task.name)
    begin = time.monotonic() - spent

    def save(step: int) -> None:
        if accelerator.is_main_process:
            scaler = {} if accelerator.scaler is None else accelerator.scaler.state_dict()
            weights = {name: p.detach() for name, p in learning.items()}
            state = {
                "weights": weights,
                "average": average.tensors,
                "optimizer": optimizer.state_dict(),
                "scaler": scaler,
            }
            write_checkpoint(
                folder, state | {"run": fingerprint, "step": step, "spent": time.monotonic() - begin}
            )

    step = first
    bar = tqdm(total=settings.steps, initial=first, desc=task.name, disable=not accelerator.is_main_process)
    with Asked() as asked, bar:
        while step < settings.steps:
            # The main process checks the time and the signals for all processes.
            word = torch.tensor(
                [_progress(step, time.monotonic() - begin, settings), asked.to_stop], dtype=torch.float64
            )
            progress, stop = _from_main(word, accelerator).tolist()
            if stop:
                save(step)
                raise KeyboardInterrupt
            if progress >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = settings.rate(step, progress)
            loss = _step(task, network, optimizer, learning, accelerator, settings, step)
            step += 1
            average.update(learning, step)
            accelerator.log({"loss": loss, "rate": settings.rate(step - 1, progress)}, step=step)
            bar.update()
            bar.set_postfix(loss=f"{loss:.4f}")
            if settings.sheet and step % settings.sheet == 0 and accelerator.is_main_process:
                _show(task, learning, average, folder, step)
            if step % settings.save == 0:
                save(step)
    if step > first:
        save(step)
    accelerator.end_training()
    with torch.no_grad():
        for name, p in learning.items():
            p.copy_(average.tensors[name])
    task.network.eval()


class Asked:
    """Context manager: Ctrl-C and termination requests take effect at the end of
    the step, so checkpoints contain complete steps.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self) -> Asked:
        self.to_stop = False
        self.before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, *_) -> None:
        self.to_stop = True


def _progress(step: int, seconds: float, settings: Settings) -> float:
    return max(step / settings.steps, seconds / 60 / settings.minutes if settings.minutes else 0.0)


def _from_main(value: Tensor, accelerator) -> Tensor:
    from accelerate.utils import broadcast

    return broadcast(value.to(accelerator.device)) if accelerator.num_processes > 1 else value


def _step(task: Task, network, optimizer, learning, accelerator, settings: Settings, step: int) -> float:
    """Do one optimizer step with this process's share of
    the samples; return the mean loss over all samples.
    """
    draw = np.random.Generator(np.random.PCG64([settings.seed, step]))
    picks = task.choose(draw, settings.batch)
    parts = settings.accumulation * accelerator.num_processes
    total = torch.zeros((), device=accelerator.device)
    for part in range(settings.accumulation):
        share = picks[part * accelerator.num_processes + accelerator.process_index :: parts]
        with accelerator.accumulate(network):
            loss = network(to_device(task.collate(share), accelerator.device))
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(list(learning.values()), CLIP_NORM)
            optimizer.step()
            optimizer.zero_grad()
        total += loss.detach() / settings.accumulation
    mean = float(accelerator.reduce(total, "mean"))
    if not math.isfinite(mean):
        raise TrainError(
            f"The loss of step {step + 1} is {mean}: lower the learning rate, or use bf16 in place of fp16."
        )
    return mean


def to_device(value: Any, device: torch.device) -> Any:
    """Move a batch (tensors, and tuples and dataclasses of tensors) to a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(to_device(part, device) for part in value)
    return type(value)(**{name: to_device(part, device) for name, part in vars(value).items()})


def _show(task: Task, learning: Mapping[str, Tensor], average: Average, folder: Path, step: int) -> None:
    from PIL import Image

    task.network.eval()
    with averaged(learning, average), torch.no_grad():
        picture = task.sheet()
    task.network.train()
    if picture is not None:
        (folder / "sheets").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / "sheets" / f"{task.name}_{step:06d}.png")


def described(settings: Settings) -> dict[str, Any]:
    """Return the settings as they are recorded beside a result."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()
    }
