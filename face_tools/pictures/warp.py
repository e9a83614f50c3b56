"""A picture bent by a mesh: what lies in a triangle of points before lies in the same triangle after."""

from __future__ import annotations

import cv2
import numpy as np

EDGE = 8  # fixed points along each side of the picture


class Mesh:
    """Triangles over a picture of (width, height) pixels through (P, 2) points; the picture's edges stay where they are."""

    def __init__(self, points: np.ndarray, size: tuple[int, int]):
        self.size = size
        self.points = np.concatenate([np.asarray(points, np.float32)[:, :2], _frame(size)])
        self.triangles = _delaunay(self.points)

    def warp(self, picture: np.ndarray, moved: np.ndarray, depth: np.ndarray | None = None) -> np.ndarray:
        """(H, W, 3) uint8 of the picture after its points have moved to (P, 2) places.

        depth: (P,) of each point, smaller is nearer: where triangles fold over one another, the nearer one is seen.
        """
        width, height = self.size
        target = np.concatenate([np.asarray(moved, np.float32)[:, :2], self.points[len(moved) :]])
        order = np.arange(len(self.triangles))
        if depth is not None:
            far = np.concatenate([depth, np.full(len(self.points) - len(depth), np.max(depth) + 1.0)])
            order = np.argsort(-far[self.triangles].mean(1), kind="stable")
        labels = np.full((height, width), -1, np.int32)
        corners = np.round(target[self.triangles] * 16).astype(np.int32)
        for k in order:
            cv2.fillConvexPoly(labels, corners[k], int(k), cv2.LINE_8, 4)
        matrices = _back(self.points[self.triangles], target[self.triangles])
        y, x = np.mgrid[:height, :width].astype(np.float32)
        m = matrices[labels]  # label -1 takes the last row, the identity
        mapped = [m[..., i, 0] * x + m[..., i, 1] * y + m[..., i, 2] for i in (0, 1)]
        return cv2.remap(picture, *mapped, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _frame(size: tuple[int, int]) -> np.ndarray:
    """(4 * EDGE, 2) points round the picture."""
    along = np.arange(EDGE, dtype=np.float32) / EDGE
    right, down = size[0] - 1.0, size[1] - 1.0
    sides = [(along * right, 0 * along), (right + 0 * along, along * down), (right - along * right, down + 0 * along),
             (0 * along, down - along * down)]  # fmt: skip
    return np.concatenate([np.stack(side, 1) for side in sides]).astype(np.float32)


def _delaunay(points: np.ndarray) -> np.ndarray:
    """(T, 3) indices of the triangles between points."""
    low, high = points.min(0) - 2, points.max(0) + 2
    division = cv2.Subdiv2D((int(low[0]), int(low[1]), int(np.ceil(high[0] - low[0])) + 2, int(np.ceil(high[1] - low[1])) + 2))
    places: dict[tuple[float, float], int] = {}
    for k, point in enumerate(points):
        places.setdefault((float(point[0]), float(point[1])), k)
    for place in places:
        division.insert(place)
    corners = division.getTriangleList().reshape(-1, 3, 2)
    found = [[places.get((float(x), float(y))) for x, y in triangle] for triangle in corners]
    return np.array([triangle for triangle in found if None not in triangle], np.int64)


def _back(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(T + 1, 2, 3) from places in each moved triangle to places in the picture; the last is the identity."""
    ones = np.ones((len(target), 3, 1))
    placed = np.concatenate([target, ones], 2).astype(np.float64)
    flat = np.abs(np.linalg.det(placed)) < 1e-3
    placed[flat] = np.eye(3)
    matrices = np.linalg.solve(placed, source.astype(np.float64)).transpose(0, 2, 1)
    matrices[flat] = [[1, 0, 0], [0, 1, 0]]
    return np.concatenate([matrices, [[[1, 0, 0], [0, 1, 0]]]]).astype(np.float32)
