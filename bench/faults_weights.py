"""Faults of model files: cut, lying, foreign, or full of what is no weight."""

from __future__ import annotations

import json
import pickle
import struct
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import save_file

from ..sk_attention import checkpoint
from ..testing.stand_ins import networks
from .fault import Table

TABLE = Table()
FILE, WIDTH = "hm3_motion", 32


def spoiled(kind: str, folder: Path) -> None:
    """Load a motion file in which one tensor is spoiled."""
    state = networks.build(FILE, WIDTH).state_dict()
    key = next(iter(state))
    if kind in ("NaN", "infinite"):
        state[key].view(-1)[3] = float(kind[:3])
    else:
        state[key] = state[key].to(getattr(torch, kind))
    checkpoint.load(state, f"{FILE}.safetensors")


WORDS = {"NaN": "1 of .* are not finite", "infinite": "1 of .* are not finite", "int64": "int64 numbers", "bool": "bool numbers"}
for kind, words in WORDS.items():
    TABLE.fault(f"a weight that is {kind}", f"{FILE}.safetensors is a .*{words}")(partial(spoiled, kind))


@TABLE.fault("a tensor too few", "1 of its .* tensors are missing")
def missing(folder: Path) -> None:
    state = networks.build(FILE, WIDTH).state_dict()
    del state[next(reversed(state))]
    checkpoint.load(state, f"{FILE}.safetensors")


@TABLE.fault("a network of somebody else", "is no HelloMeme file that this pack knows. The nearest is")
def foreign(folder: Path) -> None:
    checkpoint.load({"lora_unet_down_blocks_0.alpha": torch.ones(1)}, "lora.safetensors")


def opened(content: bytes, folder: Path, name: str = "hm2_reference.safetensors") -> None:
    """What Load Adapter says of a file with such content."""
    import folder_paths

    from ..nodes import folders
    from ..nodes.hellomeme.load import LoadAdapter

    (folder / name).write_bytes(content)
    place = {folders.NETWORKS: ([str(folder)], folders.EXTENSIONS[folders.NETWORKS])}
    listed = mock.patch.object(folder_paths, "filename_list_cache", {})  # else the host goes on looking into the folder
    with mock.patch.dict(folder_paths.folder_names_and_paths, place), listed:
        LoadAdapter.execute(name)


def safetensors(header: dict | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def whole() -> bytes:
    from safetensors.torch import save

    return save({"x": torch.ones(64, 64)})


class Evil:
    """A pickle that would write a file if it ran."""

    def __reduce__(self):
        return print, ("a pickle ran",)


CONTENTS = {
    "of 0 bytes": b"",
    "that is a web page": b"<!DOCTYPE html><html>404</html>",
    "whose header is a terabyte long": safetensors(b"{}", length=1 << 40),
    "whose header is no JSON": safetensors(b"{no json"),
    "whose tensors lie outside": safetensors({"x": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}),
    "whose tensor is of no size": safetensors({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"0000"),
}
for name, content in CONTENTS.items():
    TABLE.fault(f"a model file {name}", r"\(\d+ bytes\) cannot be read: .* Delete it", host=True)(partial(opened, content))


@TABLE.fault("a model file that was cut", "cannot be read: .* Delete it and download it again", host=True)
def cut(folder: Path) -> None:
    opened(whole()[:-500], folder)


@TABLE.fault("a pickle that would run", "cannot be read: .* Delete it and download it again", host=True)
def evil(folder: Path) -> None:
    opened(pickle.dumps(Evil()), folder, "hm2_reference.ckpt")


@TABLE.fault("a name that leads out of the folder", "was not found. Put it into", host=True)
def traversal(folder: Path) -> None:
    from ..nodes import folders
    from ..nodes.hellomeme.load import LoadAdapter

    folders.register()
    save_file({"x": torch.ones(1)}, folder / "secret.safetensors")
    LoadAdapter.execute(f"../../../../../../../..{folder}/secret.safetensors")
