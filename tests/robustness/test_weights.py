"""Model files that are cut, malformed, of other networks, or hold values that are not weights."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from sk_portrait.errors import MissingFileError
from sk_portrait.sk_attention import checkpoint
from sk_portrait.sk_attention.published_files import CheckpointError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.stand_ins import networks

FILE = "hm3_motion"


class Evil:
    """A pickle that would print if it ran."""

    def __reduce__(self):
        return print, ("a pickle ran",)


def safetensors(header: dict | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


CONTENTS = {
    "of 0 bytes": b"",
    "that is a web page": b"<!DOCTYPE html><html>404</html>",
    "with a header of a terabyte": safetensors(b"{}", length=1 << 40),
    "with a header that is not JSON": safetensors(b"{no json"),
    "with tensors outside": safetensors({"x": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}),
    "with a tensor of no size": safetensors(
        {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"0000"
    ),
    "that was cut": save({"x": torch.ones(64, 64)})[:-500],
}
UNREADABLE = r"\(\d+ bytes\) cannot be read: .* Delete it"


def tiny_file() -> dict[str, torch.Tensor]:
    return networks.build(FILE, 32).state_dict()


@pytest.mark.parametrize(
    "value, words", [("NaN", "1 of .* are not finite"), ("inf", "1 of .* are not finite")]
)
def test_a_weight_that_is_not_finite(value, words):
    state = tiny_file()
    next(iter(state.values())).view(-1)[3] = float(value)
    with pytest.raises(CheckpointError, match=f"{FILE}.safetensors is a .*{words}"):
        checkpoint.load(state, f"{FILE}.safetensors")


@pytest.mark.parametrize("kind", ["int64", "bool"])
def test_a_tensor_that_holds_no_weights(kind):
    state = tiny_file()
    key = next(iter(state))
    state[key] = state[key].to(getattr(torch, kind))
    with pytest.raises(CheckpointError, match=f"{FILE}.safetensors is a .*{kind} numbers"):
        checkpoint.load(state, f"{FILE}.safetensors")


def test_a_missing_tensor():
    state = tiny_file()
    del state[next(reversed(state))]
    with pytest.raises(CheckpointError, match="1 of its .* tensors are missing"):
        checkpoint.load(state, f"{FILE}.safetensors")


def test_a_network_of_another_pack():
    with pytest.raises(CheckpointError, match="is no HelloMeme file that this pack knows. The nearest is"):
        checkpoint.load({"lora_unet_down_blocks_0.alpha": torch.ones(1)}, "lora.safetensors")


@pytest.fixture
def load(comfy, tmp_path, monkeypatch):
    """Writes a model file into a folder of its own and opens it with Load HelloMeme Reference Model."""
    import folder_paths

    from sk_portrait.nodes import folders
    from sk_portrait.nodes.hellomeme.load import LoadAdapter

    place = [str(tmp_path)], folders.EXTENSIONS[folders.NETWORKS]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, folders.NETWORKS, place)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})

    def load(content: bytes, name: str = "hm2_reference.safetensors"):
        (tmp_path / name).write_bytes(content)
        return LoadAdapter.execute(name)

    return load


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_model_file(load, content):
    with pytest.raises(CheckpointError, match=UNREADABLE):
        load(content)


def test_a_pickle_is_not_run(load, capfd):
    with pytest.raises(CheckpointError, match=UNREADABLE):
        load(pickle.dumps(Evil()), "hm2_reference.ckpt")
    assert "a pickle ran" not in capfd.readouterr().out


def test_a_name_that_leads_out_of_the_folder(comfy, tmp_path: Path):
    from sk_portrait.nodes import folders
    from sk_portrait.nodes.hellomeme.load import LoadAdapter

    folders.register()
    save_file({"x": torch.ones(1)}, tmp_path / "secret.safetensors")
    with raises(MissingFileError, file=f"../../../../../../../..{tmp_path}/secret.safetensors"):
        LoadAdapter.execute(f"../../../../../../../..{tmp_path}/secret.safetensors")
