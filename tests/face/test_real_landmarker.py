"""ComfyUI's own landmarker with the networks of the real face_landmarker.task answers as MediaPipe does."""

import numpy as np
import pytest

from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.trackers import sources
from sk_portrait.testing.real_faces import comfy_landmarker, landmarker_models, photograph
from sk_portrait.testing.talking_head import talking_head


@pytest.fixture(scope="module")
def landmarker(comfy):
    return comfy_landmarker()


@pytest.fixture(scope="module")
def tasks():
    pytest.importorskip("mediapipe")
    with sources.open_source("mediapipe-tasks", landmarker_models()) as source:
        yield source


def pictures():
    return [photograph("man"), photograph("man_speaking"), *talking_head()[::40]]


def test_comfyuis_landmarker_agrees_with_mediapipe(landmarker, tasks):
    for picture in pictures():
        (theirs,) = tasks.glance(picture)
        (ours,) = landmarker.detect_batch([picture], num_faces=0, score_thresh=0.5, variant="short")[0]
        apart = np.linalg.norm(ours["landmarks_xy"] - theirs.landmarks[:, :2], axis=1).mean()
        assert apart < 0.002 * np.ptp(theirs.landmarks[:, 0])
        shapes = np.array([ours["blendshapes"][name] for name in ARKIT_51])
        assert np.abs(shapes - theirs.coefficients).mean() < 0.02


def test_both_detectors_are_sure_of_a_real_face(landmarker):
    for variant in ("short", "full"):
        (face,) = landmarker.detect_batch([photograph("man")], 0, 0.5, variant)[0]
        assert face["score"] > 0.7
