"""The bench of the paper's claims: its arms are comparable, and a run goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers")

from sk_portrait.bench.paper import command, people
from sk_portrait.bench.paper.arms import ARMS, Bare, with_places
from sk_portrait.bench.paper.figures import frechet
from sk_portrait.bench.paper.runs import parameters
from sk_portrait.demo.toy_model import World
from sk_portrait.sk_attention.published_files import DRIVE
from sk_portrait.train.toy.footage import PAIRS

ALL = [(group, name) for group, arms in ARMS.items() for name in arms]


@pytest.fixture(scope="module")
def parts():
    world = World()
    return world, with_places(world.unet), world.part(DRIVE)


@pytest.fixture(scope="module")
def shown(parts):
    from sk_portrait.bench.quality.test_set import scenes

    return people.shown(parts[0], scenes(2, 1))


@pytest.mark.parametrize("group, name", ALL)
def test_every_arm_begins_as_the_base(parts, shown, group, name):
    _, unet, drive = parts
    batch = shown.batch([0, 1], torch.Generator().manual_seed(0), 0.0)
    arm, bare = ARMS[group][name](unet, drive), Bare(unet, drive if group == "reference" else None)
    with torch.no_grad():
        got, want = (one(batch.noise, batch.timesteps, batch) for one in (arm, bare))
    assert torch.allclose(got, want, atol=1e-6)


def test_arms_that_are_compared_have_as_many_parameters(parts):
    _, unet, drive = parts
    count = {(group, name): parameters(ARMS[group][name](unet, drive)) for group, name in ALL}
    assert count["reference", "concatenated"] == count["reference", "SK attention"]
    assert count["text", "two attentions"] == count["text", "SK attention"]
    assert count["identity", "IPAdapterSK"] == pytest.approx(count["identity", "IPAdapter"], rel=0.01)
    assert count["condition", "ControlNetSK"] < count["condition", "ControlNet"], "as the paper says"


def test_pictures_like_the_truth_have_no_distance():
    features = np.random.default_rng(0).normal(size=(40, 5))
    assert frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet(features, features + 1) == pytest.approx(5, abs=1e-6)


def test_a_finished_run_is_not_repeated_and_another_seed_is_added(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(people, "PAIRS", replace(PAIRS, in_file=2))
    sizes = {
        "steps": 2,
        "base-steps": 1,
        "batch": 2,
        "people": 2,
        "shown": 4,
        "points": 1,
        "sampling": 1,
        "style": 1,
    }
    words = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    words += [
        "--rates",
        "1e-3",
        "--only",
        "text",
        "--out",
        str(tmp_path / "runs"),
        "--page",
        str(tmp_path / "page"),
    ]
    assert command.main([*words, "--seeds", "1"]) == 0
    first = capsys.readouterr().out
    results = sorted((tmp_path / "runs" / "text").glob("*/0/result.json"))
    written = [path.stat().st_mtime_ns for path in results]
    assert len(results) == len(ARMS["text"]) and "| text/SK attention |" in first
    assert command.main([*words, "--seeds", "2"]) == 0
    assert [path.stat().st_mtime_ns for path in results] == written
    again = json.loads((tmp_path / "runs" / "text" / "SK_attention" / "1" / "result.json").read_text())
    assert again["seed"] == 1 and len(again["curve"]) == 1
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"text.png", "text_samples.jpg"}
