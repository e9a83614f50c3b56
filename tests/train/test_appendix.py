"""Training of appendix A on the toy model's base: what learns, what is dropped, what the files are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open

from sk_portrait.bench.paper.arms import with_places
from sk_portrait.demo.toy_model import World
from sk_portrait.drawn_heads import Identity, State, draw
from sk_portrait.face_tools.track_errors import TrackError
from sk_portrait.sk_attention.appendix import metadata
from sk_portrait.sk_attention.appendix.cross import FaceIDAdapter, TextAdapter
from sk_portrait.sk_attention.appendix.files import load_cross
from sk_portrait.sk_attention.checkpoint import load, read
from sk_portrait.train import command
from sk_portrait.train.appendix import command as appendix
from sk_portrait.train.appendix import task as tasks
from sk_portrait.train.appendix.pictures import edges, prepare, tokens_of
from sk_portrait.train.errors import TrainError
from sk_portrait.train.loop import Settings, fit
from sk_portrait.train.sizes import fitted
from sk_portrait.train.toy.definition import WIDTHS

SIZE, PICTURES = 128, 4


class ToyBase:
    """The toy model in place of an SD1.5 checkpoint: its UNet reads no text, but has places for a text attention."""

    widths = WIDTHS

    def __init__(self, path: Path = Path("toy")):
        self.path, self.world = path, World()

    def sizes(self, part) -> dict:
        return fitted(part, self.widths)

    def unet(self):
        return with_places(self.world.unet)

    def text(self, prompts=((0,), (1,))) -> torch.Tensor:
        return torch.stack(
            [torch.randn(7, 768, generator=torch.Generator().manual_seed(len(p))) for p in prompts]
        )

    def autoencoder(self):
        net = self.world.autoencoder
        return SimpleNamespace(
            digest="toy", encode=lambda x: net.encode(x / 2 + 0.5), decode=lambda z: net.decode(z) * 2 - 1
        )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """A folder of drawn heads, the first one with a caption."""
    folder = tmp_path_factory.mktemp("pictures")
    for k in range(PICTURES):
        cv2.imwrite(str(folder / f"{k}.png"), draw(Identity.of(k), State(), SIZE)[..., ::-1])
    (folder / "0.txt").write_text("a person")
    return folder


@pytest.fixture(autouse=True)
def words(monkeypatch):
    """Captions are numbered without CLIP's vocabulary."""
    monkeypatch.setattr(
        "sk_portrait.train.appendix.pictures.tokens_of", lambda caption, folder: caption.split()
    )


def embed(picture: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.from_numpy(picture[::8, ::8].astype(np.float32)).flatten()[:512], dim=0
    )


def task_of(name: str, pictures: Path, folder: Path) -> tasks.Conditioned:
    base = ToyBase()
    coder = base.autoencoder()
    clips = prepare(pictures, folder / "data", base, coder, SIZE, embed if name == "faceid-sk" else None)
    torch.manual_seed(0)
    adapter = tasks.adapter_of(name, base, None)
    return tasks.Conditioned(name, clips, pictures, base.unet(), adapter, base.text()[1], coder.encode, "v")


class SameFour:
    """Every step sees the same four pictures at the same noise, none of them dropped."""

    def __init__(self, task):
        self.task, picks = task, [tasks.Pick(k, k) for k in range(PICTURES)]
        self.batch = replace(task.collate(picks), dropped=torch.zeros(PICTURES, dtype=torch.bool))

    def __getattr__(self, name):
        return getattr(self.task, name)

    def collate(self, picks):
        return self.batch


LONG = 1500  # steps, some minutes


@pytest.mark.parametrize(
    "name, steps, rate, rest",
    [
        ("controlnet-sk", 80, 1e-2, 0.1),
        ("faceid-sk", 80, 1e-2, 0.8),
        ("sk-text", 80, 1e-2, 0.8),
        pytest.param("faceid-sk", LONG, 3e-3, 0.1, marks=pytest.mark.slow),
        pytest.param("sk-text", LONG, 3e-3, 0.3, marks=pytest.mark.slow),
    ],
)
def test_four_pictures_are_learned_by_heart(name, steps, rate, rest, pictures, tmp_path):
    """ControlNetSK acts at every resolution, up to the last one; the others at an eighth of it, on a frozen base."""
    task = SameFour(task_of(name, pictures, tmp_path))
    before = float(task.network(task.batch))
    settings = Settings(
        steps, batch=PICTURES, rates=(rate, rate / 10), warmup=5, ema=0.5, save=steps, sheet=0
    )
    fit(task, settings, tmp_path / "run", {})
    assert float(task.network(task.batch)) < rest * before


@pytest.mark.parametrize("name", tasks.KINDS)
def test_only_the_adapter_learns(name, pictures, tmp_path):
    task = task_of(name, pictures, tmp_path)
    task.network.requires_grad_(False)
    for module in task.trained.values():
        module.requires_grad_(True)
    batch = task.collate(task.choose(np.random.default_rng(0), 2))
    task.network(replace(batch, dropped=torch.zeros(2, dtype=torch.bool))).backward()
    learning = {
        n for n, p in task.network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }
    assert learning and all(".unet." not in n for n in learning)


def test_a_dropped_condition_is_none(pictures, tmp_path):
    """The edges of a dropped picture do not matter; those of another one do."""
    task = task_of("controlnet-sk", pictures, tmp_path)
    for module in task.network.network.adapter.sites.values():
        torch.nn.init.normal_(module.proj.weight, std=0.05)
    batch = task.collate([tasks.Pick(0, 0), tasks.Pick(1, 1)])
    batch = replace(batch, dropped=torch.tensor([True, False]))
    other = replace(batch, condition=batch.condition.flip(0))
    with torch.no_grad():
        one, two = (task.network.network(x.noise, x.timesteps, x) for x in (batch, other))
    assert torch.equal(one[0], two[0]) and not torch.equal(one[1], two[1])


def test_edges_are_drawn_anew_for_every_sample():
    picture = draw(Identity.of(3), State(), SIZE)
    one, other = (edges(picture, np.random.default_rng(seed)) for seed in (0, 1))
    assert set(np.unique(one)) == {0, 255} and not np.array_equal(one, other)


@pytest.mark.parametrize("name", tasks.KINDS)
def test_the_command_writes_a_file_that_the_nodes_load(name, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(appendix, "Base", ToyBase)
    monkeypatch.setattr(appendix, "_embed", lambda options, stack: embed)
    words = [
        name,
        "--pictures",
        pictures,
        "--base",
        "toy",
        "--out",
        tmp_path,
        "--size",
        SIZE,
        "--target",
        "v",
    ]
    words += ["--steps", 2, "--batch", 2, "--precision", "no", "--sheet", 1, "--save", 1]
    words += ["--arcface", tmp_path] if name == "faceid-sk" else []
    assert command.main([str(word) for word in words]) == 0
    path = tmp_path / f"{tasks.KINDS[name].file}.safetensors"
    with safe_open(path, "pt") as file:
        assert file.metadata() == dict(tasks.KINDS[name].about)
    if name == "controlnet-sk":
        assert load(read(path), str(path)).versions == ("v1",)
        assert metadata.condition_of(tasks.KINDS[name].about) == "canny"
    else:
        kind = FaceIDAdapter if name == "faceid-sk" else TextAdapter
        assert load_cross(kind, read(path), str(path)).sites
    assert list((tmp_path / "sheets").glob("*.png"))
    again = tasks.adapter_of(name, ToyBase(), path)
    assert again.state_dict().keys() == read(path).keys()


class TestBadInput:
    def said(self, capsys, *words) -> str:
        assert command.main([str(word) for word in words]) == 1
        return capsys.readouterr().out

    def test_folders_and_files_that_are_not_there(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(appendix, "Base", ToyBase)
        common = ("--base", "toy", "--out", tmp_path / "out")
        assert "There is no picture in" in self.said(capsys, "sk-text", "--pictures", tmp_path, *common)
        start = ("--start", tmp_path / "none.safetensors")
        assert "there is no file" in self.said(capsys, "sk-text", "--pictures", tmp_path, *start, *common)
        arcface = ("--arcface", tmp_path)
        assert "There is no w600k_r50.onnx or glintr100.onnx below" in self.said(
            capsys, "faceid-sk", "--pictures", tmp_path, *arcface, *common
        )

    def test_a_start_of_another_kind(self, tmp_path):
        from safetensors.torch import save_file

        save_file(tasks.adapter_of("sk-text", ToyBase(), None).state_dict(), tmp_path / "text.safetensors")
        with pytest.raises(TrainError, match="is no IPAdapterSK FaceID file"):
            tasks.adapter_of("faceid-sk", ToyBase(), tmp_path / "text.safetensors")

    def test_a_picture_without_a_face_is_told(self, pictures, tmp_path):
        def blind(picture):
            raise TrackError("No face was found.")

        base, told = ToyBase(), []
        with pytest.raises(TrainError, match="There is no training data"):
            prepare(pictures, tmp_path, base, base.autoencoder(), SIZE, blind, tell=told.append)
        assert len(told) == PICTURES and "No face was found" in told[0]

    def test_captions_without_a_tokenizer(self, tmp_path):
        with pytest.raises(TrainError, match="no CLIP tokenizer .vocab.json. in .*--tokenizer"):
            tokens_of("a person", tmp_path)
