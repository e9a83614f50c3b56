"""Windows and key-frame trees: what holds for every length of clip, and the published layouts where the official code works."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_portrait.errors import SettingError
from sk_portrait.unet.clip.keyframes import batches, key_frame_levels, published_padding, weights, windows

LENGTHS = [1, 2, 11, 12, 13, 23, 34, 45, 100, 150, 1000]
layouts = st.integers(1, 48).flatmap(
    lambda length: st.tuples(st.integers(1, 400), st.just(length), st.integers(0, length - 1))
)


@given(layouts)
def test_windows_cover_every_frame_and_none_is_short(layout):
    n, length, overlap = layout
    result = windows(n, length, overlap)
    assert {p for window in result for p in window} == set(range(n))
    assert all(len(window) == min(length, n) for window in result)
    assert all(a[0] < b[0] and len(set(a) & set(b)) >= overlap for a, b in pairwise(result))


def test_the_overlap_is_spread_evenly_over_no_more_windows():
    assert windows(21, 12, 4) == (range(0, 12), range(4, 16), range(9, 21))
    assert len(windows(100, 12, 4)) == 12 and windows(20, 12, 4) == (range(0, 12), range(8, 20))


@given(layouts, st.booleans())
def test_weights_of_each_frame_sum_to_one(layout, smooth):
    n, length, overlap = layout
    result = windows(n, length, overlap)
    total = [0.0] * n
    for window, shares in zip(result, weights(result, smooth), strict=True):
        for position, share in zip(window, shares, strict=True):
            assert share > 0
            total[position] += share
    assert all(math.isclose(value, 1, rel_tol=1e-12) for value in total)


def test_smooth_weights_fade_over_the_overlap_and_flat_ones_do_not():
    layout = windows(20, 12, 4)
    assert weights(layout, smooth=False)[0][6:] == (1, 1, 0.5, 0.5, 0.5, 0.5)
    assert weights(layout, smooth=True)[0][6:] == (1, 1, 0.8, 0.6, 0.4, 0.2)
    assert weights(layout, smooth=True)[1][:6] == (0.2, 0.4, 0.6, 0.8, 1, 1)


@given(st.integers(1, 400), st.integers(1, 48))
def test_batches_hold_each_frame_once(n, size):
    assert [p for batch in batches(n, size) for p in batch] == list(range(n))
    assert all(len(batch) <= size for batch in batches(n, size))


@given(st.integers(1, 3000), st.integers(4, 48), st.booleans(), st.booleans())
def test_a_tree_covers_the_clip_and_its_depth_grows_with_the_logarithm(n, length, margins, published):
    levels = key_frame_levels(n, length, margins, published)
    assert levels[-1].frames == tuple(range(n))
    assert len(levels) <= 3 + math.log(n) / math.log(math.sqrt(length - 1))
    for deeper, level in pairwise(levels):
        assert level.ends == deeper.frames
        assert len(deeper.frames) < len(level.frames) or len(level.frames) <= 2
    for level in levels:
        assert {p for window in level.windows for p in window} == set(range(len(level.frames)))
        assert len(level.noise) == len(level.frames)
        if not published:
            sizes = [len(window) for window in level.windows]
            assert max(sizes) <= length and max(sizes) - min(sizes) <= 1
            assert (
                sum(sizes) == len(level.frames) + len(sizes) - 1
            )  # the shared frames alone are computed twice
    assert len(levels[1 if margins else 0].windows) == 1
    assert [level.moves for level in levels] == [not margins] + [True] * (len(levels) - 1)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("n", LENGTHS)
def test_every_length_has_a_tree(n, published):
    assert key_frame_levels(n, 12, True, published)[-1].frames == tuple(range(n))


def test_the_published_second_stage_of_20_frames():
    padding = published_padding(20, 12, 4)
    assert padding.windows == (range(0, 12), range(8, 20), range(16, 28))
    assert padding.latents == (*range(20), *[18] * 8)
    assert padding.drive == (*range(20), *[19] * 8)


@given(st.integers(1, 400), st.integers(2, 32), st.integers(0, 40))
def test_published_padding_fills_its_last_window(n, length, overlap):
    padding = published_padding(n, length, overlap)
    assert padding.windows[-1][-1] + 1 == len(padding.latents) == len(padding.drive) > n or n < overlap
    assert all(len(window) == length for window in padding.windows)
    assert {p for window in padding.windows for p in window} == set(range(len(padding.drive)))


def test_the_published_trees_of_20_and_27_frames():
    deep, clip = key_frame_levels(20, 12, published=True)
    assert clip.windows == (range(0, 12), range(11, 20)) and deep.frames == (0, 11, 19)
    margins = key_frame_levels(20, 12, margins=True, published=True)[0]
    assert margins.frames == (0, 19) and margins.noise == (0, 0) and not margins.moves
    deep, clip = key_frame_levels(27, 12, published=True)
    assert clip.windows == (range(0, 12), range(11, 23), range(22, 27)) and deep.frames == (0, 11, 22, 26)


def test_the_published_level_sizes_of_150_frames():
    assert [len(level.frames) for level in key_frame_levels(150, 12, published=True)] == [3, 15, 150]


def test_the_windows_of_our_tree_are_equally_long():
    deep, clip = key_frame_levels(20, 12)
    assert clip.windows == (range(0, 10), range(9, 20)) and deep.frames == (0, 9, 19)


@pytest.mark.parametrize(
    "call",
    [
        lambda: windows(0, 12, 4),
        lambda: windows(5, 0, 0),
        lambda: windows(5, 12, 12),
        lambda: windows(5, 12, -1),
        lambda: key_frame_levels(5, 3),
        lambda: batches(5, 0),
    ],
)
def test_impossible_layouts_are_named(call):
    with pytest.raises(SettingError, match=r"\d"):
        call()
