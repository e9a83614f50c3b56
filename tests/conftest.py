"""Fixtures of all tests: the pack as `sk_portrait`, ComfyUI in this process, and one real server for the whole session."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
# Before torch is imported, here and in the servers that tests start. The operations are small, and the suite
# has a process for each core: a second thread would only take the core of another process.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def _load_pack():
    spec = importlib.util.spec_from_file_location("sk_portrait_run", ROOT / "run.py")
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    return run.load_pack()


_load_pack()

from sk_portrait.host import browser, environment, installation  # noqa: E402
from sk_portrait.testing import cached  # noqa: E402
from sk_portrait.testing.real_faces import ABSENT as NO_FACES  # noqa: E402

COMFY = installation.find()
NO_COMFY, NO_BROWSER = "ComfyUI is absent", "Chromium is absent"
LONG = {
    "train",
    "farm",
    "test_demo",
    "test_paper_templates",
    "test_inductor",
    "test_gpu",
}  # folders and files that train, start Ray or compile
# Compiled files of the checkouts that tests import do not belong into them.
sys.pycache_prefix = sys.pycache_prefix or str(environment.CACHE / "pycache")

# No test judges time: a draw may wait for imports, and the machine may be busy.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser):
    parser.addoption(
        "--golden",
        metavar="DIR",
        help="reference tensors of tests/parity: another folder in the form of tests/golden",
    )


def pytest_configure(config):
    """With --golden, one line per case."""
    if config.getoption("golden"):
        config.option.verbose = max(config.option.verbose, 1)


def pytest_collection_modifyitems(items):
    """Mark tests that use ComfyUI's fixtures `comfy`, and those of LONG `long`; skip what needs an absent program."""
    for item in items:
        if {"comfy", "server"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("comfy")
        if {item.path.stem, item.path.parent.name} & LONG:
            item.add_marker("long")
        if COMFY is None and item.get_closest_marker("comfy"):
            item.add_marker(pytest.mark.skip(reason=NO_COMFY))
        elif browser.find() is None and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=NO_BROWSER))


def pytest_terminal_summary(terminalreporter):
    """One loud line for each thing that was absent."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    remedies = {
        NO_COMFY: "set COMFYUI_PATH",
        NO_BROWSER: "install Chromium, or set SK_PORTRAIT_CHROMIUM",
        NO_FACES: "give pip access to a package registry",
    }
    for reason, remedy in remedies.items():
        if count := sum(reason in report for report in skipped):
            terminalreporter.write_line(
                f"{reason.upper()}: {count} tests were skipped ({remedy} to run them).", red=True, bold=True
            )


@pytest.fixture(scope="session")
def comfy(tmp_path_factory) -> Iterator[Path]:
    """ComfyUI's folder, with its modules importable in this process (`import comfy.sd`) and a base directory of its own."""
    if COMFY is None:
        pytest.skip(NO_COMFY)
    installation.enter(COMFY, tmp_path_factory.mktemp("comfy_base"))
    yield COMFY
    cached.release()


@pytest.fixture(scope="session")
def host(comfy):
    """A tiny SD1.5 with the pack's nodes, in ComfyUI. Nodes clone its MODEL, so tests can share it."""
    from sk_portrait.testing.tiny_motion import MovingHost

    return MovingHost()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One ComfyUI server with this pack, on a free loopback port, for all tests of a session."""
    from sk_portrait.host.server import Server

    if COMFY is None:
        pytest.skip(NO_COMFY)
    with Server(COMFY, tmp_path_factory.mktemp("server_base")) as running:
        yield running
