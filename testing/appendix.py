"""Networks of the paper's appendix A at the widths of the tiny UNet, with deterministic random weights."""

from __future__ import annotations

import torch
from torch import nn

from ..sk_attention.appendix.cross import (
    EMBEDDING,
    FACE_TOKENS,
    NAMES,
    FaceIDAdapter,
    SKCrossAdapter,
    TextAdapter,
)
from ..sk_attention.published_files import REFERENCE, find_part
from .golden import Golden
from .golden_networks import WIDTHS
from .tiny_models import normal

TEXT_WIDTH, TEXT_LENGTH = 64, 7  # of the tiny UNet's prompts
CONTROL_SIZES = {"up": (128, 128, 64), "down": (32, 64, 128), "mid": 128}


def width_of(place: tuple[str, int, int]) -> int:
    """Return the channels of a transformer block of the tiny UNet."""
    side, block, _ = place
    return WIDTHS[{"down": block, "mid": 3, "up": 3 - block}[side]]


BLOCK_WIDTHS = {name: width_of(place) for place, name in NAMES.items()}


def face_id_adapter(golden: Golden, operations=nn) -> FaceIDAdapter:
    return _filled(FaceIDAdapter(BLOCK_WIDTHS, EMBEDDING, 64, FACE_TOKENS, operations), golden)


def text_adapter(golden: Golden, operations=nn) -> TextAdapter:
    return _filled(TextAdapter(BLOCK_WIDTHS, TEXT_WIDTH, 64, TEXT_LENGTH, operations), golden)


def _filled(network: SKCrossAdapter, golden: Golden) -> SKCrossAdapter:
    return golden.fill(network, network.family)


def control_adapter(golden: Golden, operations=nn):
    """Return a ControlNetSK as `Loaded`: v1's keys without the module that is never called."""
    return golden.loaded("controlnet_sk", find_part(REFERENCE, "v1"), CONTROL_SIZES, operations)


def embeddings(people: int = 1) -> torch.Tensor:
    """Return (people, 512) embeddings of length 1."""
    return nn.functional.normalize(normal("embeddings", people, EMBEDDING), dim=1)
