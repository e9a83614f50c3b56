"""What is finished of a clip, on disk: a folder of arrays, each written beside its place and then renamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ..face_tools.atomic_write import written


def as_latent(latents: Tensor) -> dict[str, Tensor]:
    """(n, 4, h, w) as ComfyUI's Save Latent writes them, by name in the file."""
    return {"latent_tensor": latents.contiguous(), "latent_format_version_0": torch.tensor([])}


def write_stages(folder: Path, stages: Sequence[Tensor]) -> Path:
    """The video's latents and the first stage as files of ComfyUI -> that of the video."""
    for name, latents in zip(("video", "stage1"), stages, strict=True):
        save_file(as_latent(latents), folder / f"{name}.latent")
    return folder / "video.latent"


class Store:
    """Finished runs of a clip, and of the run in work its finished calls and windows.

    One that is whole takes the place of its parts. Latents are kept in full precision: 64 KiB a frame and call at 512 px.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, name: str) -> Tensor | None:
        """A finished run or call."""
        path = self.folder / f"{name}.npy"
        return torch.from_numpy(np.load(path)) if path.exists() else None

    def save(self, name: str, whole: Tensor) -> None:
        """A run or a call is finished: what was kept of its parts goes. Raises FileError where the disk is full."""
        self.write(f"{name}.npy", lambda file: np.save(file, whole.cpu().numpy()))
        for part in self.folder.glob(f"{name}.*.np?"):
            part.unlink()

    def save_windows(self, name: str, results: Mapping[int, Tensor]) -> None:
        """Windows of a call: number -> (m, 4, h, w)."""
        arrays = {str(window): result.cpu().numpy() for window, result in results.items()}
        self.write(f"{name}.{min(results)}.npz", lambda file: np.savez(file, **arrays))

    def windows(self, name: str) -> dict[int, Tensor]:
        """The windows of a call that are finished."""
        found = {}
        for path in self.folder.glob(f"{name}.*.npz"):
            with np.load(path) as arrays:
                found |= {int(window): torch.from_numpy(arrays[window]) for window in arrays.files}
        return found

    def write(self, name: str, write: Callable) -> None:
        """A file that is there whole or not at all; write(file) fills it. Raises FileError where the disk is full."""
        with written(self.folder / name) as file:
            write(file)
