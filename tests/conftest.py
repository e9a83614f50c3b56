"""Fixtures of all tests: the pack as `sk_portrait`, ComfyUI in this process, and one real server for the whole session."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _load_pack():
    spec = importlib.util.spec_from_file_location("sk_portrait_run", ROOT / "run.py")
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    return run.load_pack()


_load_pack()

from sk_portrait.demo import environment, host  # noqa: E402

COMFY = host.find()
# Compiled files of the checkouts that tests import do not belong into them.
sys.pycache_prefix = sys.pycache_prefix or str(environment.CACHE / "pycache")


def pytest_collection_modifyitems(items):
    """A test that asks for a host fixture is a `comfy` test; all of them are skipped where there is no ComfyUI."""
    for item in items:
        if {"comfy", "server"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("comfy")
        if COMFY is None and item.get_closest_marker("comfy"):
            item.add_marker(pytest.mark.skip(reason="ComfyUI is absent"))


def pytest_terminal_summary(terminalreporter):
    if COMFY is None:
        count = sum("ComfyUI is absent" in str(report.longrepr) for report in terminalreporter.stats.get("skipped", ()))
        terminalreporter.write_line(
            f"COMFYUI IS ABSENT: {count} tests that need it were skipped (set COMFYUI_PATH to run them).", red=True, bold=True
        )


@pytest.fixture(scope="session")
def comfy(tmp_path_factory) -> Path:
    """ComfyUI's folder, with its modules importable in this process (`import comfy.sd`) and a base directory of its own."""
    if COMFY is None:
        pytest.skip("ComfyUI is absent")
    host.enter(COMFY, tmp_path_factory.mktemp("comfy_base"))
    return COMFY


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One ComfyUI server with this pack, on a free loopback port, for all tests of a session."""
    from sk_portrait.demo.server import Server

    if COMFY is None:
        pytest.skip("ComfyUI is absent")
    with Server(COMFY, tmp_path_factory.mktemp("server_base")) as running:
        yield running
