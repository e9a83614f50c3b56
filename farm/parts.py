"""Finished parts of a clip on disk, and the division of missing frames into new parts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..unet.clip.parts import MARGIN, Part, Seam, join
from ..unet.feature_cache import consecutive
from .scheduling import shared_out
from .store import Store

LONG = 6 * MARGIN  # frames from which the additional margins are worth their cost
EACH = 4  # parts per server: little work is delayed if a server is slow or lost


class Sampled(NamedTuple):
    """Outputs of the Portrait Video Sampler for a part: (n, 4, h, w), and the first stage, which in a
    key-frame tree is all key frames of the clip.
    """

    video: Tensor
    first: Tensor


def lay_out(clip: int, missing: list[range], servers: int) -> list[Part]:
    """Divide the missing frames into parts of equal length: several per server, and at least one."""
    total = sum(map(len, missing))
    count = min(max(total // LONG, servers), EACH * servers)
    stretches = [
        stretch for run in missing for stretch in shared_out(run, max(1, round(count * len(run) / total)))
    ]
    return [Part.of(clip, stretch[0], len(stretch), MARGIN) for stretch in stretches]


class FinishedParts:
    """The finished parts of one clip of `clip` frames: one file per part in a folder.

    Parts of earlier runs may have any boundaries.
    """

    def __init__(self, store: Store, clip: int):
        self.store, self.clip = store, clip
        self.found: dict[Part, Sampled] = {}
        for path in sorted(store.folder.glob("part.*.npz")):
            with np.load(path) as arrays:
                part = Part.of(clip, *map(int, arrays["stretch"]), MARGIN)
                self.found[part] = Sampled(*(torch.from_numpy(arrays[name]) for name in Sampled._fields))

    def add(self, part: Part, sampled: Sampled) -> None:
        """Store a part. Raises FileError if the disk is full."""
        first, count = part.keeps.start, len(part.keeps)
        arrays = sampled._asdict() | {"stretch": (first, count)}
        self.store.write(f"part.{first}.{count}.npz", lambda file: np.savez(file, **arrays))
        self.found[part] = sampled

    def missing(self, wanted: range) -> list[range]:
        """Return the ranges of wanted frames that no part keeps."""
        there = {frame for part in self.found for frame in part.keeps}
        return [
            range(run.start, run.stop)
            for run in consecutive([frame for frame in wanted if frame not in there])
        ]

    def key_frames(self) -> Tensor | None:
        """Key frames of a tree, for the sampler's input stage1, once a part provides them; otherwise None.

        The first stage of two stages has the frames of its part instead.
        """
        return next(
            (sampled.first for part, sampled in self.found.items() if len(sampled.first) != len(part.frames)),
            None,
        )

    def stages(self, wanted: range) -> tuple[Tensor, Tensor, Seam]:
        """Return these frames of the clip, their first stage or the key frames of the whole clip, and the
        largest difference between parts.
        """
        joined, rows = (
            join([(part, sampled.video) for part, sampled in self.found.items()]),
            slice(wanted.start, wanted.stop),
        )
        first = self.key_frames()
        if first is None:
            first = join([(part, sampled.first) for part, sampled in self.found.items()]).latents[rows]
        return joined.latents[rows], first, joined.seam
