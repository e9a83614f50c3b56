"""MediaPipe's own FaceMesh, for the tests of real faces."""

from __future__ import annotations

import pytest

from sk_portrait.face_tools.trackers import sources
from sk_portrait.face_tools.trackers.sources import ModelFiles


@pytest.fixture(scope="module")
def mesh():
    pytest.importorskip(
        "mediapipe.python.solutions.face_mesh", reason="the built-in FaceMesh needs mediapipe 0.10.21"
    )
    with sources.open_source("mediapipe-mesh", ModelFiles()) as source:
        yield source
