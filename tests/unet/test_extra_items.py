"""Rows that are extra items in a UNet call: who else is on the MODEL neither sees nor loses a frame."""

from __future__ import annotations

import pytest
import torch

from sk_portrait.errors import CombinationError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tiny_models import drive, normal
from sk_portrait.unet.hosts import extra_items
from sk_portrait.unet.hosts.comfy_hooks import register_wrappers
from sk_portrait.unet.hosts.extra_items import ExtraItems, Layout


class Visitors:
    """A system that brings so many random pictures into each chunk and does nothing with them."""

    def __init__(self, *extra: int):
        self.extra, self.seen = extra, []

    def __deepcopy__(self, memo):
        return self

    def __call__(self, executor, x, timesteps, context, *others, **options):
        extra = self.extra[: len(others[-1]["cond_or_uncond"])]
        latents = normal("visitors", sum(extra), *x.shape[1:])
        items = ExtraItems(
            extra, latents, timesteps[:1].expand(sum(extra)), context[:1].expand(sum(extra), -1, -1)
        )
        self.seen.append(len(x) + sum(extra))
        return extra_items.run(executor, items, x, timesteps, context, *others, **options)


def with_visitors(model, *extra: int, system: str = "Visitors"):
    model, visitors = model.clone(), Visitors(*extra)
    extra_items.attach(model, visitors, system)
    return model, visitors


def test_rows_split_and_join_chunk_by_chunk():
    layout = Layout(frames=2, extra=(1, 3))
    frames, extra = layout.split(torch.arange(8.0))
    assert frames.tolist() == [0, 1, 3, 4] and extra.tolist() == [2, 5, 6, 7]
    assert layout.join(frames, extra).tolist() == list(range(8))


def test_an_act_on_frames_leaves_the_others_alone():
    options = {extra_items.KEY: Layout(2, (1, 1))}
    assert extra_items.on_frames(lambda h: h + 10, torch.zeros(6), options).tolist() == [10, 10, 0, 10, 10, 0]
    assert extra_items.on_frames(lambda h: h + 10, torch.zeros(2), {}).tolist() == [10, 10]


@pytest.mark.parametrize("extra", [(1, 1), (2, 0)])
def test_rows_that_nobody_attends_to_change_nothing(host, extra):
    """With everything else of the pack on the MODEL: reference, drive, motion."""
    patched = host.move(host.motion("animatediff"), length=0, model=host.apply(host.reference(), drive(3)))
    model, visitors = with_visitors(patched, *extra)
    got, want = host.sample(model), host.sample(patched)
    assert visitors.seen == [8, 8]
    assert torch.allclose(got, want, rtol=0, atol=1e-5 * float(want.abs().max()))


def test_the_host_makes_room_for_them_and_for_no_more_than_a_window(host, monkeypatch):
    """The shape that ComfyUI estimates its memory with, before sampling."""
    import comfy.sampler_helpers

    asked, estimate = [], comfy.sampler_helpers.estimate_memory

    def listening(model, shape, conds):
        asked.append(shape[0])
        return estimate(model, shape, conds)

    monkeypatch.setattr(comfy.sampler_helpers, "estimate_memory", listening)
    model, _ = with_visitors(host.model, 1, 1)
    register_wrappers(model)
    for patched in (
        model,
        host.move(host.still_motion(), 4, 1, model=model),
        host.move(host.still_motion(), 4, 1),
    ):
        host.sample(patched, cells=8, frames=6, steps=1)
    assert asked == [7, 5, 4]


def test_controlnets_do_not_act_on_them():
    seen = {}

    def executor(x, timesteps, context, y, control, options):
        seen.update(control)
        return x

    items = ExtraItems((1, 1), torch.zeros(2, 4, 2, 2), torch.zeros(2), torch.zeros(2, 7, 64))
    control = {"input": [torch.ones(4, 1, 1, 1), None, torch.ones(1, 1, 1, 1)]}
    extra_items.run(
        executor, items, torch.ones(4, 4, 2, 2), torch.ones(4), torch.ones(4, 7, 64), None, control, {}
    )
    first, none, broadcast = seen["input"]
    assert none is None and first.flatten().tolist() == broadcast.flatten().tolist() == [1, 1, 0, 1, 1, 0]
    assert len(control["input"]) == 3


def test_two_systems_with_rows_of_their_own_are_refused(host):
    model, _ = with_visitors(host.model, 1, 1, system="X-Dyna")
    with raises(CombinationError, other="X-Dyna"):
        with_visitors(model, 1, 1, system="Anchor")
    assert extra_items.system_of(host.model) is None
