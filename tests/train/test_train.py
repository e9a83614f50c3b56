"""The trainer: what it learns, what it leaves alone, and that it can be stopped, resumed and spread over processes."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sk_portrait.sk_attention.checkpoint import load, read
from sk_portrait.sk_attention.published_files import find_part
from sk_portrait.testing import training
from sk_portrait.train import command, loop, motions, noise, objective, portraits, prepare
from sk_portrait.train.checkpoint import read_checkpoint, write_checkpoint
from sk_portrait.train.data import Clips
from sk_portrait.train.errors import TrainError
from sk_portrait.train.loop import Settings, fit
from sk_portrait.train.toy import definition, stages
from sk_portrait.train.toy.autoencoder import TinyAutoencoder
from sk_portrait.train.toy.widen import WideningError, widened

torch.set_num_threads(1)
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


def test_two_processes_train_what_one_would(tmp_path, plain):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run([*launch, training.__file__, str(tmp_path)], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)
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
    with pytest.raises(TrainError, match=r"another run: its generation is 'v2', this one's 'v3'"):
        fit(training.Line(), replace(SETTINGS, steps=1), tmp_path, {"generation": "v3"})
    whole = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sk_portrait.train.checkpoint.torch.save", full)
    with pytest.raises(TrainError, match="no room on the disk .*the one before it is whole"):
        write_checkpoint(tmp_path, {})
    assert (tmp_path / "checkpoint.pt").read_bytes() == whole and not list(tmp_path.glob("*.part"))


def test_a_batch_must_be_divisible(tmp_path):
    with pytest.raises(TrainError, match="batch of 7 cannot be divided by 2"):
        fit(training.Line(), replace(SETTINGS, batch=7), tmp_path, {})


def test_the_rate_falls_as_a_cosine():
    settings = Settings(100)
    assert [settings.rate(0, p) for p in (0.0, 1.0)] == pytest.approx([5e-5, 1e-7])
    assert settings.rate(0, 0.5) == pytest.approx((5e-5 + 1e-7) / 2)


# What is learned ----------------------------------------------------------------------------------------------------------------


def task_of(folder: Path, **options):
    torch.manual_seed(1)
    parts = {part.repositories["v2"]: part.build(definition.sizes(part)) for part in definition.parts()[:2]}
    return portraits.Pairs(Clips(training.write_clips(folder)), definition.unet(), parts, None, target="v", **options)


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


@pytest.mark.parametrize("generation", ["v2", "v3"])
def test_motion_learns_alone_from_neighbouring_frames(tmp_path, generation):
    parts = {repository: part.build(definition.sizes(part)) for repository, part in portraits.published(generation).items()}
    motion = motions.networks(generation, {}, definition.sizes)
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
    learning = {name for name, p in task.network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert {name.split(".")[2] for name in learning} == {str(k) for k in range(len(motion))}, "every kind of motion learns"
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
    batch = replace(task.collate(task.choose(np.random.default_rng(0), 2)), dropped=torch.tensor([True, False]))
    portrait, pictures, expression = batch.conditions()
    assert portrait[0].abs().max() == 0 and (pictures[0] == -1).all() and expression.coefficients[0].abs().max() == 0
    assert torch.equal(portrait[1], batch.portraits[1]) and torch.equal(pictures[1], batch.pictures[1])


def test_the_loss_is_that_of_the_paper():
    answer, wanted = torch.zeros(1, 4, 2, 2), torch.full((1, 4, 2, 2), 2.0)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    for timestep, alpha in ((0, 1.0), (250, 0.75), (1000, 0.0)):
        assert float(objective.loss(answer, wanted, mask, torch.tensor([timestep]))) == pytest.approx(4 + 4 * alpha, rel=1e-5)
    assert float(objective.loss(answer, wanted, 0 * mask, torch.tensor([0]))) == pytest.approx(4)


@pytest.mark.parametrize("kind", noise.TARGETS)
def test_a_perfect_answer_leads_back_to_the_latents(kind):
    latents, drawn, at = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3), torch.tensor([900, 40])
    noisy = noise.noised(latents, drawn, at)
    found = noise.step(kind, noisy, noise.target(kind, latents, drawn, at), at, None)
    assert (found - latents).abs().max() < 1e-4


def test_the_schedule_is_the_samplers():
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    assert (noise.signal() - scheduler.alphas_cumprod).abs().max() < 1e-6


# Widening ---------------------------------------------------------------------------------------------------------------------


def test_a_widened_part_is_loaded_by_name_and_answers_as_the_narrow_one(tmp_path):
    torch.manual_seed(0)
    for name in ("hm2_reference", "hm2_control"):
        part = next(p for p in definition.parts() if p.repositories["v2"] == name)
        narrow = part.build(definition.sizes(part)).eval()
        path = command._write({name: load_wide(part, narrow)}, tmp_path)[0]
        loaded = load(read(path), str(path))
        assert loaded.part is part and loaded.generations == ("v2",)
        if name == "hm2_control":
            x = (torch.randn(1, 3, 128, 128), objective.Expression(torch.rand(1, 51), torch.randn(1, 3, 1024)))
            with torch.no_grad():
                a, b = narrow(*x), loaded.module(*x)
            assert all((a[s].repeat_interleave(2, 1) - b[s]).abs().max() < 1e-5 for s in a)


def load_wide(part, narrow):
    wide = part.build(definition.sizes(part, 2))
    wide.load_state_dict(definition.wide_part(part, narrow.state_dict(), 2))
    return wide


@pytest.fixture(scope="module")
def narrow():
    """UNet and autoencoder of the toy model, and their file."""
    torch.manual_seed(0)
    unet, small = definition.unet().eval(), TinyAutoencoder.small().eval()
    return unet, small, definition.narrow_base(unet, small)


def test_the_widened_autoencoder_is_the_small_one(narrow):
    _, small, file = narrow
    wide = definition.wide_base(file, times=1)
    full = TinyAutoencoder.full().eval()
    full.load_state_dict({k.removeprefix("first_stage_model."): v for k, v in wide.items() if "taesd" in k})
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        latents = small.encode(picture)
        assert (full.encode(picture) - latents).abs().max() < 1e-5
        assert (full.decode(latents) - small.decode(latents)).abs().max() < 1e-5


def test_the_widened_unet_answers_as_the_narrow_one_on_diffusers(narrow, tmp_path):
    from safetensors.torch import save_file

    from sk_portrait.train.base import Base

    unet, _, file = narrow
    save_file(definition.wide_base(file, times=2), tmp_path / "wide.safetensors")
    x, at = torch.randn(1, 4, 16, 16), torch.tensor([400])
    with torch.no_grad():
        a = unet(x, at, encoder_hidden_states=None).sample
        b = Base(tmp_path / "wide.safetensors").unet()(x, at, encoder_hidden_states=torch.randn(1, 7, 768)).sample
    assert (a - b).abs().max() < 1e-5


def test_the_widened_unet_answers_as_the_narrow_one_in_comfyui(comfy, narrow):
    from sk_portrait.testing.tiny_comfy import ComfyHost

    unet, _, file = narrow
    wide = definition.wide_base(file)
    own = {k.removeprefix("model.diffusion_model."): v for k, v in wide.items() if k.startswith("model.")}
    x = torch.randn(2, 4, 16, 16)
    with torch.no_grad():
        a = unet(x, torch.tensor([400, 400]), encoder_hidden_states=None).sample
    b = ComfyHost(own).forward(x, torch.randn(2, 7, 768), 400)
    assert (a - b).abs().max() < 1e-5


def test_what_cannot_be_widened_is_told():
    with pytest.raises(WideningError, match=r"'a' is of shape \(3,\) and cannot be widened to \(7,\)"):
        widened({"a": torch.zeros(3)}, {"a": (7,)})
    with pytest.raises(WideningError, match="lacks 'b'"):
        widened({"a": torch.zeros(3)}, {"a": (6,), "b": (2,)})


# The command ------------------------------------------------------------------------------------------------------------------


def said(capsys, *arguments) -> str:
    assert command.main([str(a) for a in arguments]) == 1
    return capsys.readouterr().out


def test_bad_input_gets_one_sentence(tmp_path, capsys):
    from safetensors.torch import save_file

    base, other, empty = tmp_path / "base.safetensors", tmp_path / "sd2.safetensors", tmp_path / "empty"
    empty.mkdir()
    data = training.write_clips(tmp_path / "data")
    begin = "model.diffusion_model."
    save_file({"x": torch.zeros(1)}, base)
    first = {begin + "input_blocks.0.0.weight": torch.zeros(32, 4, 3, 3)}
    save_file(first | {begin + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": torch.zeros(32, 1024)}, other)
    assert "There is no clip in" in said(capsys, "data", empty, "--base", base, "--out", tmp_path / "o")
    assert "There is no training data in" in said(capsys, "portrait", "--data", empty, "--base", base, "--out", tmp_path / "o")
    assert "no SD1.5 checkpoint: it has no tensor" in said(capsys, "portrait", "--data", data, "--base", base, "--out", tmp_path / "o")
    told = said(capsys, "portrait", "--data", data, "--base", other, "--out", tmp_path / "o")
    assert "reads a text of width 1024, SD1.5's 768" in told
    assert "There is no world_base.safetensors" in said(capsys, "widen", empty, "--out", tmp_path / "o")


def test_a_file_of_another_generation_is_refused(tmp_path):
    part = find_part("reference adapter", "v2")
    path = command._write({"hm2_reference": part.build(definition.sizes(part))}, tmp_path)[0]
    with pytest.raises(TrainError, match="is a v2 reference adapter; what is trained here is v3"):
        portraits.require_generation("v3", portraits.given([path]))


def test_a_clip_without_a_face_is_listed_with_its_reason(tmp_path):
    from sk_portrait.demo.sheet import write_video

    class Blind:
        name, scheme, notes = "blind", "mediapipe478", ()

        def track(self, frames):
            return ([] for _ in frames)

        def glance(self, frame):
            return []

    class Flat:
        digest = "flat"

    (tmp_path / "clips").mkdir()
    write_video(tmp_path / "clips" / "wall.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 4, 15.0)
    bad = prepare.prepare(tmp_path / "clips", tmp_path / "out", Flat(), Blind(), 64)
    assert len(bad) == 1 and bad[0][0].name == "wall.mp4" and "face" in bad[0][1]


# The toy model --------------------------------------------------------------------------------------------------------------


def test_the_small_world_is_made_and_made_again_from_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "PAIRS", replace(stages.PAIRS, in_file=2))
    monkeypatch.setattr(stages, "STAND_INS", replace(stages.STAND_INS, in_file=2))
    monkeypatch.setattr(stages, "CLIPS", replace(stages.CLIPS, in_file=1, frames=16))
    short = Settings(2, batch=2, rates=(1e-3, 1e-5), save=1, sheet=2)
    files = stages.build(tmp_path, stages.Plan(2, 1, short, short, short, *[replace(short, batch=1)] * 2))
    assert {path.stem for path in files} == {"world_base", "hm2_reference", "hm2_control", "hm2_animatediff_frame12", "hm3_motion"}
    sheets = sorted(path.name for path in tmp_path.glob("*/sheets/*.png"))
    assert sheets == ["autoencoder_000002.png", "motion_000002.png", "motion_000002.png", "portrait_000002.png"]
    record = json.loads((tmp_path / stages.RECORD).read_text())
    assert all(len(record[name]["loss"]) == 2 and record[name]["steps"] == 2 for name in stages.TASKS)
    assert sum(path.stat().st_size for path in files) < 40 << 20
    wide = definition.widen_folder(tmp_path, tmp_path / "wide")
    assert load(read(wide[1]), str(wide[1])).generations == ("v2",)
