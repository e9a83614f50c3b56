"""Which row is which frame: one answer for plain batches, split guidance, ComfyUI's windows and AnimateDiff-Evolved's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sk_portrait.testing.raised import raises
from sk_portrait.unet.clip.fit import View
from sk_portrait.unet.clip.frames import (
    COND,
    UNCOND,
    CallError,
    FrameCountError,
    GuiderError,
    ViewError,
    rows_of,
)
from sk_portrait.unet.clip.run import KEY, Area, Condition, Run


def test_a_plain_batch_counts_from_zero_in_every_branch():
    rows = rows_of({"cond_or_uncond": [UNCOND, COND]}, 6)
    assert rows.sides == (UNCOND,) * 3 + (COND,) * 3
    assert rows.frames == (0, 1, 2) * 2 and rows.clip == 3 and rows.chunk == 3


def test_branches_may_come_alone_or_more_than_once():
    assert rows_of({"cond_or_uncond": [COND]}, 4).sides == (COND,) * 4
    assert rows_of({"cond_or_uncond": [COND, COND, UNCOND]}, 6).chunks == (COND, COND, UNCOND)


def test_a_window_of_the_host_tells_its_absolute_frames():
    window = SimpleNamespace(index_list=[8, 9, 10], total_frames=20)
    rows = rows_of({"cond_or_uncond": [COND, UNCOND], "context_window": window}, 6)
    assert rows.frames == (8, 9, 10) * 2 and rows.window == (8, 9, 10) and rows.clip == 20


def test_a_window_with_an_anchor_frame_has_it_first():
    window = SimpleNamespace(index_list=[8, 9], total_frames=20, causal_anchor_index=7)
    assert rows_of({"context_window": window}, 3).frames == (7, 8, 9)


def test_the_windows_of_animatediff_evolved():
    rows = rows_of({"cond_or_uncond": [COND], "ad_params": {"sub_idxs": [4, 5], "full_length": 9}}, 2)
    assert rows.frames == (4, 5) and rows.clip == 9
    assert rows_of(
        {"cond_or_uncond": [COND], "ad_params": {"sub_idxs": None, "full_length": 2}}, 2
    ).frames == (0, 1)


def test_an_old_host_does_not_tell_the_length_of_the_clip():
    rows = rows_of({"context_window": SimpleNamespace(index_list=[8, 9])}, 2)
    rows.require_clip(12, "drive")
    with raises(FrameCountError, what="drive", frames=9, expected=10):
        rows.require_clip(9, "drive")


def test_a_clip_is_never_repeated_silently():
    rows = rows_of({"cond_or_uncond": [COND]}, 4)
    with raises(FrameCountError, what="drive", frames=1, expected=4):
        rows.require_clip(1, "drive")


def test_a_batch_that_cannot_be_divided():
    with raises(CallError, batch=5, parts=2):
        rows_of({"cond_or_uncond": [COND, UNCOND]}, 5)


def in_run(**names: str) -> dict:
    """transformer_options of a call inside a run whose conditions have these ids and names."""
    return {
        KEY: Run({id: Condition(name) for id, name in names.items()}, (8, 8), float),
        "uuids": list(names),
    }


def test_inside_a_run_a_condition_is_known_by_its_id_not_by_its_number():
    assert rows_of(in_run(b="negative") | {"cond_or_uncond": [0]}, 2).sides == (UNCOND,) * 2
    assert rows_of(in_run(b="negative", a="positive") | {"cond_or_uncond": [1, 0]}, 2).sides == (UNCOND, COND)


def test_guiders_of_three_conditions():
    assert rows_of(in_run(a="positive", b="middle", c="negative"), 3).sides == (COND, COND, UNCOND)
    assert rows_of(in_run(a="positive", b="negative", c="empty_negative_prompt"), 3).sides == (
        COND,
        UNCOND,
        UNCOND,
    )


def test_a_side_is_never_guessed():
    with raises(GuiderError, prompt="style"):
        rows_of(in_run(a="style"), 1)
    with pytest.raises(GuiderError, match="a prompt that its guider does not know"):
        rows_of(in_run(a="positive") | {"uuids": ["other"]}, 1)
    with pytest.raises(GuiderError, match="without `uuids`"):
        rows_of(in_run(a="positive") | {"uuids": None}, 1)
    with pytest.raises(GuiderError, match="This call holds 3 conditions"):
        rows_of({"cond_or_uncond": [0, 1, 2]}, 3)


def test_each_chunk_says_which_part_of_the_picture_it_shows():
    run = Run(
        {"a": Condition("positive", Area(4, 8, 4, 0)), "b": Condition("negative", Area(4, 8, 0, 0))},
        (8, 8),
        float,
    )
    rows = rows_of({KEY: run, "uuids": ["a", "b"]}, 2, (4, 8))
    assert rows.views == (View((8, 8), Area(4, 8, 4, 0)), View((8, 8), Area(4, 8, 0, 0)))
    with raises(ViewError, shown=(3, 2), expected=(4, 8)):
        rows_of({KEY: run, "uuids": ["a", "b"]}, 2, (3, 2))


def test_a_window_of_another_size_than_the_batch():
    with raises(FrameCountError, frames=3, expected=2):
        rows_of({"context_window": SimpleNamespace(index_list=[1, 2, 3], total_frames=9)}, 2)
