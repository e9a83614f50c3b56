"""Parity with the official implementations: one test per output of a case, UNet class and folder of reference tensors.

A test file lists its cases: `CASES` (name -> function that computes the outputs), `OUTPUTS` (name -> names of the outputs, as a list
or as a pattern of keys in the case's file; by default `y...`), `COMFY_ONLY` (cases that need ComfyUI's samplers or hooks), and
`SLOW_WITHOUT_COMFY` (full-size networks, which the default run computes with ComfyUI's layers only).
Cases without an official implementation are compared with the formula of their paper and marked `formula`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from safetensors import safe_open

from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.golden import FOLDERS, Golden
from sk_portrait.testing.golden_networks import unet_on

HOSTS = ("comfy", "diffusers")
# Beginning of a case's name -> largest relative error; the longest match counts (tests/golden-other/README.md).
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


class Case(NamedTuple):
    """A case on one UNet class (`comfy` or `diffusers`), and the names of its outputs."""

    golden: Golden
    host: str
    name: str
    names: tuple[str, ...]
    compute: Callable


class Row(NamedTuple):
    error: float
    tolerance: float


def file_of(case: str) -> str:
    """File of a case; a case with motion modules is part of its UNet's file."""
    return case.removesuffix(" moving")


def outputs(golden: Golden, case: str, wanted: str | list[str]) -> list[str]:
    """Names of a case's outputs in this folder."""
    if isinstance(wanted, list):
        return wanted
    with safe_open(golden.folder / f"{file_of(case)}.safetensors", "pt") as file:
        return [key for key in file.keys() if re.fullmatch(wanted, key)]  # noqa: SIM118  (no dictionary)


def parameters(module, golden: Golden) -> Iterator:
    """A parameter per output of a test file's cases."""
    comfy_only = getattr(module, "COMFY_ONLY", ())
    for host in HOSTS:
        for case, compute in module.CASES.items():
            if not golden.has(file_of(case)) or (host != "comfy" and case in comfy_only):
                continue
            marks = [pytest.mark.comfy] * (host == "comfy")
            marks += [pytest.mark.slow] * (
                host != "comfy" and case in getattr(module, "SLOW_WITHOUT_COMFY", ())
            )
            names = tuple(outputs(golden, case, module.OUTPUTS.get(case, r"y.*")))
            for name in names:
                label = f"{host}-{case}-{name}{golden.label(file_of(case))}"
                yield pytest.param((Case(golden, host, case, names, compute), name), marks=marks, id=label)


@functools.cache
def goldens(folder: str | None) -> list[Golden]:
    return [Golden(one) for one in ([folder] if folder else FOLDERS)]


def pytest_generate_tests(metafunc):
    if "row" in metafunc.fixturenames:
        folders = goldens(metafunc.config.getoption("golden"))
        metafunc.parametrize(
            "row", [one for golden in folders for one in parameters(metafunc.module, golden)], indirect=True
        )


def pytest_report_teststatus(report):
    """With -v or --golden: error and tolerance beside the result of each case."""
    measured = dict(report.user_properties).get("error")
    if report.when == "call" and measured:
        return report.outcome, "." if report.passed else "F", f"{report.outcome.upper()} {measured}"
    return None


@pytest.fixture(scope="session")
def errors(request) -> Callable[[Case], dict[str, float]]:
    """Errors of all outputs of a case, computed once."""

    @functools.cache
    def unet(host: str, golden: Golden):
        if host == "comfy":
            request.getfixturevalue("comfy")
        return unet_on(host, golden)

    @functools.cache
    def of(case: Case) -> dict[str, float]:
        computed = case.compute(case.golden, unet(case.host, case.golden))
        found = {name: relative_error(got, want) for name, got, want in computed}
        assert found.keys() == set(case.names)
        return found

    return of


@pytest.fixture
def row(request, errors, record_property) -> Row:
    """Error and tolerance of the output that the test is parametrised with."""
    case, name = request.param
    tolerance = TOLERANCES[max((start for start in TOLERANCES if case.name.startswith(start)), key=len)]
    error = errors(case)[name]
    record_property("error", f"{error:.1e} of {tolerance:g}")
    return Row(error, tolerance)
