"""Training data on disk: clips of encoded frames in safetensors shards, read one frame at a time.

Tensors of a clip with F frames of h x w latent pixels:

latents                (F, 4, h, w) float16 in the UNet's scale
rotation, translation  (F, 3) as in FaceTrack
coefficients           (F, 51) in the networks' order
mask                   (F, h, w) uint8 of eyes and mouth
patches                (F, 3, 1024) float16, only if they were embedded
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..face_tools.atomic_write import whole
from .errors import TrainDataError, TrainError

SHARD = 256 << 20  # largest size of a shard, bytes


class ShardWriter:
    """Context manager: `with ShardWriter(folder, size, base) as shards: shards.add(name, tensors)`.

    A shard appears when it is complete.
    """

    def __init__(self, folder: Path, size: int, base: str, limit: int = SHARD):
        """size: pixels of the frames; base: digest of the autoencoder
        that made the latents; limit: bytes of a shard.
        """
        self.folder, self.about, self.limit = folder, {"size": str(size), "base": base}, limit
        folder.mkdir(parents=True, exist_ok=True)
        self._clear()

    def _clear(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.clips: list[dict] = []

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self._write()

    @property
    def names(self) -> set[str]:
        """Names of the clips that are in the folder already."""
        return {clip["name"] for path in shards(self.folder) for clip in _about(path)[0]}

    def add(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Add one clip. Raises TrainError if its tensors differ in length."""
        lengths = {key: len(value) for key, value in tensors.items()}
        if len(set(lengths.values())) != 1:
            raise TrainError(f"The tensors of clip {name} differ in length: {lengths}.")
        self.tensors |= {f"{len(self.clips):05d}.{key}": value.contiguous() for key, value in tensors.items()}
        self.clips.append({"name": name, "frames": next(iter(lengths.values())), "tensors": sorted(tensors)})
        if sum(t.numel() * t.element_size() for t in self.tensors.values()) >= self.limit:
            self._write()

    def _write(self) -> None:
        if self.clips:
            path = self.folder / f"shard-{len(shards(self.folder)):05d}.safetensors"
            with whole(path) as part:
                save_file(self.tensors, part, self.about | {"clips": json.dumps(self.clips)})
            self._clear()


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*.safetensors"))


def _about(path: Path) -> tuple[list[dict], dict[str, str]]:
    with safe_open(path, "pt") as shard:
        about = shard.metadata()
    return json.loads(about["clips"]), about


class Clips:
    """The clips in a folder of shards. `frames` reads only the requested frames of a clip."""

    def __init__(self, folder: Path):
        paths = shards(folder)
        if not paths:
            raise TrainDataError(
                f"There is no training data in {folder}: make it with `python run.py train data CLIPS --out {folder}`.",
                folder,
            )
        self.folder, self.places = folder, []
        for path in paths:
            clips, about = _about(path)
            self.places += [(path, number, clip) for number, clip in enumerate(clips)]
            self.size, self.base = int(about["size"]), about["base"]
        self._open: dict[Path, object] = {}

    def __len__(self) -> int:
        return len(self.places)

    def name(self, clip: int) -> str:
        """Name that the clip was added with."""
        return self.places[clip][2]["name"]

    def length(self, clip: int) -> int:
        """Number of frames of a clip."""
        return self.places[clip][2]["frames"]

    def frames(self, clip: int, rows) -> dict[str, Tensor]:
        """Return {name: tensor} of the frames `rows` of a clip, in float32."""
        path, number, about = self.places[clip]
        if path not in self._open:
            self._open[path] = safe_open(path, "pt")
        shard = self._open[path]
        read = {key: shard.get_slice(f"{number:05d}.{key}") for key in about["tensors"]}
        found = {
            key: torch.cat([piece[row : row + 1] for row in rows]).float() for key, piece in read.items()
        }
        found["mask"] = found["mask"] / 255
        return found


def require_base(clips: Clips, base: str, file: str) -> None:
    """Raise TrainError if the latents were made by another autoencoder than `base`."""
    if clips.base != base:
        raise TrainError(
            f"{clips.folder} was encoded with the autoencoder {clips.base}, and {file} has {base}. Encode the data again with "
            "this checkpoint, or pass the other one as --base."
        )


def pictures_of(rotation: Tensor, translation: Tensor, size: int) -> Tensor:
    """Draw (F, 3, size, size) head-pose pictures in -1..1 for (F, 3) rotations and translations."""
    from ..face_tools.pictures.head_pose_raster import draw_box

    drawn = [
        draw_box(turn, place, (size, size)) for turn, place in zip(rotation.numpy(), translation.numpy())
    ]
    return torch.from_numpy(np.stack(drawn)).movedim(-1, 1).float() / 127.5 - 1
