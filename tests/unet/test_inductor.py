"""torch.compile with its own compiler: what a patch does to the hidden states between two layers is in the result."""

from __future__ import annotations

import shutil
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sk_portrait.sk_attention.drive import DrivePatch
from sk_portrait.sk_attention.published_files import REFERENCE, find_part
from sk_portrait.sk_attention.reference import Reference, ReferencePatch
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_networks import SIZES
from sk_portrait.testing.tiny_models import CELLS, SCALE, WIDTHS, drive, normal
from sk_portrait.unet.clip.frames import rows_of
from sk_portrait.unet.feature_cache import TargetDevice
from sk_portrait.unet.patches import PatchSet, WeightedPatch

pytestmark = pytest.mark.skipif(
    not shutil.which("g++"), reason="torch.compile needs a C++ compiler, and there is no g++"
)

FRAMES, BOUNDARY = 2, "up_1"


def referring(version: str) -> WeightedPatch:
    adapter = Golden().loaded(f"adapter_{version}", find_part(REFERENCE, version), SIZES[version])
    seen = {s: normal(s, 2, WIDTHS[s], CELLS // SCALE[s], CELLS // SCALE[s]) for s in adapter.module.sites}
    return WeightedPatch(ReferencePatch(Reference(seen, (CELLS, CELLS), adapter)))


def driving() -> WeightedPatch:
    return WeightedPatch(DrivePatch(drive(FRAMES)))


@pytest.mark.parametrize(
    "acting", [driving, partial(referring, "v2"), partial(referring, "v5b")], ids=["drive", "v2", "v5b"]
)
def test_inductor_keeps_what_a_patch_does(acting):
    rows = rows_of({"cond_or_uncond": [0, 1]}, 2 * FRAMES)
    here = TargetDevice(torch.device("cpu"), torch.float32)
    call, width = PatchSet([acting()]).prepare(rows, here, {}), WIDTHS[BOUNDARY]
    upsample = nn.Conv2d(width, width, 3, padding=1)

    def layers(h: torch.Tensor) -> torch.Tensor:
        return F.silu(call.all(BOUNDARY, upsample(h)))

    h = normal("h", 2 * FRAMES, width, CELLS // SCALE[BOUNDARY], CELLS // SCALE[BOUNDARY])
    with torch.no_grad():
        plain, compiled = layers(h), torch.compile(layers)(h)
    assert relative_error(compiled, plain) < 1e-5
