"""What a window of the clip is given: whose tensors count frames and whose count positions. No host."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import torch

from sk_portrait.unet.clip.windows import Window, cut_conds, publish_window


@dataclass
class Cond:
    """As ComfyUI's CONDRegular."""

    cond: torch.Tensor

    def _copy_with(self, cond: torch.Tensor) -> Cond:
        return Cond(cond)


def numbers(count: int) -> torch.Tensor:
    return torch.arange(float(count))[:, None]


def window(**model_conds) -> dict:
    """The second window of a level of key frames: positions 2 and 3 of 4 are frames 6 and 9 of 12."""
    part = {
        "mask": numbers(12),
        "strength": 1.0,
        "model_conds": {key: Cond(value) for key, value in model_conds.items()},
    }
    (cut,) = cut_conds([part], 4, [2, 3], [6, 9])
    return {key: value.cond.flatten().tolist() for key, value in cut["model_conds"].items()} | {
        "mask": cut["mask"].flatten().tolist()
    }


def test_prompts_and_masks_are_those_of_the_frames():
    assert window(c_crossattn=numbers(12)) == {"c_crossattn": [6, 9], "mask": [6, 9]}


def test_fewer_prompts_than_frames_begin_again_as_in_the_hosts_batches():
    assert window(c_crossattn=numbers(5))["c_crossattn"] == [1, 4]
    assert window(c_crossattn=numbers(4))["c_crossattn"] == [
        2,
        1,
    ]  # as many as positions, and yet they count frames


def test_one_prompt_is_for_all_and_what_the_host_made_counts_positions():
    assert window(c_crossattn=numbers(1), c_concat=numbers(4)) == {
        "c_crossattn": [0],
        "c_concat": [2, 3],
        "mask": [6, 9],
    }


def test_a_window_is_told_where_others_look_and_controls_that_look_there_are_left_alone():
    seen = {}
    theirs = SimpleNamespace(sub_idxs=None)
    ours = SimpleNamespace(previous_controlnet=None, cond_hint_original=numbers(3), cond_hint="old")

    def executor(model, conds, x, timestep, options):
        seen.update(
            options["transformer_options"]["ad_params"], controls=[part["control"] for part in conds[0]]
        )

    options = {"transformer_options": {"context_window": Window([6, 9], 12)}}
    publish_window(
        executor,
        None,
        [[{"control": theirs}, {"control": ours}], None],
        torch.zeros(2, 4, 1, 1),
        torch.zeros(2),
        options,
    )
    assert seen["sub_idxs"] == [6, 9] and seen["full_length"] == 12 and seen["context_length"] == 2
    assert seen["controls"][0] is theirs
    assert seen["controls"][1].cond_hint is None and seen["controls"][
        1
    ].cond_hint_original.flatten().tolist() == [0, 0]
    assert ours.cond_hint == "old"  # the artist's own keeps its picture
