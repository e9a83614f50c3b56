"""Smooth maps from a new picture to its source, without tears and folds.

A map is a chain of steps. Each step adds a smooth displacement field with a Lipschitz constant below 1, so it
is one-to-one with a positive Jacobian, and so is the chain (diffeomorphic registration, Christensen 1996).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..opencv import cv2

STEEPEST = 0.75  # largest Lipschitz constant of one step
ROUNDS = 10  # most steps; points that have not arrived by then stay short of their goal
LEAST = 1e-3  # smallest area, square pixels of the source, of a cell of the lattice
# Number of mapped places along the longer side of a picture; pixels between them are interpolated.
LATTICE = 256


@dataclass(frozen=True)
class Grid:
    """Grid nodes of a rectangle in a picture, `step` pixels apart, the first at (x, y)."""

    x: float
    y: float
    step: float
    width: int
    height: int

    @classmethod
    def over(cls, low: np.ndarray, high: np.ndarray, nodes: int) -> Grid:
        """Create a grid from corner `low` to corner `high` with `nodes` nodes along its longer side."""
        step = float(np.max(high - low)) / (nodes - 1)
        width, height = np.ceil((high - low) / step).astype(int) + 1
        return cls(float(low[0]), float(low[1]), step, int(width), int(height))

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """(width,) x and (height,) y of the nodes, pixels."""
        return self.x + self.step * np.arange(self.width), self.y + self.step * np.arange(self.height)

    def sample(self, field: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Sample a (height, width, 2) field at (..., 2) pixels,
        bilinear, constant outside -> (..., 2) float32.

        cv2.remap rounds positions to 1/32 of a cell, which is enough to fold a strongly compressed region.
        """
        x = np.clip((places[..., 0] - self.x) / self.step, 0, self.width - 1.001)
        y = np.clip((places[..., 1] - self.y) / self.step, 0, self.height - 1.001)
        column, row = x.astype(np.int32), y.astype(np.int32)
        right, down = (x - column)[..., None], (y - row)[..., None]
        first, values = row * self.width + column, field.reshape(-1, 2)
        above = values[first] + (values[first + 1] - values[first]) * right
        first = first + self.width
        below = values[first] + (values[first + 1] - values[first]) * right
        return (above + (below - above) * down).astype(np.float32)

    def walls(self, size: tuple[int, int], margin: float) -> np.ndarray:
        """(height, width, 2) float32 factors 0..1 that damp
        displacements within `margin` pixels of the grid's border.

        At the border of the (width, height) picture, displacements across it become 0 and those along it
        stay. At a border inside the picture all displacements become 0.
        """
        factors = []
        for axis, (low, count) in enumerate(((self.x, self.width), (self.y, self.height))):
            inside = low > 0, low + self.step * (count - 1) < size[axis] - 1
            steps = np.arange(count) * self.step / margin
            factors.append((_fade(steps, (True, True)), _fade(steps, inside)))
        (across_x, along_x), (across_y, along_y) = factors
        return np.stack([np.outer(along_y, across_x), np.outer(across_y, along_x)], -1).astype(np.float32)


@dataclass(frozen=True)
class Kernel:
    """A sum of Gaussians: standard deviations in pixels, and the weight of each."""

    scales: tuple[float, ...]
    shares: tuple[float, ...]

    def field(self, grid: Grid, points: np.ndarray, offsets: np.ndarray, slack: np.ndarray) -> np.ndarray:
        """(height, width, 2) smooth field that has the (M, 2)
        offsets at the (M, 2) points, within the (M,) slack.
        """
        distance = ((points[:, None] - points[None]) ** 2).sum(-1)
        gram = sum(share * np.exp(-distance / (2 * scale**2)) for scale, share in self._gaussians())
        weights = np.linalg.solve(gram + np.diag(slack), offsets).astype(np.float32)
        x, y = grid.axes
        field = np.zeros((grid.height, grid.width, 2), np.float32)
        for scale, share in self._gaussians():  # a Gaussian is the product of one along x and one along y
            along = np.exp(-((points[:, :1] - x) ** 2) / (2 * scale**2)).astype(np.float32)
            down = share * np.exp(-((points[:, 1:] - y) ** 2) / (2 * scale**2)).astype(np.float32)
            for axis in (0, 1):
                field[..., axis] += (down * weights[:, axis : axis + 1]).T @ along
        return field

    def _gaussians(self):
        return zip(self.scales, self.shares)


@dataclass(frozen=True)
class Bend:
    """Displacement fields on one grid. walls: factors of `Grid.walls`."""

    grid: Grid
    kernel: Kernel
    walls: np.ndarray

    def field(self, points: np.ndarray, offsets: np.ndarray, slack: np.ndarray) -> np.ndarray:
        """(height, width, 2) field as in `Kernel.field`, damped near the border."""
        return self.kernel.field(self.grid, points, offsets, slack) * self.walls

    def share(self, *fields: np.ndarray) -> float:
        """Largest factor of the fields, at most 1, for which a step stays below the slope STEEPEST."""
        return min(1.0, STEEPEST / max(1e-9, *(self.steepness(field) for field in fields)))

    def steepness(self, field: np.ndarray) -> float:
        """Upper bound of the Lipschitz constant of a field, between its nodes as well."""
        right = (np.diff(field, axis=1) ** 2).sum(-1)
        down = (np.diff(field, axis=0) ** 2).sum(-1)
        cells = np.maximum(right[:-1], right[1:]) + np.maximum(down[:, :-1], down[:, 1:])
        return float(np.sqrt(cells.max())) / self.grid.step

    def carry(
        self, places: np.ndarray, points: np.ndarray, goals: np.ndarray, slack: np.ndarray
    ) -> np.ndarray:
        """Warp places so that (M, 2) points move to their goals -> (rows, columns, 2).

        The warp stops before the goals if cells between the places would fold.
        """
        for _ in range(ROUNDS):
            field = self.field(points, goals - points, slack)
            share = self.share(field)
            field *= share
            bent = places + self.grid.sample(field, places)
            if folded(bent):
                break
            places = bent
            points = points + self.grid.sample(field, points)
            if share == 1:
                break
        return places


@dataclass(frozen=True)
class Lattice:
    """Coarse grid over a (width, height) picture, and its interpolation to every pixel."""

    size: tuple[int, int]

    @property
    def _step(self) -> int:
        return max(1, round(max(self.size) / LATTICE))

    def places(self) -> np.ndarray:
        """Grid points of the picture before warping, (rows, columns, 2) float32, x and y in pixels."""
        axes = [(np.arange(-(-side // self._step)) + 0.5) * self._step - 0.5 for side in self.size]
        return np.stack(np.meshgrid(*axes), -1).astype(np.float32)

    def pixels(self, places: np.ndarray) -> np.ndarray:
        """(height, width, 2) float32: source position of each pixel of the new picture."""
        offsets, (width, height) = places - self.places(), self.size
        if self._step > 1:  # linear: bicubic interpolation overshoots beside a closed eye, and folds
            whole = offsets.shape[1] * self._step, offsets.shape[0] * self._step
            offsets = cv2.resize(offsets, whole, interpolation=cv2.INTER_LINEAR)[:height, :width]
        return offsets + np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)


def folded(places: np.ndarray) -> bool:
    """Whether a cell between (rows, columns, 2) places is inverted, or has almost no area."""
    right, down = np.diff(places, axis=1), np.diff(places, axis=0)
    corners = [(r, d) for r in (right[:-1], right[1:]) for d in (down[:, :-1], down[:, 1:])]
    return any((r[..., 0] * d[..., 1] - r[..., 1] * d[..., 0]).min() <= LEAST for r, d in corners)


def in_order(source: np.ndarray, target: np.ndarray, hidden: np.ndarray, least: float) -> np.ndarray:
    """(M,) bool: points that can move from source to target, both (M, 2), without passing each other.

    Two points pass each other if less than `least` of their distance remains in its original direction. The
    point with the larger `hidden` (M,) is dropped.
    """
    before, after = (points[:, None] - points[None] for points in (source, target))
    passing = (before * after).sum(-1) < least * (before**2).sum(-1)
    np.fill_diagonal(passing, False)
    keep = np.ones(len(source), bool)
    for k in np.argsort(-hidden, kind="stable"):
        keep[k] = not (passing[k] & keep).any()
    return keep


def smooth(values: np.ndarray) -> np.ndarray:
    """Smoothstep: 0 below 0, 1 above 1, smooth at both ends."""
    values = np.clip(values, 0, 1)
    return values * values * (3 - 2 * values)


def resample(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Sample a picture at (h, w, 2) pixels, bicubic -> (h, w, 3)."""
    x, y = (np.ascontiguousarray(places[..., axis], np.float32) for axis in (0, 1))
    return cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _fade(steps: np.ndarray, ends: tuple[bool, bool]) -> np.ndarray:
    """Factors along an axis: 0 at its closed ends, 1 from one margin on. ends: whether each end is closed."""
    away = [steps if closed else np.ones_like(steps) for closed, steps in zip(ends, (steps, steps[::-1]))]
    return smooth(np.minimum(*away))
