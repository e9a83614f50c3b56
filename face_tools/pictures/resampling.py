"""Resampling along one axis as a matrix, and its least-squares inverse."""

from __future__ import annotations

import numpy as np

from ..opencv import cv2

BLOCK = 32  # rows of a banded matrix that are multiplied together


def resized(source: int, target: int) -> np.ndarray:
    """(target, source) matrix of OpenCV's bicubic resize."""
    return cv2.resize(np.eye(source, dtype=np.float32), (source, target), interpolation=cv2.INTER_CUBIC)


def sampled_down(source: int, target: int, step: float, start: float) -> np.ndarray:
    """(target, source) matrix of bicubic sampling down a picture: row i is read at start + step * i."""
    return _sampled(np.array([[1, 0, 0], [0, step, start]]), source, (source, target))


def sampled_across(source: int, target: int, step: float, start: float) -> np.ndarray:
    """(target, source) matrix of bicubic sampling across a picture: column i is read at start + step * i."""
    return _sampled(np.array([[step, 0, start], [0, 1, 0]]), source, (target, source)).T


def sampled(picture: np.ndarray, places: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Sample a picture with a (2, 3) map `places`, bicubic -> (height, width, ...); size: (width, height).

    places maps from the result to the picture, because OpenCV's own inverse would be rounded differently.
    """
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, places, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _sampled(places: np.ndarray, source: int, size: tuple[int, int]) -> np.ndarray:
    """Sampling matrix, read from unit impulses. OpenCV rounds positions differently along the two axes."""
    return sampled(np.eye(source, dtype=np.float32), places, size)


def least_squares(matrix: np.ndarray) -> Banded:
    """(N, M) inverse of an (M, N) magnification: exact on its results, the best fit for other inputs."""
    columns = matrix.astype(np.float64)
    return Banded(np.linalg.solve(columns.T @ columns, columns.T).astype(np.float32))


class Banded:
    """An (M, N) float32 matrix with small values far from its diagonal, stored as
    blocks of rows with the columns that each needs.

    The inverse of an interpolation decays by a factor of about four per pixel.
    Values below the resolution of float32 are omitted.
    """

    def __init__(self, matrix: np.ndarray):
        self.rows = len(matrix)
        self.blocks: list[tuple[slice, slice, np.ndarray]] = []
        least = np.finfo(np.float32).eps * np.abs(matrix).max()
        for start in range(0, self.rows, BLOCK):
            block = matrix[start : start + BLOCK]
            needed = np.flatnonzero((np.abs(block) > least).any(0))
            columns = slice(int(needed[0]), int(needed[-1]) + 1)
            rows = slice(start, start + len(block))
            self.blocks.append((rows, columns, np.ascontiguousarray(block[:, columns])))

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Multiply the matrix by an (N, W, C) picture -> (M, W, C) float32."""
        result = np.empty((self.rows, *picture.shape[1:]), np.float32)
        for rows, columns, block in self.blocks:
            seen = picture[columns].reshape(block.shape[1], -1)
            np.matmul(block, seen, out=result[rows].reshape(len(block), -1))
        return result


def along_both(rows: Banded, columns: Banded, picture: np.ndarray) -> np.ndarray:
    """Apply `rows` along the height of a picture and `columns` along its width."""
    return cv2.transpose(columns(cv2.transpose(rows(picture))))
