"""The toy model in ComfyUI, measured by Compare Performance and by the bench: the same figures."""

import json

import numpy as np
import pytest
import torch

from sk_portrait.bench.quality import clips, probe
from sk_portrait.demo.toy_model import SIZE, SamplingOptions, World
from sk_portrait.drawn_heads import Identity, clip, truth
from sk_portrait.face_tools.comparison.distances import expression_distance
from sk_portrait.face_tools.comparison.limits import compared
from sk_portrait.face_tools.comparison.pixels import borders
from sk_portrait.train.base import SCALE
from sk_portrait.unet.clip.keyframes import windows

FRAMES, WHO = 24, probe.HELD_OUT


@pytest.fixture(scope="module")
def sampled(comfy):
    """Frames that ComfyUI samples with the toy model, each alone, and the drawn truth."""
    world = World()
    taken = clips.take(world, clips.host_model(world), WHO, FRAMES, SamplingOptions())
    empty, (guider, *sampling) = {"samples": taken.start["samples"]}, taken.sampling()
    latents = guider.sample(
        taken.noise.generate_noise(empty), empty["samples"], *sampling, seed=taken.noise.seed
    )
    return world.enlarge(latents * SCALE), taken.drawn


def images(pictures) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures).astype(np.float32) / 255)


def test_the_node_and_the_bench_tell_the_same(sampled):
    from sk_portrait.nodes.face.compare import AS_DRIVER, ComparePerformance

    pictures, drawn = sampled
    states = clip(WHO, FRAMES, clips.FPS)
    reading = probe.read(probe.load(), pictures)
    read = probe.track(reading, clips.FPS)
    asked = truth(Identity.of(WHO), states, SIZE, clips.FPS)
    widgets = AS_DRIVER, "", clips.LENGTH, clips.OVERLAP
    wires = {"driver_images": images(drawn), "result_track": read}
    node = ComparePerformance.execute(asked, images(pictures), *widgets, **wires)
    figures = json.loads(node.result[-1])

    wrong = probe.error(reading, states)
    assert figures["pose_distance"] == pytest.approx(wrong.apd, abs=1e-4)
    assert figures["flicker"] == pytest.approx(clips.flicker(pictures) - clips.flicker(drawn), abs=1e-4)
    layout = windows(FRAMES, clips.LENGTH, clips.OVERLAP)
    assert len(borders(layout, FRAMES)) > 1
    assert figures["seams"] == pytest.approx(
        clips.seam(pictures, layout) / clips.seam(drawn, layout), abs=1e-4
    )
    kept = [probe.NAMES.index(name) for name in compared(asked, read, read.valid)]
    assert len(kept) > 7  # the others do not move in this clip
    told = expression_distance(reading.coefficients, asked.coefficients[:, probe.COLUMNS])
    assert told.mean() == pytest.approx(wrong.aed, abs=1e-6)
    part = expression_distance(reading.coefficients[:, kept], asked.coefficients[:, probe.COLUMNS][:, kept])
    assert figures["expression_distance"] == pytest.approx(part.mean(), abs=1e-4)
    assert figures["correlation_yaw"] > 0.9
