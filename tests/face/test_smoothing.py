"""The published landmark smoothing, golden, and without its NaN."""

from pathlib import Path

import numpy as np
import pytest

from sk_portrait.face_tools.trackers.one_euro import (
    FAST_MOTION,
    GROUPS,
    POINTS,
    LandmarkSmoother,
    filter_rate,
)

GOLDEN = Path(__file__).parent.parent / "golden/face/smoother.npz"


def test_smoothing_is_the_published_one():
    golden = np.load(GOLDEN)
    smooth = LandmarkSmoother()
    got = np.stack([smooth(points, float(golden["face_dis"])) for points in golden["seq"]])
    np.testing.assert_allclose(got, golden["out"], atol=1e-4)


def test_the_groups_share_out_the_222_points():
    assert sorted(i for group in GROUPS.values() for i in range(POINTS)[group.points]) == list(range(POINTS))


def test_repeated_frames_stay_finite_and_still():
    points = np.load(GOLDEN)["seq"][0]
    smooth = LandmarkSmoother()
    for _ in range(3):
        np.testing.assert_array_equal(smooth(points, 180.0), points)
    moved = smooth(points + 30, 180.0)
    assert np.isfinite(moved).all() and (moved > points).all()


def test_a_still_mouth_does_not_hold_back_the_eyes():
    points = np.load(GOLDEN)["seq"][0]
    smooth = LandmarkSmoother()
    smooth(points, 180.0)
    next_points = points.copy()
    next_points[74:118] += 10
    got = smooth(next_points, 180.0)
    np.testing.assert_array_equal(got[118:182], points[118:182])
    assert (got[74:118] > points[74:118]).all()


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_the_rate_grows_with_motion_and_has_no_jump(group):
    motion = np.linspace(0, 0.03, 400)
    rates = np.array([filter_rate(group, m) for m in motion])
    assert rates[0] == 0 and rates[-1] == group.fast == filter_rate(group, FAST_MOTION)
    assert (np.diff(rates) >= 0).all() and np.diff(rates).max() < 0.01
