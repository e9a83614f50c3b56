"""What the small world is made of: drawn people, as files of pictures with the truth of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .. import theatre

SIZE, CELLS = 128, 16  # pixels of a drawing, and cells of its latent
# Real heads lean and are framed off the middle: drawings are held and placed up to so far from their motion's.
LEAN, OFF = np.radians([8.0, 8.0, 25.0]), np.array([0.045, 0.03, 0.2])


@dataclass(frozen=True)
class Footage:
    """People from seed `first` on, `in_file` together; `frames` of each at `fps`, held and placed alike where they are neighbours."""

    name: str
    first: int
    frames: int
    fps: float
    in_file: int
    neighbours: bool

    def drawn(self, folder: Path, people: int, tell: Callable[[str], None]) -> list[Path]:
        """The files of `people` people in `folder`; those that are there already are kept."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.name}-{k:04d}.npz" for k in range(-(-people // self.in_file))]
        for k, path in enumerate(paths):
            if path.exists():
                continue
            first = self.first + k * self.in_file
            rows = [self._person(seed) for seed in range(first, first + self.in_file)]
            part = path.with_suffix(".part")
            with open(part, "wb") as file:
                np.savez(file, **{name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
            part.replace(path)
            tell(f"{self.name}  {(k + 1) * self.in_file} people")
        return paths

    def _person(self, seed: int) -> dict[str, np.ndarray]:
        draw = np.random.Generator(np.random.PCG64([seed, 0x1EA2]))
        shifts = draw.uniform(-1, 1, (1 if self.neighbours else self.frames, 2, 3)).repeat(self.frames if self.neighbours else 1, 0)
        motion = theatre.clip(seed, self.frames, self.fps)
        who, states = theatre.Identity.of(seed), [_leaning(state, *shift) for state, shift in zip(motion, shifts)]
        marked = [cv2.resize(theatre.masks(who, s, SIZE), (CELLS, CELLS), interpolation=cv2.INTER_AREA) for s in states]
        return {
            "pictures": np.stack([theatre.draw(who, s, SIZE) for s in states]),
            "rotation": np.stack([s.rotation for s in states]),
            "translation": np.stack([s.translation for s in states]),
            "coefficients": np.stack([s.coefficients for s in states]),
            "mask": np.round(np.stack(marked) * 255).astype(np.uint8),
        }


# The people and motions that training sees; the benches use seeds from 900,000 on.
PAIRS = Footage("drawings", 100_000, 4, 0.41, 125, neighbours=False)
CLIPS = Footage("clips", 500_000, 24, 15.0, 25, neighbours=True)


def _leaning(state: theatre.State, turn: np.ndarray, shift: np.ndarray) -> theatre.State:
    """The state held and placed differently, by shares of LEAN and OFF."""
    return theatre.State(np.float32(state.rotation + LEAN * turn), np.float32(state.translation + OFF * shift), state.coefficients)
