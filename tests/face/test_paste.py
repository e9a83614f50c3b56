"""A crop goes back to where it came from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_portrait.face_tools.pictures.crop import Crop
from sk_portrait.face_tools.pictures.paste import feathered_square, paste_back, window_mask
from sk_portrait.face_tools.track_errors import FrameSizeError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.talking_head import talking_head

ROUND_TRIP = 2 / 255


def pasted(frame: np.ndarray, *arguments) -> np.ndarray:
    """A copy of the frame that was pasted into."""
    result = frame.copy()
    crop = arguments[1]
    paste_back(crop.window(result), *arguments)
    return result


def real_frame() -> np.ndarray:
    return talking_head()[119].astype(np.float32) / 255


def test_an_untouched_crop_of_the_real_clip_goes_back_exactly():
    frame = real_frame()
    crop = Crop(24, 0, 117, 512, (192, 144))
    back = pasted(frame, crop.cut(frame), crop, window_mask(crop, 0.1, None))
    weight = np.zeros(frame.shape[:2])
    weight[:117, 24:141] = feathered_square(crop, 0.1)
    assert np.array_equal(back[weight == 0], frame[weight == 0])
    assert np.abs(back - frame).max() < ROUND_TRIP


@settings(max_examples=20)
@given(st.integers(16, 90), st.floats(1.0, 6.0), st.integers(0, 2**32 - 1))
def test_any_magnified_crop_goes_back(side, magnification, seed):
    """Even of noise, in a range that bicubic overshoot does not leave."""
    frame = 0.3 + 0.4 * np.random.default_rng(seed).random((96, 96, 3), np.float32)
    crop = Crop(3, 4, side, round(side * magnification), (96, 96))
    assert np.abs(crop.restore(crop.cut(frame)) - frame[4 : 4 + side, 3 : 3 + side]).max() < ROUND_TRIP


def test_a_crop_that_was_shrunk_goes_back_as_well_as_its_pixels_allow():
    frame = np.zeros((600, 600, 3), np.float32)
    frame[:, :] = np.linspace(0, 1, 600, dtype=np.float32)[:, None]
    crop = Crop(10, 20, 560, 256, (600, 600))
    back = pasted(frame, crop.cut(frame), crop, window_mask(crop, 0.1, None))
    assert np.abs(back - frame).max() < ROUND_TRIP


def test_a_mask_limits_what_is_pasted():
    frame = np.zeros((100, 100, 3), np.float32)
    crop = Crop(10, 10, 80, 160, (100, 100))
    mask = np.zeros((160, 160), np.float32)
    mask[:, :80] = 1
    back = pasted(frame, np.ones((160, 160, 3), np.float32), crop, window_mask(crop, 0.0, mask))
    assert back[50, 20, 0] == pytest.approx(1) and back[50, 80, 0] == 0 and back[5, 5, 0] == 0


def test_colour_match_is_off_by_default_and_takes_mean_and_spread():
    frame = real_frame()
    crop = Crop(24, 0, 117, 234, (192, 144))
    weight = window_mask(crop, 0.0, None)
    tinted = np.clip(crop.cut(frame) * np.float32([0.5, 0.8, 0.9]) + 0.1, 0, 1)
    window = frame[:117, 24:141]
    plain = pasted(frame, tinted, crop, weight)[:117, 24:141]
    matched = pasted(frame, tinted, crop, weight, 1.0)[:117, 24:141]
    assert np.abs(plain - window).mean() > 0.05
    assert (
        np.abs(matched.mean((0, 1)) - window.mean((0, 1))).max() < 0.02
        and np.abs(matched - window).mean() < 0.02
    )


def test_sizes_that_do_not_fit_are_named():
    crop = Crop(0, 0, 50, 100, (60, 60))
    with raises(FrameSizeError, size=(80, 70), expected=(60, 60)):
        crop.cut(np.zeros((70, 80, 3), np.float32))
    with raises(FrameSizeError, size=(120, 100), expected=(100, 100)):
        crop.restore(np.zeros((100, 120, 3), np.float32))
