"""Finished work of a clip on disk: a folder of arrays, each written to a temporary file and then renamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ..face_tools.atomic_write import written


def as_latent(latents: Tensor) -> dict[str, Tensor]:
    """Return (n, 4, h, w) latents as the tensors of a file of ComfyUI's Save Latent."""
    return {"latent_tensor": latents.contiguous(), "latent_format_version_0": torch.tensor([])}


def write_stages(folder: Path, stages: Sequence[Tensor]) -> Path:
    """Write the video's latents and the first stage as files of ComfyUI; return the path of the video's."""
    for name, latents in zip(("video", "stage1"), stages, strict=True):
        save_file(as_latent(latents), folder / f"{name}.latent")
    return folder / "video.latent"


class Store:
    """Finished runs of a clip, and the finished calls and windows of the current run.

    A complete run or call replaces its parts. Latents are stored in full
    precision: 64 KiB per frame and call at 512 px.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, name: str) -> Tensor | None:
        """Return a finished run or call, None if it is not finished."""
        path = self.folder / f"{name}.npy"
        return torch.from_numpy(np.load(path)) if path.exists() else None

    def save(self, name: str, whole: Tensor) -> None:
        """Store a finished run or call, and delete its parts. Raises FileError if the disk is full."""
        self.write(f"{name}.npy", lambda file: np.save(file, whole.cpu().numpy()))
        for part in self.folder.glob(f"{name}.*.np?"):
            part.unlink()

    def save_windows(self, name: str, results: Mapping[int, Tensor]) -> None:
        """Store windows of a call: number -> (m, 4, h, w)."""
        arrays = {str(window): result.cpu().numpy() for window, result in results.items()}
        self.write(f"{name}.{min(results)}.npz", lambda file: np.savez(file, **arrays))

    def windows(self, name: str) -> dict[int, Tensor]:
        """Return the finished windows of a call."""
        found = {}
        for path in self.folder.glob(f"{name}.*.npz"):
            with np.load(path) as arrays:
                found |= {int(window): torch.from_numpy(arrays[window]) for window in arrays.files}
        return found

    def write(self, name: str, write: Callable) -> None:
        """Write a file completely or not at all; write(file) fills it.

        Raises FileError if the disk is full.
        """
        with written(self.folder / name) as file:
            write(file)
