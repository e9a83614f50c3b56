"""The commands of training: what they say to bad input, and the toy model from its first step."""

import json
from dataclasses import replace

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from sk_portrait.errors import VersionError
from sk_portrait.sk_attention.checkpoint import load, read
from sk_portrait.sk_attention.published_files import find_part
from sk_portrait.testing import training
from sk_portrait.testing.raised import raises
from sk_portrait.train import command, portraits, prepare
from sk_portrait.train.loop import Settings
from sk_portrait.train.toy import definition, sampled, stages


def said(capsys, *arguments) -> str:
    assert command.main([str(a) for a in arguments]) == 1
    return capsys.readouterr().out


def content(path):
    """Return metadata and tensors. Two files with the same content can differ in the order of their metadata."""
    with safe_open(path, "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def test_bad_input_gets_one_sentence(tmp_path, capsys):
    from safetensors.torch import save_file

    base, other, empty = tmp_path / "base.safetensors", tmp_path / "sd2.safetensors", tmp_path / "empty"
    empty.mkdir()
    data = training.write_clips(tmp_path / "data")
    begin = "model.diffusion_model."
    save_file({"x": torch.zeros(1)}, base)
    first = {begin + "input_blocks.0.0.weight": torch.zeros(32, 4, 3, 3)}
    save_file(
        first | {begin + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": torch.zeros(32, 1024)},
        other,
    )
    assert "There is no clip in" in said(capsys, "data", empty, "--base", base, "--out", tmp_path / "o")
    assert "There is no training data in" in said(
        capsys, "portrait", "--data", empty, "--base", base, "--out", tmp_path / "o"
    )
    assert "no SD1.5 checkpoint: it has no tensor" in said(
        capsys, "portrait", "--data", data, "--base", base, "--out", tmp_path / "o"
    )
    told = said(capsys, "portrait", "--data", data, "--base", other, "--out", tmp_path / "o")
    assert "reads a text of width 1024, SD1.5's 768" in told
    assert "There is no world_base.safetensors" in said(capsys, "widen", empty, "--out", tmp_path / "o")


def test_a_file_of_another_version_is_refused(tmp_path):
    part = find_part("reference adapter", "v2")
    path = command._write({"hm2_reference": part.build(definition.sizes(part))}, tmp_path)[0]
    with raises(VersionError, found=("v2",), expected=("v3",)):
        portraits.require_version("v3", portraits.given([path]))


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


def test_the_small_world_is_made_and_made_again_from_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "PAIRS", replace(stages.PAIRS, in_file=2))
    monkeypatch.setattr(sampled, "PAIRS", replace(sampled.PAIRS, in_file=2))
    monkeypatch.setattr(stages, "STAND_INS", replace(stages.STAND_INS, in_file=2))
    monkeypatch.setattr(stages, "CLIPS", replace(stages.CLIPS, in_file=1, frames=16))
    short = Settings(2, batch=2, rates=(1e-3, 1e-5), save=1, sheet=2)
    plan = stages.Plan(2, 1, *[short] * 5, *[replace(short, batch=1)] * 2)
    files = stages.build(tmp_path, plan)
    shard = next((tmp_path / "moving").glob("*.safetensors"))
    about, encoded = content(shard)
    shard.unlink()
    assert stages.build(tmp_path, plan) == files
    assert content(shard)[0] == about
    torch.testing.assert_close(content(shard)[1], encoded, rtol=0, atol=0)
    assert {path.stem for path in files} == {
        "world_base",
        "hm2_reference",
        "hm2_control",
        "hm2_animatediff_frame12",
        "hm3_motion",
    }
    sheets = sorted(path.name for path in tmp_path.glob("*/sheets/*.png"))
    assert sheets == [
        "autoencoder_000002.png",
        "decoder_000002.png",
        "motion_000002.png",
        "motion_000002.png",
        "portrait_000002.png",
    ]
    record = json.loads((tmp_path / stages.RECORD).read_text())
    assert all(len(record[name]["loss"]) == 2 and record[name]["steps"] == 2 for name in stages.TASKS)
    assert sum(path.stat().st_size for path in files) < 40 << 20
    small, base = load_file(tmp_path / stages.AUTOENCODER), definition.read(files[0])
    decoded = definition.narrow_autoencoder(base).state_dict()
    moved = {key.split(".")[0] for key in small if not torch.equal(small[key].half().float(), decoded[key])}
    assert moved == {"taesd_decoder"}, "sampled latents train the decoder, not the encoder"
    wide = definition.widen_folder(tmp_path, tmp_path / "wide")
    assert load(read(wide[1]), str(wide[1])).versions == ("v2",)
