"""A two-layer network from MediaPipe's landmarks to ARKit
coefficients, stored as arrays and computed with NumPy.

`python run.py train expression` trains it; `docs/expression.md` lists its errors.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from ..coefficients import ARKIT_51

FILE = Path(__file__).with_name("expression.npz")


@dataclass(frozen=True)
class ExpressionTable:
    """The weights of the network. P points, H hidden units, N coefficients.

    points:          (P,) int, indices into the 478 landmarks; ten of them are irises
    shape:           (P,) complex, x + iy of the face to which every face is aligned, y up, of unit size
    names:           (N,) the ARKit coefficients that it estimates
    hidden, answer:  (2P, H) and (H, N) weights
    hidden_bias, answer_bias: (H,) and (N,)
    """

    points: np.ndarray
    shape: np.ndarray
    names: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    answer: np.ndarray
    answer_bias: np.ndarray

    def __call__(self, landmarks: np.ndarray) -> np.ndarray:
        """(F, 478, 2 or 3) landmarks, x right and y down -> (F, 51) float32 0..1 in the order of ARKIT_51.

        Coefficients that are not in `names` are zero.
        """
        units = features(landmarks, self.points, self.shape) @ self.hidden + self.hidden_bias
        coefficients = np.zeros((len(landmarks), len(ARKIT_51)), np.float32)
        columns = [ARKIT_51.index(name) for name in self.names]
        coefficients[:, columns] = _sigmoid(units * _sigmoid(units) @ self.answer + self.answer_bias)
        return coefficients

    def save(self, path: str | os.PathLike) -> None:
        """Write the table; weights as float16."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez(path, **{name: _as(np.float16, value) for name, value in arrays.items()})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "ExpressionTable":
        """Read a table written by `save`."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {field.name: file[field.name] for field in fields(cls)}
        return cls(**{name: _as(np.float32, value) for name, value in arrays.items()})


def _as(dtype: type, value: np.ndarray) -> np.ndarray:
    """Convert real numbers to `dtype`; other arrays are returned unchanged."""
    return value.astype(dtype) if value.dtype.kind == "f" else value


def features(landmarks: np.ndarray, points: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """(F, 2P) float32: residuals in x and y between the points and
    `shape` after a least-squares similarity alignment.

    Position, size and roll of the face therefore have no influence. Depth is
    not used, so two-dimensional landmarks suffice.
    """
    face = landmarks[:, points, 0].astype(np.float64) - 1j * landmarks[:, points, 1]
    face -= face.mean(1, keepdims=True)
    size = np.maximum((np.abs(face) ** 2).sum(1), np.finfo(np.float32).tiny)
    face = face * ((face.conj() * shape).sum(1) / size)[:, None] - shape
    return np.concatenate([face.real, face.imag], 1).astype(np.float32)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


@cache
def shipped_table() -> ExpressionTable:
    """Return the table that is shipped with this pack."""
    return ExpressionTable.load(FILE)
