"""Compatibility with other nodes, packs and launch flags: each test compares with a result computed in another way.

Test files of this folder import ComfyUI at their top, so it is entered before they are collected; without ComfyUI they are ignored.
"""

from __future__ import annotations

import tempfile

import pytest

from sk_portrait.host import installation

COMFY = installation.find()
collect_ignore_glob = [] if COMFY else ["test_*.py"]
if COMFY:
    installation.enter(COMFY, tempfile.mkdtemp(prefix="comfy_base"))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "compat":
            item.add_marker("comfy")


@pytest.fixture(scope="session")
def lab(comfy):
    """The tiny MODEL with a clip, shared by all tests: what it samples is computed once."""
    from sk_portrait.testing.compat.lab import Lab

    return Lab()
