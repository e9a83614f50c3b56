"""The published numbers, on every host that is here (the table of `python run.py bench parity`)."""

from __future__ import annotations

import pytest
import torch

from sk_portrait.bench.parity import cases, compare
from sk_portrait.bench.parity_unet import UNET_CASES
from sk_portrait.testing.golden import FOLDERS, Golden

torch.set_num_threads(2)

GOLDENS = [Golden(folder) for folder in FOLDERS]
GOLDEN = GOLDENS[0]  # its UNet is that of the others too


def hold(case: str, host) -> None:
    table = [row for golden in GOLDENS for row in compare(case, golden, host)]
    assert table and all(row.passed for row in table), [row for row in table if not row.passed]


@pytest.fixture(scope="module")
def comfy_host(comfy):
    from sk_portrait.testing.tiny_comfy import ComfyHost

    return ComfyHost(GOLDEN.unet_weights())


@pytest.fixture(scope="module")
def diffusers_host():
    from sk_portrait.testing.tiny_diffusers import DiffusersHost

    return DiffusersHost(GOLDEN.index["unet"], GOLDEN.unet_weights())


@pytest.mark.comfy
@pytest.mark.parametrize("case", cases("comfy"))
def test_comfyui_gives_the_published_numbers(case, comfy_host):
    hold(case, comfy_host)


@pytest.mark.parametrize("case", UNET_CASES)
def test_the_embedded_host_gives_the_published_numbers(case, diffusers_host):
    hold(case, diffusers_host)
