"""Reference tensors of the official modules, and networks with random weights (tests/golden/README.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..sk_attention.checkpoint import Loaded, load
from ..sk_attention.published_files import Part
from .rule import fill, rule_tensor

TESTS = Path(__file__).parent.parent / "tests"
DEFAULT, OTHER = TESTS / "golden", TESTS / "golden-other"
FOLDERS = (DEFAULT, OTHER)  # HelloMeme, and the other systems on the same UNet


class Golden:
    """A folder in the format of tests/golden."""

    def __init__(self, folder: str | Path = DEFAULT):
        self.folder = Path(folder)
        self.index = json.loads((self.folder / "index.json").read_text())
        self.salt: str = self.index["salt"]

    def has(self, case: str) -> bool:
        return (self.folder / f"{case}.safetensors").is_file()

    def label(self, case: str) -> str:
        """Suffix of a test id: " (formula)" for a case that was not made by the official code."""
        return " (formula)" if self.index["cases"].get(case, {}).get("source") == "formula" else ""

    def tensors(self, case: str) -> dict[str, Tensor]:
        return load_file(self.folder / f"{case}.safetensors")

    def weights(self, prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """Return a state dict with deterministic random weights."""
        return {
            key: torch.from_numpy(rule_tensor(self.salt, prefix, key, shape)) for key, shape in shapes.items()
        }

    def fill(self, network: nn.Module, prefix: str) -> nn.Module:
        """Fill every parameter of a network with deterministic random weights; buffers keep their values."""
        return fill(network, self.salt, prefix)

    def loaded(self, prefix: str, part: Part, sizes: Mapping[str, Any], operations=nn) -> Loaded:
        """Build a part of these sizes with deterministic random weights, through the pack's own loader."""
        return load(self.fill(part.build(sizes), prefix).state_dict(), prefix, operations)

    def unet_weights(self) -> dict[str, Tensor]:
        """Weights of the tiny SD1.5 UNet, with LDM names."""
        return self.weights(
            "unet", {key: tuple(shape) for key, shape in self.index["unet_ldm_shapes"].items()}
        )
