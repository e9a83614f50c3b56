"""What a UNet call of a patched MODEL costs beside arithmetic: nothing crosses the bus twice, nobody waits, nothing is compiled again."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from sk_portrait.sk_attention.drive import Drive
from sk_portrait.testing.call_costs import Costs, Peak
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.tiny_models import drive
from sk_portrait.testing.tiny_motion import shared_noise
from sk_portrait.unet.feature_cache import FeatureCache, TargetDevice, consecutive, evenly
from sk_portrait.unet.hosts.comfy_hooks import bound

FRAMES, WINDOW, OVERLAP, WINDOWS, STEPS = 8, 4, 2, 3, 2


def clip(frames: int, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    return {
        "a": torch.arange(frames * 2, dtype=dtype).reshape(frames, 2),
        "b": torch.rand(frames, 3).to(dtype),
    }


HERE = TargetDevice(torch.device("cpu"), torch.float32)
WINDOWS_OF_A_STEP = [(0, 1, 2, 3), (2, 3, 4, 5), (4, 5, 6, 7), (0, 2, 4, 6), (5, 1, 0)]


@pytest.mark.parametrize("free_vram", [1e9, 0.0], ids=["fits", "does not fit"])
def test_a_resident_clip_gives_every_window_its_frames(free_vram):
    features = clip(8)
    cache = FeatureCache(features)
    for _ in range(2):
        for window in WINDOWS_OF_A_STEP:
            there = cache.at(window, HERE._replace(free_vram=lambda: free_vram))
            assert all(torch.equal(there[name], features[name][list(window)].float()) for name in features)


def test_each_frame_is_brought_once_a_run_and_views_are_no_copies():
    features = clip(8)
    cache = FeatureCache(features)
    with Costs() as costs:
        for window in WINDOWS_OF_A_STEP[:4] * 3:
            cache.at(window, HERE)
    assert costs.count == {"brought": sum(tensor.numel() * 4 for tensor in features.values())}
    cache.release()
    with Costs() as costs:
        cache.at((3,), HERE)
    assert costs.count["brought"] == sum(tensor[3].numel() * 4 for tensor in features.values())


def test_a_clip_that_does_not_fit_comes_one_window_ahead():
    cache = FeatureCache(clip(8))
    nowhere = HERE._replace(free_vram=lambda: 0)
    for window in WINDOWS_OF_A_STEP[:3]:
        cache.at(window, nowhere)
    first = cache.at(WINDOWS_OF_A_STEP[0], nowhere)
    with Costs() as costs:  # on its way since the call before
        again = cache.at(WINDOWS_OF_A_STEP[0], nowhere)
    assert not costs.count and all(again[name] is first[name] for name in first)
    (source,) = cache._sources.values()
    assert set(source.coming) == {WINDOWS_OF_A_STEP[1]}


def test_frames_are_slices_where_they_can_be():
    assert (
        evenly((4, 5, 6)) == slice(4, 7, 1)
        and evenly((0, 11, 22)) == slice(0, 23, 11)
        and evenly((7,)) == slice(7, 8, 1)
    )
    assert evenly((0, 1, 3)) is None and evenly((3, 2, 1)) is None and evenly((2, 2)) is None
    assert consecutive([0, 1, 2, 5, 7, 8]) == [slice(0, 3), slice(5, 6), slice(7, 9)]


@pytest.fixture(scope="module")
def far_drive() -> Drive:
    """Kept in another dtype than the UNet's, so that using it copies as many bytes as crossing a bus would."""
    near = drive(FRAMES)
    return Drive(
        {s: f.double() for s, f in near.features.items()},
        {s: f.double() for s, f in near.null.items()},
        near.versions,
    )


@pytest.fixture(scope="module")
def moved(host, far_drive):
    model = host.apply(host.reference("v2"), far_drive)
    return host.move(host.motion("animatediff"), WINDOW, OVERLAP, model=model)


@pytest.fixture(scope="module")
def bare(host):
    """The plain MODEL, in the same windows."""
    from sk_portrait.nodes.hellomeme.motion import clip_plan
    from sk_portrait.nodes.windows import see_in_windows

    model = host.model.clone()
    see_in_windows(model, lambda n, step: clip_plan(n, WINDOW, OVERLAP, True), WINDOW)
    return model


def calls_under(measure: type, host, model, monkeypatch) -> list:
    """A measure of every UNet call of a sampling run, with ComfyUI's own part."""
    calls, apply = [], host.model.model.apply_model

    def counted(*args, **kwargs):
        with measure() as measured:
            result = apply(*args, **kwargs)
        calls.append(measured)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(host.model.model, "apply_model", counted)
        host.sample(model, noise=shared_noise(FRAMES), steps=STEPS)
    return calls


def costs_of_calls(*host_model_monkeypatch) -> list[Counter]:
    return [costs.count for costs in calls_under(Costs, *host_model_monkeypatch)]


def test_our_modules_need_no_more_memory_at_a_time_than_the_unets_own_layers(host, bare, moved, monkeypatch):
    """So ComfyUI's estimate of a call holds: ours run between its layers. The first step keeps keys and values of the reference."""
    plain, calls = (
        [peak.most for peak in calls_under(Peak, host, model, monkeypatch)] for model in (bare, moved)
    )
    assert max(calls[WINDOWS:]) <= max(plain) and max(calls) < 1.05 * max(plain)


def test_after_the_first_step_a_call_brings_sends_gathers_and_awaits_what_the_bare_unet_does(
    host, bare, moved, far_drive, monkeypatch
):
    plain = costs_of_calls(host, bare, monkeypatch)
    calls = costs_of_calls(host, moved, monkeypatch)
    assert len(calls) == STEPS * WINDOWS and calls[WINDOWS:] == plain[WINDOWS:]
    brought = sum(call["brought"] - without["brought"] for call, without in zip(calls, plain, strict=True))
    assert brought == sum(
        f.numel() * 4 for group in (far_drive.features, far_drive.null) for f in group.values()
    )


def test_a_span_is_not_looked_up_in_a_call(host, bare, far_drive, monkeypatch):
    """The noise level is read once a step, before the calls, and the percent range's own levels once a run."""
    percent_range = host.move(
        host.motion("animatediff"),
        WINDOW,
        OVERLAP,
        percent_range=(0.0, 0.9),
        model=host.apply(None, far_drive, percent_range=(0.0, 0.8)),
    )
    plain = costs_of_calls(host, bare, monkeypatch)[WINDOWS:]
    assert [call["waits"] for call in costs_of_calls(host, percent_range, monkeypatch)[WINDOWS:]] == [
        call["waits"] for call in plain
    ]


def test_a_compiled_unet_finds_every_windows_own_drive(host, moved, monkeypatch):
    """ComfyUI's TorchCompileModel drops its guards on transformer_options: what changes with the window must not hide there."""
    pytest.importorskip("comfy_extras.nodes_torch_compile")
    import comfy.ldm.modules.attention as attention

    from sk_portrait.testing.compat.lab import torch_compiled

    # What ComfyUI takes on a GPU; its attention for a CPU asks the system for free memory, which breaks the graph by itself.
    monkeypatch.setattr(attention, "optimized_attention", attention.attention_pytorch)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    plain = host.sample(moved, noise=shared_noise(FRAMES), steps=STEPS)
    found = host.sample(torch_compiled(moved, backend), noise=shared_noise(FRAMES), steps=STEPS)
    assert len(graphs) == 1
    assert relative_error(found, plain) < 1e-5


def test_the_end_of_a_run_keeps_nothing_where_the_unet_computes(host, moved):
    host.sample(moved, noise=shared_noise(FRAMES), steps=1)
    kept = [r._sources for w in bound(moved) for r in vars(w.patch).values() if isinstance(r, FeatureCache)]
    assert kept == [{}, {}]
