"""Decodes latents into a video file: workers decode, and the driver writes the frames in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..face_tools import video_file
from .worker_pool import Request, WorkerPool

BATCH = 16  # frames per request


def write(
    path: Path,
    pool: WorkerPool,
    latents: Tensor,
    decoder: list,
    audio: dict | None,
    fps: float,
    progress: Callable[[int], Any],
) -> Path:
    """Decode (n, 4, h, w) with the VAE at `decoder` on all workers, and write `path`.

    Frames that arrive early wait in memory.

    audio: AUDIO or None. Raises FileError if the file cannot be written, for example on a full disk.
    """
    batches = [latents[i : i + BATCH].clone() for i in range(0, len(latents), BATCH)]

    def pictures() -> Iterator[np.ndarray]:
        early: dict[int, np.ndarray] = {}
        written = 0
        for number, batch in pool.answers(
            [Request("decode", (batch, decoder), ("decode", i)) for i, batch in enumerate(batches)]
        ):
            early[number] = batch.numpy()
            while written in early:
                decoded = early.pop(written)
                yield from decoded
                progress(len(decoded))
                written += 1

    sound = (audio["waveform"][0].float().cpu().numpy(), audio["sample_rate"]) if audio else None
    video_file.write(str(path), pictures(), fps, sound)
    return path
