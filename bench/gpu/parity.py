"""Parity on the device: the official outputs in fp32 with TF32 off, in fp16 and in
bf16; and every version compared with the CPU.

fp32 is judged by the largest difference. Half precision is judged by the root mean square over the UNet's
outputs, because its rounding is noise, whose largest value grows with the number of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import comfy.model_management
import torch
from torch import Tensor, nn

from ...sk_attention.checkpoint import Loaded
from ...sk_attention.versions import VERSIONS
from ...testing.cases import clips, modules, unets
from ...testing.compare import relative_error, relative_rms
from ...testing.golden import Golden
from ...testing.tiny_comfy import ComfyHost
from .models import Models, UNetCall
from .results import Section
from .scale import FULL, TINY


class Precision(NamedTuple):
    """error: how a result is compared; limit: the largest allowed error."""

    dtype: torch.dtype
    error: Callable[[Tensor, Tensor], float]
    limit: float


PRECISIONS = {
    "fp32": Precision(torch.float32, relative_error, 1e-5),
    "fp16": Precision(torch.float16, relative_rms, 2e-2),
    "bf16": Precision(torch.bfloat16, relative_rms, 2e-2),
}
SAMPLED = 1e-3  # limit for a sampled clip, in which the errors of the steps add up
FULL_SIZE = modules.SLOW_WITHOUT_COMFY  # networks of full size


class PlacedGolden(Golden):
    """Reference tensors and networks on the device, for cases that compute with single modules."""

    def __init__(self):
        super().__init__()
        self.device = comfy.model_management.get_torch_device()

    def tensors(self, case: str) -> dict[str, Tensor]:
        """See Golden."""
        return {key: tensor.to(self.device) for key, tensor in super().tensors(case).items()}

    def fill(self, network: nn.Module, prefix: str) -> nn.Module:
        """See Golden."""
        return super().fill(network, prefix).to(self.device)

    def loaded(self, *args) -> Loaded:
        """See Golden."""
        found = super().loaded(*args)
        found.module.to(self.device)
        return found


def run(bench, section: Section) -> None:
    """Compare whole UNets first, then every version, single modules and sampled clips."""
    with no_tf32():
        hosts = {name: ComfyHost(Golden().unet_weights(), p.dtype) for name, p in PRECISIONS.items()}
        for version in section.within_budget(VERSIONS):
            with section.attempt(f"{version} against the CPU"):
                _version(section, version)
        for case in section.within_budget(unets.CASES):
            with section.attempt(case):
                _unet(section, case, hosts)
        cases = _cases(bench)
        for case in section.within_budget(cases):
            compute, golden, limit = cases[case]
            with section.attempt(case):
                error = _largest(relative_error(*_pair(one)) for one in compute(golden, hosts["fp32"]))
                title = "Modules and sampled clips against the official outputs, fp32"
                section.row(title, case=case, error=error, limit=limit, passed=error <= limit)


def _cases(bench) -> dict[str, tuple[Callable, Golden, float]]:
    """Return case -> (what computes it, its tensors, its limit).

    A tiny run has no networks of full size and no whole clips.
    """
    placed, whole, limit = PlacedGolden(), bench.scale is FULL, PRECISIONS["fp32"].limit
    cases = {
        case: (compute, placed, limit)
        for case, compute in modules.CASES.items()
        if whole or case not in FULL_SIZE
    }
    return cases | {case: (compute, Golden(), SAMPLED) for case, compute in clips.CASES.items() if whole}


@contextmanager
def no_tf32() -> Iterator[None]:
    """While open, fp32 is computed without TF32 on a GPU."""
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [flag.allow_tf32 for flag in flags]
    try:
        for flag in flags:
            flag.allow_tf32 = False
        yield
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value


@contextmanager
def on_cpu() -> Iterator[None]:
    """While open, ComfyUI computes on the CPU."""
    management = comfy.model_management
    before = management.cpu_state
    management.cpu_state = management.CPUState.CPU
    try:
        yield
    finally:
        management.cpu_state = before


def _unet(section: Section, case: str, hosts: dict[str, ComfyHost]) -> None:
    errors = {}
    for name, (_, error, _) in PRECISIONS.items():
        outputs = unets.CASES[case](Golden(), hosts[name])
        errors[name] = _largest(
            error(*_pair(one)) for one in outputs if name == "fp32" or not one[0].startswith("feature.")
        )
    _judged(section, "Tiny UNets against the official outputs", case, errors)


def _version(section: Section, version: str) -> None:
    """Compare the tiny UNet with reference, drive and motion modules of a version."""
    with on_cpu():
        want = _patched(version, torch.float32)
    errors = {name: p.error(_patched(version, p.dtype), want) for name, p in PRECISIONS.items()}
    _judged(section, "Every version on a tiny UNet against the CPU in fp32", version, errors)


def _judged(section: Section, table: str, case: str, errors: dict[str, float]) -> None:
    passed = all(error <= PRECISIONS[name].limit for name, error in errors.items())
    section.row(table, case=case, **errors, passed=passed)


def _patched(version: str, dtype: torch.dtype) -> Tensor:
    models = Models(TINY, dtype)
    with UNetCall(models.applied(version, TINY.window, True), TINY, TINY.window, True) as call:
        return call().float().cpu()


def _pair(compared: tuple[str, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return our output and its reference."""
    return compared[1].cpu(), compared[2].cpu()


def _largest(errors: Iterable[float]) -> float:
    """Return the largest error; NaN if any is NaN."""
    return max(errors, key=lambda error: (error != error, error))
