"""A clip under Apply stays consistent with anything else on the MODEL: alone, in windows, in a key-frame level, in any batch order."""

from __future__ import annotations

from collections.abc import Iterator

import comfy.samplers
import pytest
import torch

from sk_portrait.nodes.hellomeme.clip_runs import Clip, Progress
from sk_portrait.testing import tiny_motion
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.compat import peers, systems, wears
from sk_portrait.testing.compat.lab import FRAMES, OVERLAP, TOLERANCE, WINDOW, Lab, Wear, cfg_guider

SYSTEM_TOLERANCE = 1e-5  # of each of our systems, however ComfyUI batches its frames
OURS, PEERS = systems.ALONE, peers.WEARS
ALL = wears.WEARS | OURS | systems.COMBINED | PEERS
IN_HOST_WINDOWS = (
    "Apply alone",
    "ControlNet, a picture per frame",
    "T2I adapter, a picture per frame",
    *OURS,
    *PEERS,
)
QUICK = {  # what is not `slow`, besides all of OURS
    "alone": {"X-Dyna with S-Face by a face track, and LoRA", "FreeU", "deep shrink"},
    "windows": {
        "Portrait Strength Schedule by block boundary, step and frame",
        "prompts fewer than frames",
        "ControlNet, a picture per frame",
        "T2I adapter, a picture per frame",
        "IPAdapter, an embedding a frame",
        "Advanced-ControlNet, a picture per frame",
    },
    "tree": {
        "Portrait Strength Schedule by block boundary, step and frame",
        "prompt per frame",
        "inpainting, a mask per frame",
        "IPAdapter, a mask per frame",
    },
    "host windows": {"ControlNet, a picture per frame"},
    "apart": {"hook LoRA"},
    "other order": set(),
}


def alone(lab: Lab, wear: Wear | None) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of frames is every frame by itself."""
    return lab.whole(wear), torch.cat([lab.scene(wear, [frame]).samples() for frame in range(FRAMES)])


def in_windows(lab: Lab, wear: Wear | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames that do not see each other are the same in our windows as in one batch."""
    return lab.scene(wear, windows=True).samples(), lab.whole(wear)


def in_host_windows(lab: Lab, wear: Wear | None) -> tuple[torch.Tensor, torch.Tensor]:
    """ComfyUI's own context windows, with Apply Motion at window length 0."""
    scene = lab.scene(wear)
    scene.model = tiny_motion.in_host_windows(
        lab.move(lab.still, 0, model=scene.model),
        context_length=WINDOW, context_overlap=OVERLAP, context_schedule="looped_uniform", closed_loop=True,
    )  # fmt: skip
    return scene.samples(), lab.whole(wear)


def in_a_tree(lab: Lab, wear: Wear | None) -> tuple[torch.Tensor, torch.Tensor]:
    """A level of hierarchical key-frame sampling, which holds some frames of the clip, is ComfyUI's sampling of these frames."""
    scene, frames = lab.scene(wear), [0, 2, 4]
    sampler, sigmas = comfy.samplers.sampler_object(scene.sampler), scene.sigmas()
    clip = Clip(
        cfg_guider(scene), sampler, 1, scene.latents(), scene.mask, (), True, False, Progress(1, scene.model)
    )
    made = clip.run(frames, (range(2), range(2, 3)), scene.noise[frames], sigmas, moves=False)
    return made, lab.scene(wear, frames).samples()


def apart(lab: Lab, wear: Wear | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Cond and uncond in two calls are cond and uncond in one."""
    with lab.apart():
        return lab.scene(wear).samples(), lab.whole(wear)


def in_other_order(lab: Lab, wear: Wear | None) -> tuple[torch.Tensor, torch.Tensor]:
    """ComfyUI may put cond before uncond or after it."""
    with lab.swapped():
        return lab.scene(wear).samples(), lab.whole(wear)


WAYS = {
    "alone": (alone, ALL),
    "windows": (in_windows, ALL),
    "tree": (in_a_tree, ALL),
    "apart": (apart, ALL),
    "host windows": (in_host_windows, IN_HOST_WINDOWS),
    "other order": (in_other_order, ("Apply alone", *OURS)),
}


def parameters() -> Iterator:
    """(way, what is on the MODEL)."""
    for way, (sample, tried) in WAYS.items():
        for name in tried:
            quick = name in QUICK[way] or (name in OURS and way != "tree")
            marks = [pytest.mark.slow] * (not quick) + [pytest.mark.peers] * (
                name in PEERS or "IPAdapter" in name
            )
            yield pytest.param(sample, name, id=f"{name}: {way}", marks=marks)


@pytest.mark.parametrize("sample, name", parameters())
def test_frames_are_the_same(lab, sample, name):
    got, want = sample(lab, ALL[name])
    assert relative_error(got, want) <= (SYSTEM_TOLERANCE if name in OURS else TOLERANCE)
