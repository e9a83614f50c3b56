"""Parity with the published modules: one row a case, the largest error relative to the largest value.

python run.py bench parity [--golden DIR] [--host comfy|diffusers] [--only TEXT]

A case that no published code exists for is compared with the formula of its paper, and says so.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..host.installation import enter, find
from ..testing.golden import FOLDERS, Golden
from .parity_free import FREE_CASES
from .parity_modules import MODULE_CASES
from .parity_motion import MOTION_CASES
from .parity_unet import UNET_CASES
from .parity_video import VIDEO_CASES
from .parity_wplus import WPLUS_CASES, WPLUS_UNET_CASES
from .parity_xdyna import XDYNA_CASES
from .parity_xdyna_sample import XDYNA_SAMPLE_CASES
from .parity_xdyna_unet import XDYNA_UNET_CASES

# How the name of a case begins -> largest error allowed; the longest beginning counts (tests/golden-other/README.md).
TOLERANCES = {
    "": 1e-4,
    "video": 1e-3,
    "wplus": 1e-5,
    "wplus_sample": 5e-5,
    "free": 1e-5,
    "free_denoise": 5e-5,
    "xdyna": 1e-5,
    "xdyna_hint": 1e-6,
    "xdyna_schedule": 1e-6,
    "xdyna_sample": 5e-5,
    "xdyna_face": 0,
    "xdyna_crop": 0,
    "xdyna_windows": 0,
}


class Row(NamedTuple):
    case: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance


def error_of(got: Tensor, want: Tensor) -> float:
    """Largest error relative to the largest value; infinite where the shapes differ or a value is no number."""
    if got.shape != want.shape or not torch.isfinite(got).all():
        return float("inf")
    return ((got.float() - want).abs().max() / want.abs().max()).item()


def file_of(case: str) -> str:
    """The golden file of a case; the cases with motion lie in the file of the UNet that moves."""
    return case.removesuffix(" moving")


def cases(host: str) -> dict[str, Callable]:
    """Every case of a host; whole clips need ComfyUI's own samplers, acts inside attentions its hooks."""
    everywhere = MODULE_CASES | UNET_CASES | MOTION_CASES | WPLUS_CASES | XDYNA_CASES
    acting = VIDEO_CASES | WPLUS_UNET_CASES | FREE_CASES | XDYNA_UNET_CASES | XDYNA_SAMPLE_CASES
    return everywhere | (acting if host == "comfy" else {})


def tolerance_of(case: str) -> float:
    return TOLERANCES[max((start for start in TOLERANCES if case.startswith(start)), key=len)]


def compare(case: str, golden: Golden, host) -> Iterator[Row]:
    """The rows of one case; none where its golden tensors are not in the folder."""
    if golden.has(file_of(case)):
        for name, got, want in cases(host.name)[case](golden, host):
            yield Row(f"{case} {name}{golden.label(file_of(case))}", error_of(got, want), tolerance_of(case))


def open_host(name: str, golden: Golden):
    """The narrow UNet on ComfyUI or on the embedded host; by default ComfyUI where it can be found."""
    comfy = None if name == "diffusers" else find()
    if name == "comfy" and comfy is None:
        raise SystemExit("--host comfy needs ComfyUI, which was not found; COMFYUI_PATH names its folder.")
    if comfy:
        enter(comfy, tempfile.mkdtemp())
        from ..testing.tiny_comfy import ComfyHost

        return ComfyHost(golden.unet_weights())
    from ..testing.tiny_diffusers import DiffusersHost

    return DiffusersHost(golden.index["unet"], golden.unet_weights())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py bench parity", description=__doc__)
    parser.add_argument("--golden", help="one folder of golden tensors (another salt, the same rule) instead of the pack's own")
    parser.add_argument("--host", choices=("auto", "comfy", "diffusers"), default="auto")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args(argv)
    failed = count = 0
    for folder in [options.golden] if options.golden else FOLDERS:
        golden = Golden(folder)
        host = open_host(options.host, golden)
        print(f"parity on {host.name}, {golden.folder}")
        for case in cases(host.name):
            for row in compare(case, golden, host) if options.only in case else ():
                count += 1
                failed += not row.passed
                print(f"{row.case:56} {row.error:9.2e} of {row.tolerance:g}  {'pass' if row.passed else 'FAIL'}", flush=True)
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed or not count else 0
