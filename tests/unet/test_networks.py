"""Facts of the networks that the golden tensors do not show: sizes, precision, what is computed once."""

from __future__ import annotations

import pytest
import torch

from sk_portrait.bench.cost import overhead
from sk_portrait.sk_attention.attention import (
    SKReferenceAttention,
    SKReferenceAttentionV5,
    STKReferenceModule,
)
from sk_portrait.sk_attention.drive import Expression, encode
from sk_portrait.sk_attention.fuse import fuse
from sk_portrait.sk_attention.published_files import DRIVE, PROJECTION, find_part
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.rule import draw

GOLDEN = Golden()
WIDTH = 32
BLOCKS = {"v1-v4": SKReferenceAttention, "v5": SKReferenceAttentionV5, "v5b, v5c": STKReferenceModule}
SIZES = {"384x512": (64, 48), "640x640": (80, 80), "768x768": (96, 96)}  # cells (height, width)


def normal(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(draw("tests", name, shape))


def block(name: str):
    return GOLDEN.fill(BLOCKS[name](WIDTH), "block")


def attend(module, h, ref):
    return module(h, module.project(ref))


@pytest.mark.parametrize("name", BLOCKS)
def test_folding_the_column_output_into_the_convolution_changes_no_number(name):
    h, ref = normal("h", 2, WIDTH, 6, 4), normal("ref", 1, WIDTH, 6, 4)
    module = block(name)
    weights, published = sum(p.numel() for p in module.parameters()), attend(module, h, ref)
    fused = attend(fuse(module), h, ref)
    assert (fused - published).abs().max() < 1e-6 * published.abs().max()
    assert sum(p.numel() for p in module.parameters()) < weights


def test_a_full_size_step_takes_the_least_arithmetic(capsys):
    assert overhead.main(["--only", "v2"]) == 0
    assert "v2: +15.47% of a bare call, least +15.47%" in capsys.readouterr().out


def published_form(module: SKReferenceAttention, h: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    """Section 3.1 word for word: both halves attend, the reference half of each result is thrown away."""
    height, width = h.shape[-2:]
    x = torch.cat([h, ref], -1).permute(0, 2, 3, 1)
    x = module.attn1(module.norm(x + module.table(2 * width, x)))[:, :, :width].permute(0, 3, 1, 2)
    y = torch.cat([x, ref], -2).permute(0, 3, 2, 1)
    y = module.attn2(module.norm(y + module.table(2 * height, y)))[:, :, :height].permute(0, 3, 2, 1)
    return h + module.proj(y)


@pytest.mark.parametrize("size", [(8, 8), (12, 6), (6, 12)])
@pytest.mark.parametrize("name", ["v1-v4", "v5"])
def test_projecting_the_reference_once_is_the_published_attention_for_any_shape(name, size):
    h, ref = normal("h", 2, WIDTH, *size), normal("ref", 1, WIDTH, *size)
    module = block(name)
    assert torch.allclose(
        attend(module, h, ref), published_form(module, h, ref.expand(2, -1, -1, -1)), atol=1e-5
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["v5", "v5b, v5c"])
def test_v5_takes_any_size(name, size):
    cells = SIZES[size]
    y = attend(block(name), normal("h", 1, WIDTH, *cells), normal("ref", 1, WIDTH, *cells))
    assert y.shape[-2:] == cells and torch.isfinite(y).all()


@pytest.mark.parametrize("size", SIZES)
def test_v1_to_v4_go_on_beyond_their_tables_by_the_same_formula(size):
    cells = SIZES[size]
    longer = GOLDEN.fill(SKReferenceAttention(WIDTH, table_length=256), "block")
    h, ref = normal("h", 1, WIDTH, *cells), normal("ref", 1, WIDTH, *cells)
    assert torch.allclose(attend(block("v1-v4"), h, ref), attend(longer, h, ref), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", BLOCKS)
def test_half_precision_is_close_to_full(name, dtype):
    h, ref = normal("h", 2, WIDTH, 8, 8), normal("ref", 1, WIDTH, 8, 8)
    full = attend(block(name), h, ref)
    half = attend(block(name).to(dtype), h.to(dtype), ref.to(dtype)).float()
    assert (half - full).abs().max() / full.abs().max() < 2e-2


TINY_DRIVES = {
    "v1": {"widths": (16, 32, 64, 64), "context_dim": 32},
    "v2": {"widths": (16, 32, 64, 64, 64), "context_dim": 32},
    "v3": {"widths": (16, 32, 64, 64, 64), "context_dim": 32, "down_taps": (16, 32)},
    "v4": {"widths": (16, 32, 64), "out": 16, "context_dim": 64, "table_lengths": (512, 1024)},
    "v5": {"widths": (16, 32, 64), "out": 16, "context_dim": 64},
}


def tiny_drive(version: str):
    part = find_part(DRIVE, version)
    net = GOLDEN.loaded(f"drive {version}", part, dict(part.published) | TINY_DRIVES[version]).module
    if version in ("v4", "v5"):
        widths = {320: 16, 640: 32, 1280: 64}
        published = find_part(PROJECTION, version).published["widths"]
        sizes = {name: (widths[a], widths[b], *(8 for _ in mid)) for name, (a, b, *mid) in published.items()}
        net.projection = GOLDEN.loaded(
            f"projection {version}", find_part(PROJECTION, version), {"widths": sizes}
        ).module
    return net


def expression(frames: int) -> Expression:
    return Expression(normal("coefficients", frames, 51).abs(), normal("patches", frames, 3, 1024))


@pytest.mark.parametrize("version", TINY_DRIVES)
def test_frames_of_a_drive_are_independent_and_the_null_is_one(version):
    net = tiny_drive(version)
    pictures = normal("pictures", 5, 3, 128, 128).clamp(-1, 1)
    seen = []
    whole = encode(net, pictures, expression(5), batch=2, tick=seen.append)
    single = encode(net, pictures[3:4], expression(5)[3:4])
    assert seen == [2, 4, 5] and len(whole) == 5
    for boundary, features in whole.features.items():
        assert torch.allclose(features[3:4], single.features[boundary], atol=1e-4)
        assert len(whole.null[boundary]) == 1 and torch.allclose(
            whole.null[boundary], single.null[boundary], atol=1e-5
        )
        assert not torch.allclose(whole.null[boundary], features[:1], atol=1e-3)


def stored(dtype):
    """Weights kept in `dtype` and computed in fp32, as Encode Performance does."""
    return lambda net: (net.to(dtype).float(), torch.float32)


@pytest.mark.parametrize(
    "precision",
    [stored(torch.float16), stored(torch.bfloat16), lambda net: (net.half(), torch.float16)],
    ids=["weights in fp16", "weights in bf16", "all in fp16"],
)
@pytest.mark.parametrize("version", TINY_DRIVES)
def test_a_drive_in_half_precision_is_close_to_full(version, precision):
    pictures = normal("pictures", 2, 3, 128, 128).clamp(-1, 1)
    full = encode(tiny_drive(version), pictures, expression(2))
    net, dtype = precision(tiny_drive(version))
    half = encode(net, pictures.to(dtype), expression(2))
    for boundary, features in full.features.items():
        assert (half.features[boundary].float() - features).abs().max() / features.abs().max() < 2e-2, (
            boundary
        )


@pytest.mark.parametrize("version", ["v3", "v4", "v5"])
@pytest.mark.parametrize("size", [(512, 384), (640, 640), (768, 768)])
def test_later_drives_take_other_sizes(version, size):
    height, width = size
    drive = encode(tiny_drive(version), torch.full((1, 3, *size), -1.0), expression(1))
    assert drive.features["up_3"].shape[-2:] == (height // 8, width // 8)
    assert drive.features["up_0"].shape[-2:] == (height // 64, width // 64)


def test_the_null_of_face_motion_is_zero_or_what_a_black_crop_gives():
    part = find_part(DRIVE, "v2", "motion_drive")
    net = GOLDEN.loaded("motion drive", part, dict(part.published) | TINY_DRIVES["v2"]).module
    pictures, codes = torch.full((1, 3, 128, 128), -1.0), normal("codes", 1, 548)
    zero = encode(net, pictures, Expression(face_motion=codes))
    black = encode(net, pictures, Expression(face_motion=codes), null_motion=normal("black", 1, 548))
    assert torch.equal(zero.features["up_0"], black.features["up_0"])
    assert not torch.allclose(zero.null["up_0"], black.null["up_0"], atol=1e-3)
