"""Reads X-Dyna's files by their keys: the parts of the UNet file, and
the file of the tokens (ip-adapter-plus_sd15).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ModelFileError
from ...unet.networks.strict_load import fill, flattened
from .adapter import PLACES, DynamicsAdapter, path
from .resampler import Resampler

State = Mapping[str, Tensor]
PAGE = "https://huggingface.co/Boese0601/X-Dyna"
TOKENS_PAGE = "https://huggingface.co/h94/IP-Adapter/tree/main/models"
HEAD = 64  # channels per head of the Resampler

REFERENCE, IMAGE, MOTION = r"\.attn1\.to_(q|out)_ff\.", r"\.attn2\.to_[kv]_ip\.", r"\.motion_modules\."
# SD1.5's own layers, which the MODEL has.
BASE = r"^(conv_in|time_embedding|down_blocks|mid_block|up_blocks|conv_norm_out|conv_out)\."


class XDynaFileError(ModelFileError):
    """A file is not an official X-Dyna file, or is incomplete."""


class Parts(NamedTuple):
    """The parts of a UNet file, with official names; a missing part is empty."""

    reference: dict[str, Tensor]
    image: dict[str, Tensor]
    motion: dict[str, Tensor]


def plain(state: Mapping) -> dict[str, Tensor]:
    """Return the tensors of a training checkpoint: unwraps `state_dict` and removes the prefix `module.`."""
    state = state.get("state_dict", state)
    return {key.removeprefix("module."): value for key, value in state.items()}


def split(state: Mapping, file: str) -> Parts:
    """Split a UNet file into its parts.

    Raises XDynaFileError if it has no Dynamics-Adapter, or a tensor of no known part.
    """
    state = plain(state)
    parts = Parts(
        *(
            {key: value for key, value in state.items() if re.search(kind, key)}
            for kind in (REFERENCE, IMAGE, MOTION)
        )
    )
    if not parts.reference:
        raise XDynaFileError(
            f"{file} is no X-Dyna UNet: none of its {len(state)} tensors is a Dynamics-Adapter's (to_q_ff). Download it from {PAGE}.",
            file,
        )
    if foreign := [key for key in state if not re.search(BASE, key)]:
        raise XDynaFileError(
            f"{file} is no X-Dyna UNet: {foreign[0]!r} does not belong to it ({len(foreign)} such). Download it from {PAGE}.",
            file,
        )
    return parts


class Tokens(NamedTuple):
    """The parts of an IP-Adapter-Plus file: the Resampler, and the
    key and value projections under X-Dyna's names.
    """

    resampler: dict[str, Tensor]
    image: dict[str, Tensor]


def split_tokens(state: Mapping, file: str) -> Tokens:
    """Split ip-adapter-plus_sd15 (.bin or .safetensors) into its parts.

    Raises XDynaFileError for another file.
    """
    flat = flattened(state)
    resampler = {
        key.removeprefix("image_proj."): value for key, value in flat.items() if key.startswith("image_proj.")
    }
    if "latents" not in resampler:
        raise XDynaFileError(
            f"{file} is no ip-adapter-plus_sd15: it has no learned queries (image_proj.latents). Download it from {TOKENS_PAGE}.",
            file,
        )
    image = {}
    for number, place in enumerate(PLACES):
        for name in ("to_k_ip", "to_v_ip"):
            if (key := f"ip_adapter.{2 * number + 1}.{name}.weight") in flat:
                image[f"{path(place)}.attn2.{name}.weight"] = flat[key]
    return Tokens(resampler, image)


def adapter(
    reference: State, image: State, file: str, operations=nn, dtype: torch.dtype | None = None
) -> DynamicsAdapter:
    """Build the network of both parts.

    Raises XDynaFileError that names a missing, foreign or misshapen tensor.
    """
    state = {**reference, **image}
    queries = {place: f"{path(place)}.attn1.to_q_ff.weight" for place in PLACES}
    keys = f"{path(PLACES[0])}.attn2.to_k_ip.weight"
    if missing := [key for key in (*queries.values(), keys) if key not in state]:
        raise XDynaFileError(f"{file} is no whole X-Dyna UNet: {missing[0]!r} is missing.", file)
    network = DynamicsAdapter(
        {place: state[key].shape[0] for place, key in queries.items()}, state[keys].shape[1], operations
    )
    return fill(network, state, file, "an X-Dyna UNet", XDynaFileError, dtype)


def resampler(
    state: State, file: str, operations=nn, dtype: torch.dtype | None = None, head: int = HEAD
) -> Resampler:
    """Build the Resampler from its part. head: channels per head. Raises XDynaFileError as `adapter` does."""
    depth = len({key.split(".")[1] for key in state if key.startswith("layers.")})
    try:
        queries, dim = state["latents"].shape[1:]
        inner, hidden = state["layers.0.0.to_q.weight"].shape[0], state["layers.0.1.1.weight"].shape[0]
        out, embedding = state["proj_out.weight"].shape[0], state["proj_in.weight"].shape[1]
    except KeyError as missing:
        raise XDynaFileError(f"{file} has no whole Resampler: {missing} is missing.", file) from None
    network = Resampler(embedding, dim, out, depth, inner, inner // head, queries, hidden, operations)
    return fill(network, state, file, "a Resampler", XDynaFileError, dtype)
