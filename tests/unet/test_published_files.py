"""Every official file is recognised by its own keys, built from its own shapes, and nothing in it is left out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sk_portrait.face_tools.pictures.crop import CROP_RULES
from sk_portrait.sk_attention import versions
from sk_portrait.sk_attention.checkpoint import load, published_names, recognise
from sk_portrait.sk_attention.published_files import PARTS, CheckpointError, Shapes
from sk_portrait.sk_attention.versions import VERSIONS, listed, newest_first

MANIFESTS = Path(__file__).parent.parent / "manifests"

# Manifest -> (versions that its keys fit, kind).
FILES = {
    "v1_reference": (("v1",), "reference adapter"),
    "v2_reference": (("v2",), "reference adapter"),
    "v3_reference": (("v3", "v4"), "reference adapter"),
    "v4_reference": (("v3", "v4"), "reference adapter"),
    "v5_reference": (("v5",), "reference adapter"),
    "v5b_reference": (("v5b", "v5c"), "reference adapter"),
    "v5c_reference": (("v5b", "v5c"), "reference adapter"),
    "v1_control": (("v1",), "drive encoder"),
    "v1_control2": (("v1",), "drive encoder"),
    "v2_control": (("v2",), "drive encoder"),
    "v2_control2": (("v2",), "drive encoder"),
    "v3_control_mix": (("v3",), "drive encoder"),
    "v4_control_base": (("v4",), "drive encoder"),
    "v5_control_base": (("v5", "v5b", "v5c"), "drive encoder"),
    "v4_control_proj": (("v4",), "drive projection"),
    "v5_control_proj": (("v5", "v5b", "v5c"), "drive projection"),
    "v5c_control_proj": (("v5", "v5b", "v5c"), "drive projection"),
    "face_pd_fgc_motion": (tuple(VERSIONS), "face motion encoder"),
}


def state(name: str) -> dict[str, torch.Tensor]:
    """A published state dict with the right names and shapes, without values."""
    tensors = json.loads((MANIFESTS / f"{name}.json").read_text())["tensors"]
    return {
        key: torch.empty(t["shape"], dtype=getattr(torch, t["dtype"]), device="meta")
        for key, t in tensors.items()
    }


def load_shape(tensors: dict, file: str):
    """Load without storage: the networks have hundreds of M parameters."""
    with torch.device("meta"):
        return load(tensors, file)


@pytest.mark.parametrize("name", FILES)
def test_the_published_file_loads_whole(name):
    loaded = load_shape(state(name), name)
    assert (loaded.versions, loaded.part.kind) == FILES[name]
    assert {k: tuple(v.shape) for k, v in loaded.module.state_dict().items()} == {
        k: tuple(v.shape) for k, v in state(name).items()
    }


@pytest.mark.parametrize("name", FILES)
def test_one_missing_or_extra_tensor_is_named(name):
    tensors = state(name)
    last = list(tensors)[-1]
    with pytest.raises(CheckpointError, match="missing"):
        load_shape({k: v for k, v in tensors.items() if k != last}, name)
    try:
        load_shape({k: v for k, v in tensors.items() if k != last}, name)
    except CheckpointError as error:
        assert last in str(error)
    with pytest.raises(CheckpointError, match="'foreign.weight'"):
        load_shape(tensors | {"foreign.weight": tensors[last]}, name)


@pytest.mark.parametrize("name", FILES)
def test_one_misshapen_tensor_is_named(name):
    tensors = state(name)
    key = next(k for k in reversed(tensors) if tensors[k].ndim)
    with pytest.raises(CheckpointError, match=rf"{re.escape(key)}.*shape"):
        load_shape(tensors | {key: torch.empty(7, device="meta")}, name)


def test_a_published_name_tells_apart_what_keys_cannot():
    assert load_shape(
        state("v4_reference"), "hm4_reference/diffusion_pytorch_model.safetensors"
    ).versions == ("v4",)
    assert load_shape(state("v5c_reference"), "hm5c_reference.safetensors").versions == ("v5c",)
    assert load_shape(state("v5_control_proj"), "hm5_control_proj.safetensors").versions == ("v5", "v5b")


def test_an_unknown_file_quotes_its_keys_and_names_the_nearest():
    tensors = state("v3_reference")
    renamed = {k.replace("reference_modules_up.0.", "up_zero."): v for k, v in tensors.items()}
    with pytest.raises(
        CheckpointError,
        match="The nearest is a v3 or v4 reference adapter .*hm3_reference.*45 of its 60.*'up_zero",
    ):
        recognise(Shapes({k: tuple(v.shape) for k, v in renamed.items()}), "my_file.safetensors")


def test_an_empty_file_is_no_adapter():
    with pytest.raises(CheckpointError, match="no HelloMeme file"):
        recognise(Shapes(), "empty.safetensors")


def test_no_file_fits_two_kinds():
    for part in PARTS:
        names = published_names(part)
        assert [p for p in PARTS if p.matches(names)] == [part]


def test_weights_are_those_of_the_file():
    part = next(p for p in PARTS if p.versions == ("v2",) and p.kind == "reference adapter")
    network = part.build({"up": (16, 16, 8), "table_length": 128})
    loaded = load(network.state_dict(), "narrow")
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), loaded.module.state_dict().values())
    )
    assert not any(p.requires_grad for p in loaded.module.parameters())


def test_the_crops_of_face_tools_are_those_of_the_versions():
    """face_tools stands alone, so each version's crop is written in both tables."""
    assert {name: rule.factor for name, rule in CROP_RULES.items()} == {
        name: row.crop_factor for name, row in VERSIONS.items()
    }


def test_versions_in_words_name_each_repository_once_with_its_versions(monkeypatch):
    """The official versions of today, and one with two digits."""
    today = {name: VERSIONS[name] for name in ("v1", "v2", "v3", "v4", "v5", "v5b", "v5c")}
    later = replace(VERSIONS["v5c"], name="v10", projection="hm10_control_proj")
    monkeypatch.setattr(versions, "VERSIONS", today | {"v10": later})
    assert listed("projection") == (
        "hm4_control_proj (v4), hm5_control_proj (v5, v5b), hm5c_control_proj (v5c), hm10_control_proj (v10)"
    )
    assert newest_first() == ["v10", "v5", "v5b", "v5c", "v4", "v3", "v2", "v1"]
