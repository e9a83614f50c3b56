"""The trainer: what it learns, what it leaves alone, and that it can be stopped, resumed and spread over processes."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sk_portrait.errors import SettingError
from sk_portrait.testing import training
from sk_portrait.testing.raised import raises
from sk_portrait.train import loop, motions, noise, objective, portraits
from sk_portrait.train.checkpoint import read_checkpoint, write_checkpoint
from sk_portrait.train.data import Clips
from sk_portrait.train.errors import OtherRunError, TrainError
from sk_portrait.train.loop import Settings, fit
from sk_portrait.train.toy import definition

SETTINGS = Settings(12, batch=8, accumulation=2, rates=training.RATES, save=5, sheet=0)


def weights(task) -> dict:
    return {key: value.clone() for key, value in task.network.state_dict().items()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> dict:
    """The weights after an uninterrupted run of Line."""
    task = training.Line()
    fit(task, SETTINGS, tmp_path_factory.mktemp("plain"), {})
    return weights(task)


def same(a: dict, b: dict, within: float = 0.0) -> bool:
    return all((a[key] - b[key]).abs().max() <= within for key in a)


# The loop --------------------------------------------------------------------------------------------------------------------


class Interrupted(training.Line):
    """Ctrl-C comes in the middle of the eighth step."""

    def collate(self, picks):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == 15:
            os.kill(os.getpid(), signal.SIGINT)
        return super().collate(picks)


def test_a_run_that_was_interrupted_ends_with_the_very_numbers_of_one_that_was_not(tmp_path, plain):
    with pytest.raises(KeyboardInterrupt):
        fit(Interrupted(), SETTINGS, tmp_path, {})
    assert read_checkpoint(tmp_path, {"task": "line", "batch": 8, "seed": 0})["step"] == 8
    resumed = training.Line()
    fit(resumed, SETTINGS, tmp_path, {})
    assert same(weights(resumed), plain)
    again = training.Line()
    fit(again, SETTINGS, tmp_path, {})
    assert same(weights(again), plain), "a finished run is not trained on"
    assert list((tmp_path / "line").glob("events*")), "TensorBoard has a log"


@pytest.mark.parametrize("interrupted", [False, True], ids=["from the start", "resumed"])
def test_two_processes_train_what_one_would(tmp_path, plain, interrupted):
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            fit(Interrupted(), SETTINGS, tmp_path, {})
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    subprocess.run(
        [*launch, training.__file__, str(tmp_path)], check=True, capture_output=True, env=environment
    )
    assert same(torch.load(tmp_path / "weights.pt"), plain, 1e-5)


def test_the_average_follows_the_weights(plain):
    start = weights(training.Line())
    assert not same(plain, start)
    average = loop.Average({"x": torch.zeros(1)}, decay=0.9)
    for step in range(1, 200):
        average.update({"x": torch.ones(1)}, step)
    assert 0.99 < float(average.tensors["x"]) <= 1


def test_a_checkpoint_of_another_run_and_a_full_disk_are_told(tmp_path, monkeypatch):
    fit(training.Line(), replace(SETTINGS, steps=1), tmp_path, {"generation": "v2"})
    with raises(OtherRunError, setting="generation", found="v2", expected="v3"):
        fit(training.Line(), replace(SETTINGS, steps=1), tmp_path, {"generation": "v3"})
    whole = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sk_portrait.train.checkpoint.torch.save", full)
    with pytest.raises(TrainError, match="no room on the disk .*the one before it is whole"):
        write_checkpoint(tmp_path, {})
    assert (tmp_path / "checkpoint.pt").read_bytes() == whole and not list(tmp_path.glob("*.part"))


def test_a_batch_must_be_divisible(tmp_path):
    with raises(SettingError, setting="batch", value=7):
        fit(training.Line(), replace(SETTINGS, batch=7), tmp_path, {})


def test_the_rate_falls_as_a_cosine():
    settings = Settings(100)
    assert [settings.rate(0, p) for p in (0.0, 1.0)] == pytest.approx([5e-5, 1e-7])
    assert settings.rate(0, 0.5) == pytest.approx((5e-5 + 1e-7) / 2)


# What is learned ----------------------------------------------------------------------------------------------------------------


def task_of(folder: Path, **options):
    torch.manual_seed(1)
    parts = {part.repositories["v2"]: part.build(definition.sizes(part)) for part in definition.parts()[:2]}
    return portraits.Pairs(
        Clips(training.write_clips(folder)), definition.unet(), parts, None, target="v", **options
    )


class SameFour:
    """Every step sees the same four frames, at the same noise."""

    def __init__(self, task):
        self.task = task
        self.picks = task.choose(np.random.default_rng(5), 4)

    def __getattr__(self, name):
        return getattr(self.task, name)

    def choose(self, draw, count):
        return self.picks


def test_four_frames_are_learned_by_heart(tmp_path):
    task = SameFour(task_of(tmp_path / "data", live=True))
    batch = task.collate(task.picks)
    before = float(task.network(batch))
    fit(task, Settings(60, batch=4, rates=(4e-3, 1e-3), ema=0.5, save=100, sheet=0), tmp_path / "run", {})
    assert float(task.network(batch)) < 0.05 * before


def test_gradients_reach_only_what_is_trained(tmp_path):
    task = task_of(tmp_path)
    task.network.requires_grad_(False)
    for module in task.trained.values():
        module.requires_grad_(True)
    task.network(task.collate(task.choose(np.random.default_rng(0), 2))).backward()
    learning = [p.grad for name, p in task.network.named_parameters() if not name.startswith("network.unet.")]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in learning)
    assert all(p.grad is None for p in task.network.network.unet.parameters())


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_motion_learns_alone_from_neighbouring_frames(tmp_path, version):
    parts = {
        repository: part.build(definition.sizes(part))
        for repository, part in portraits.published(version).items()
    }
    motion = motions.networks(version, {}, definition.sizes)
    clips = Clips(training.write_clips(tmp_path, clips=1, frames=motions.FRAMES))
    task = motions.Neighbours(clips, definition.unet(), parts, motion, None)
    picks = task.choose(np.random.default_rng(0), 1)
    assert picks[0].targets == tuple(range(motions.FRAMES))
    task.network.requires_grad_(False)
    for module in task.trained.values():
        module.requires_grad_(True)
    batch = task.collate(picks)
    assert len(set(batch.timesteps.tolist())) == 1, "a clip is denoised together"
    task.network(batch).backward()
    learning = {
        name for name, p in task.network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }
    assert {name.split(".")[2] for name in learning} == {str(k) for k in range(len(motion))}, (
        "every kind of motion learns"
    )
    assert all(name.startswith("network.motion.") for name in learning)


def test_new_networks_leave_the_unet_as_it_was(tmp_path):
    torch.manual_seed(0)
    parts = portraits.networks("v2", {}, definition.sizes)
    task = portraits.Pairs(Clips(training.write_clips(tmp_path)), definition.unet(), parts, None)
    drive = parts["hm2_control"]
    batch = task.collate(task.choose(np.random.default_rng(0), 1))
    _, pictures, expression = batch.conditions()
    assert drive(pictures, expression)["up_0"].abs().max() == 0
    assert all(module.proj.weight.abs().max() == 0 for module in parts["hm2_reference"].sites.values())


def test_dropped_samples_say_what_the_null_of_guidance_says(tmp_path):
    task = task_of(tmp_path)
    batch = replace(
        task.collate(task.choose(np.random.default_rng(0), 2)), dropped=torch.tensor([True, False])
    )
    portrait, pictures, expression = batch.conditions()
    assert (
        portrait[0].abs().max() == 0
        and (pictures[0] == -1).all()
        and expression.coefficients[0].abs().max() == 0
    )
    assert torch.equal(portrait[1], batch.portraits[1]) and torch.equal(pictures[1], batch.pictures[1])


@pytest.mark.parametrize("share, late", [(0.0, 0.4), (0.5, 0.7)])
def test_mostly_noise_raises_the_share_of_late_timesteps(tmp_path, share, late):
    task = task_of(tmp_path)
    task.draws = portraits.Draws(mostly_noise=share)
    batch = task.collate(task.choose(np.random.default_rng(0), 1000))
    assert (batch.timesteps >= portraits.MOSTLY_NOISE).float().mean() == pytest.approx(late, abs=0.05)


def test_the_loss_is_that_of_the_paper():
    answer, wanted = torch.zeros(1, 4, 2, 2), torch.full((1, 4, 2, 2), 2.0)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    for timestep, alpha in ((0, 1.0), (250, 0.75), (1000, 0.0)):
        assert float(objective.loss(answer, wanted, mask, torch.tensor([timestep]))) == pytest.approx(
            4 + 4 * alpha, rel=1e-5
        )
    assert float(objective.loss(answer, wanted, 0 * mask, torch.tensor([0]))) == pytest.approx(4)


@pytest.mark.parametrize("kind", noise.TARGETS)
def test_a_perfect_answer_leads_back_to_the_latents(kind):
    latents, drawn, at = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3), torch.tensor([900, 40])
    noisy = noise.noised(latents, drawn, at)
    found = noise.step(kind, noisy, noise.target(kind, latents, drawn, at), at, None)
    assert (found - latents).abs().max() < 1e-4


def test_guidance_moves_a_sample_away_from_the_one_without_conditions(tmp_path):
    task = task_of(tmp_path)
    network = task.network.eval()
    batch = task.collate(task.choose(np.random.default_rng(0), 2))
    batch = replace(batch, dropped=torch.zeros_like(batch.dropped))
    without = network.sample(replace(batch, dropped=torch.ones_like(batch.dropped)), 1)
    usual = network.sample(batch, 1)
    guided = network.sample(batch, 1, guidance=2.0)
    assert (usual - without).abs().max() > 1e-3, "the conditions show"
    torch.testing.assert_close(guided, without + 2.0 * (usual - without), rtol=1e-4, atol=1e-5)


def test_the_schedule_is_the_samplers():
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    assert (noise.signal() - scheduler.alphas_cumprod).abs().max() < 1e-6
