"""Features of the whole picture where a UNet call shows a part of it, or all of it at another size."""

from __future__ import annotations

import logging

import pytest
import torch

from sk_portrait.errors import SizeError
from sk_portrait.sk_attention.attention import (
    SKReferenceAttention,
    SKReferenceAttentionV5,
    STKReferenceModule,
)
from sk_portrait.testing.raised import raises
from sk_portrait.unet.clip.fit import View, fitted, notice_size
from sk_portrait.unet.clip.run import Area
from sk_portrait.unet.patches import BOUNDARIES


def picture(height: int, width: int) -> torch.Tensor:
    """(1, 2, height, width) that tells where each cell is."""
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([rows, columns])[None]


def test_the_whole_picture_at_its_own_size_is_left_alone():
    features = picture(4, 6)
    assert fitted(features, "down_1", View((16, 24))).equal(features)


def test_a_part_on_whole_cells_is_cut_exactly():
    part = fitted(picture(8, 8), "down_0", View((16, 16), Area(8, 4, 6, 12)))
    assert part[0, 0, :, 0].tolist() == [3, 4, 5, 6] and part[0, 1, 0].tolist() == [6, 7]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    "area", [Area(3, 5, 14, 0), Area(16, 1, 1, 16), Area(17, 17, 0, 0), Area(7, 9, 5, 3)]
)
def test_a_part_has_the_size_that_the_unet_gives_it_and_lies_inside(boundary, area):
    (height, width), part = View((17, 17), area).at(boundary)
    for _ in range({"up_3": 0, "up_2": 1, "down_0": 1, "up_1": 2, "down_1": 2}.get(boundary, 3)):
        area = Area(
            (area.height + 1) // 2, (area.width + 1) // 2, 0, 0
        )  # a convolution of stride 2 and padding 1
    assert part[:2] == area[:2]
    assert 0 <= part.top <= height - part.height and 0 <= part.left <= width - part.width


def test_another_size_is_said_in_pixels_and_another_shape_refused(caplog):
    features = {"down_0": torch.zeros(1, 1, 32, 32), "down_1": torch.zeros(1, 1, 16, 16)}
    with caplog.at_level(logging.WARNING):
        notice_size(features, View((64, 64)), "drive", "draw it again")
        assert not caplog.messages
        notice_size(features, View((96, 96)), "drive", "draw it again")
    assert "drive was made for 512x512 px, and 768x768 px are sampled: it is resized" in caplog.messages[0]
    with raises(SizeError, size=(512, 512), expected=(768, 512)):
        notice_size(features, View((64, 96)), "drive", "draw it again")


@torch.inference_mode()
@pytest.mark.parametrize("kind", [SKReferenceAttention, SKReferenceAttentionV5, STKReferenceModule])
def test_a_part_attends_to_the_whole_lines_of_the_reference(kind):
    """As the published layout does where the cells outside of the part are hidden from it."""
    torch.manual_seed(1)
    module = kind(32).eval()
    spatial = module.attn if kind is STKReferenceModule else module
    h, reference, part = torch.randn(1, 32, 4, 3), torch.randn(1, 32, 8, 8), Area(4, 3, 2, 5)
    reference_kv = module.project(reference)
    got = spatial.attend(h, module.of_parts(reference_kv, [part], h))

    def along(x, attention, keys_values, start, lines):
        x = spatial.norm(x + spatial.table(8, x)[start : start + x.shape[-2]])
        keys, values = (
            torch.cat([own, whole[:, lines]], dim=-2)
            for own, whole in zip(attention.keys_values(x), keys_values)
        )
        return attention(x, (keys, values))

    rows, columns = spatial.line_attentions()
    x = along(h.permute(0, 2, 3, 1), rows, reference_kv.rows, part.left, slice(part.top, part.top + 4))
    x = along(x.transpose(1, 2), columns, reference_kv.columns, part.top, slice(part.left, part.left + 3))
    assert torch.allclose(got, x.permute(0, 3, 2, 1), atol=1e-5)
