"""Motion modules against the official ones, and files in every naming."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sk_portrait.errors import ModelFileError, SettingError
from sk_portrait.sk_attention.checkpoint import load, recognise
from sk_portrait.sk_attention.motion import SKMotionModule, SKMotionModuleV5
from sk_portrait.sk_attention.published_files import ANIMATEDIFF, Shapes
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.raised import raises
from sk_portrait.testing.rule import rule_tensor
from sk_portrait.unet.networks.animatediff import diffusers_names, in_own_names

GOLDEN = Path(__file__).parent.parent / "golden"
SALT = json.loads((GOLDEN / "index.json").read_text())["salt"]


def by_rule(module, prefix):
    """The module with deterministic random weights; positional tables keep their own values."""
    state = {
        key: value
        if key.endswith(".pe")
        else torch.from_numpy(rule_tensor(SALT, prefix, key, tuple(value.shape)))
        for key, value in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module.eval()


@torch.inference_mode()
def test_sk_motion_v3_equals_the_published_module():
    case = load_file(GOLDEN / "sk_motion_v3.safetensors")
    module = by_rule(SKMotionModule(64, embedding_dim=48), "sk_motion_v3")
    assert relative_error(module(case["x"], 5, case["pad"].transpose(1, 2), case["temb"]), case["y"]) < 1e-4


@torch.inference_mode()
def test_sk_motion_v5_equals_the_published_module_with_and_without_pads():
    case = load_file(GOLDEN / "sk_motion_v5.safetensors")
    module = by_rule(SKMotionModuleV5(64), "sk_motion_v5")
    assert relative_error(module(case["x"], 5, case["pad"].transpose(1, 2)), case["y"]) < 1e-4
    assert relative_error(module(case["x"], 5, None), case["y_nopad"]) < 1e-4


def tiny_animatediff():
    """The state dict of the golden AnimateDiff case in diffusers' names, with deterministic random weights."""
    shapes = json.loads((GOLDEN / "animatediff_keys.json").read_text())
    return {
        key: torch.from_numpy(rule_tensor(SALT, "animatediff", key, tuple(shape)))
        for key, shape in shapes.items()
    }


def in_animatediffs_names(state):
    """The same state dict as AnimateDiff itself would save it: every table twice, under `module.`."""
    renames = {
        ".transformer_blocks.": ".temporal_transformer.transformer_blocks.",
        ".norm1.": ".norms.0.",
        ".norm2.": ".norms.1.",
        ".norm3.": ".ff_norm.",
        ".attn1.": ".attention_blocks.0.",
        ".attn2.": ".attention_blocks.1.",
    }
    own = {}
    for key, tensor in state.items():
        name = key
        for old, new in renames.items():
            name = name.replace(old, new)
        for outer in ("norm", "proj_in", "proj_out"):
            name = re.sub(rf"(motion_modules\.\d+)\.{outer}\.", rf"\1.temporal_transformer.{outer}.", name)
        if name.endswith("pos_embed.pe"):
            own["module." + name.replace("pos_embed", "attention_blocks.0.pos_encoder")] = tensor
            name = name.replace("pos_embed", "attention_blocks.1.pos_encoder")
        own["module." + name] = tensor
    return own


def test_animatediffs_own_names_become_diffusers_names():
    state = tiny_animatediff()
    own = in_animatediffs_names(state)
    assert in_own_names(own) and not in_own_names(state)
    renamed = diffusers_names(own)
    assert renamed.keys() == state.keys() and all(renamed[key].equal(state[key]) for key in state)
    assert diffusers_names(state).keys() == state.keys()


def test_files_in_animatediffs_own_names_take_their_norms_frame_by_frame():
    """As AnimateDiff's own code does; official HelloMeme files were tuned under diffusers, which takes them over all frames."""
    state = tiny_animatediff()
    for names, over_frames in ((state, True), (in_animatediffs_names(state), False)):
        sites = load(names, "motion.safetensors").module.sites()
        assert {module.norm_over_frames for module in sites.values()} == {over_frames}


def test_two_different_tables_in_one_module_are_an_error():
    own = in_animatediffs_names(tiny_animatediff())
    key = next(key for key in own if key.endswith("attention_blocks.0.pos_encoder.pe"))
    with pytest.raises(ModelFileError, match="pos_embed.pe"):
        diffusers_names(own | {key: own[key] + 1})


@pytest.mark.parametrize(
    "manifest", ["animatediff_midblock", "animatediff_nomid", "v3_motion", "v4_motion", "v5_motion"]
)
def test_published_files_fit_without_a_missing_or_foreign_tensor(manifest):
    tensors = json.loads((GOLDEN.parent / "manifests" / f"{manifest}.json").read_text())["tensors"]
    shapes = Shapes({key: tuple(tensor["shape"]) for key, tensor in tensors.items()})
    part = recognise(shapes, manifest)
    with torch.device("meta"):
        module = part.build(part.sizes(shapes))
    assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == shapes


@torch.inference_mode()
def test_files_without_positional_tables_get_the_table_of_the_formula():
    state = tiny_animatediff()
    bare = {key: value for key, value in state.items() if not key.endswith(".pe")}
    loaded = load(diffusers_names(bare), "mm_sd_v15_v2.ckpt")
    assert loaded.part.kind == ANIMATEDIFF
    assert (
        loaded.module.longest == 32 and loaded.module.mid_block is None and len(loaded.module.sites()) == 20
    )


def test_a_window_beyond_the_table_is_named_with_both_lengths():
    with raises(SettingError, setting="window_length", value=31):
        SKMotionModuleV5(32)(torch.zeros(31, 32, 1, 1), 31, torch.zeros(1, 2, 32, 1, 1))
