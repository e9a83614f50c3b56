"""Parity of the W+ adapter: its projection, its attention, its directions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..companions.wplus import Projection, ResidualAttention
from ..companions.wplus_directions import GANSpaceRow, ganspace, whole
from ..unet.layers import Attention
from .golden import Golden
from .parity_modules import Compared


def _proj(golden: Golden, host) -> Compared:
    t = golden.tensors("wplus_proj")
    projection = golden.fill(Projection(t["tokens"].shape[-1], host.operations), "wplus_proj")
    yield "tokens", projection(t["w"]), t["tokens"]
    yield "uncond", projection(torch.zeros_like(t["w"][:1])), t["uncond"]


def _attention(golden: Golden, host) -> Compared:
    t = golden.tensors("wplus_attention")
    width, token_dim = t["n"].shape[-1], t["context"].shape[-1]
    text = golden.fill(Attention(width, token_dim), "wplus_attention")
    residual = golden.fill(ResidualAttention(width, token_dim, host.operations), "wplus_attention_adapter")
    to_out, text.to_out[0] = text.to_out[0], nn.Identity()
    heads = text(t["n"], text.keys_values(t["context"][:, :-4]))
    added = residual(heads, t["context"][:, -4:])
    for name, scale in (("y_1", 1.0), ("y_-0.7", -0.7), ("y_0", 0.0), ("y_rows", torch.tensor([-0.7, 1.0])[:, None, None])):
        yield name, to_out(heads + scale * added), t[name]


def _directions(golden: Golden, host) -> Compared:
    t, settings = golden.tensors("wplus_directions"), golden.index["cases"]["wplus_directions"]
    pca: dict[str, Tensor] = {name: t[f"pca.{name}"] for name in ("mean", "comp", "std")}
    row = GANSpaceRow("test", *(settings[name] for name in ("component", "start", "end")))
    yield "interfacegan", whole(t["flat"], "the direction")[None], t["interfacegan"]
    for name, strength in (("4minus", -4.0), ("2", 2.0)):
        yield f"ganspace_strength_{name}", ganspace(t["w"][0], pca, row, strength)[None], t[f"ganspace_strength_{name}"]


WPLUS_CASES = {"wplus_proj": _proj, "wplus_attention": _attention, "wplus_directions": _directions}
