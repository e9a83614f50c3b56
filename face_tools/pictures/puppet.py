"""A portrait that can be moved: its 3D landmarks, and the picture warped to follow them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..coefficients import ARKIT_51
from ..contours import BROWS, CORNERS, INNER_LOWER, INNER_UPPER, IRIS, LIDS, OUTER_LOWER, OUTER_UPPER, OVAL
from ..geometry import rotation_matrix
from ..track import FaceTrack
from ..track_errors import NoFaceError, SchemeError
from .face_shapes import face_shapes
from .mouth import OPENS, Mouth
from .warp import Bend, Grid, Kernel, Lattice, in_order, resample

SCHEME = "mediapipe478"
EYES = (33, 263)  # outer corners
EYES_CM = 8.89  # distance between them in the head template
# Limits of a face: smallest distance of its eyes, pixels; largest
# distance of landmarks from the centre, picture sides.
SMALLEST, REACH = 2.0, 2.0
FLIP = np.array([1.0, -1.0, -1.0])  # between pixels (y down, z away) and camera (y up, z towards the viewer)
SKIN = 468  # number of landmarks before the irises
LIPS = (*OUTER_UPPER, *OUTER_LOWER, *INNER_UPPER, *INNER_LOWER)
EYELIDS = tuple(point for lids in LIDS.values() for lid in lids for point in lid)
BOTH_BROWS = (*BROWS["Right"], *BROWS["Left"])
# Minimum distance, centimetres, of other points from a brow: drawn brows are elsewhere on the forehead.
BROW_APART = 2.0
NOSE = (1, 2, 4, 5, 6, 98, 129, 168, 195, 197, 327, 358)
IRIS_HOLDS = (0, 1, 3)  # centre and sides; lids hide top and bottom
IRISES = [point for iris in IRIS.values() for point in iris]
MIDDLE_OF_LID, HALF_CLOSED = slice(3, 6), 0.5  # middle points of a lid; fraction of the eye's opening


@dataclass(frozen=True)
class Hold:
    """How landmarks constrain the warp; lengths in centimetres.

    points:    landmarks that always constrain it; others are added that are at least `apart` from all of them
    scales:    standard deviations of the Gaussians of a displacement field; shares: their weights
    nodes:     grid nodes along the longer side of a window that extends `beyond` the face and fades over
      `fade`
    order:     see `in_order`
    """

    points: tuple[int, ...]
    apart: float
    scales: tuple[float, ...]
    shares: tuple[float, ...]
    nodes: int
    beyond: float
    fade: float
    order: float


# Resolves details down to the size of an iris.
EXPRESSION = Hold(
    points=(*LIPS, *EYELIDS, *BOTH_BROWS, *NOSE),
    apart=0.9,
    scales=(4.0, 1.6, 0.7, 0.35),
    shares=(1.0, 0.4, 0.15, 0.05),
    nodes=144,
    beyond=5.0,
    fade=3.5,
    order=0.01,
)
TURN = Hold(
    points=(*OVAL[::2], 0, 1, 4, 17, 33, 61, 133, 152, 263, 291, 362),
    apart=1.3,
    scales=(8.0, 4.0),
    shares=(1.0, 0.4),
    nodes=96,
    beyond=24.0,
    fade=4.0,
    order=0.12,
)
# Tolerance with which landmarks constrain the warp.
EXPRESSION_SLACK, TURN_SLACK, OVAL_SLACK = 0.004, 0.02, 0.12
# Hair: arches around the oval above HAIR_FROM cm: factor of the
# oval, depth in cm, weight of the own depth, slack.
HAIR_FROM, HAIR = -3.0, ((1.35, -4.0, 0.65, 0.15), (1.75, -3.0, 0.35, 0.5))
# Limits for a face that already smiles or opens its mouth: a coefficient; centimetres between the lips. At
# least LEAST of a coefficient can always be added.
MOST_SMILE, WIDEST, LEAST = 1.15, 3.4, 0.25
# Centimetres by which the corners of a mouth lie behind its middle
# at rest, and the amount that a full smile adds.
CORNERS_REST, CORNERS_SMILE = 1.2, 0.7
JAW, *SMILES = (ARKIT_51.index(name) for name in ("jawOpen", "mouthSmileLeft", "mouthSmileRight"))


class Puppet:
    """A portrait, (H, W, 3) uint8, that can be moved by its landmarks.

    track: track of the portrait; its first frame is used. Raises TrackError for landmarks of another scheme,
    or far outside the picture.
    """

    def __init__(self, picture: np.ndarray, track: FaceTrack):
        if track.scheme != SCHEME or track.landmarks.shape[-1] != 3:
            raise SchemeError(
                f"A portrait is moved by 3D {SCHEME} landmarks; this track has {track.scheme}.", track.scheme
            )
        self.picture, self.landmarks = picture, track.landmarks[0].astype(np.float64)
        self._size = picture.shape[1], picture.shape[0]
        self._require_face()
        self.pose = track.rotation[0].astype(np.float64)  # relative to a straight look
        self.rotation = track.own_rotation[0].astype(np.float64)
        self._centre = self.landmarks.mean(0)
        upright = (self.landmarks - self._centre) * FLIP @ rotation_matrix(self.rotation)
        self._cm = float(np.linalg.norm(upright[EYES[0]] - upright[EYES[1]])) / EYES_CM
        self._upright = upright / self._cm
        self._shapes = face_shapes(self._upright)
        self._mouth = Mouth(picture, self.landmarks[:, :2], self._cm)

    def _require_face(self) -> None:
        flat, size = self.landmarks[:, :2], np.array(self._size)
        apart = np.linalg.norm(flat[EYES[0]] - flat[EYES[1]])
        if apart < SMALLEST or (np.abs(flat - size / 2) > size * REACH).any():
            raise NoFaceError(
                f"There is no face to move: its eyes are {apart:.3g} px apart, and its landmarks go from "
                f"{_place(flat.min(0))} to {_place(flat.max(0))} in a picture of {_place(size)} px.",
                0,
            )

    def moved(self, change: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """(478, 3) float32 landmarks after a change of (51,) coefficients and a turn of (3,) radians."""
        return self._seen(self._expressed(change), turn).astype(np.float32)

    def draw(self, change: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8: the portrait moved as in `moved`; identical pixels where nothing moves."""
        maps = self.maps(change, turn)
        if len(maps) == 1:
            return resample(self.picture, maps[0])
        upper, lower = maps
        return self._mouth.draw(upper, lower, self._opened(change))

    def maps(self, change: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, ...]:
        """Maps (H, W, 2): place in the portrait for each pixel of `draw`.

        One map, or two if the lips part: for the picture above the lips and for the picture below them.
        """
        lattice = Lattice(self._size)
        layers = (lattice.places(),)
        if np.any(turn):
            layers = (self._turned(layers[0], change, np.asarray(turn, np.float64)),)
        if np.any(change):
            layers = self._expressing(layers[0], change)
        return tuple(lattice.pixels(layer) for layer in layers)

    def _expressed(self, change: np.ndarray) -> np.ndarray:
        """(478, 3) upright centimetres after a change of
        (51,) coefficients, within the limits of this face.
        """
        change = np.array(change, np.float64)
        back = self._upright[[13, 14], 2].mean() - self._upright[list(CORNERS.values()), 2].mean()
        smile = max((back - CORNERS_REST) / CORNERS_SMILE, 0)
        jaw = np.linalg.norm(self._shapes[JAW, 13] - self._shapes[JAW, 14])
        change[SMILES] = np.minimum(change[SMILES], max(MOST_SMILE - smile, LEAST))
        change[JAW] = min(change[JAW], max((WIDEST - self._mouth.gap) / jaw, LEAST))
        return self._upright + np.tensordot(change, self._shapes, 1)

    def _opened(self, change: np.ndarray) -> float:
        """Centimetres by which the lips part."""
        return self._mouth.opening(self._seen(self._expressed(change), np.zeros(3))) - self._mouth.gap

    def _seen(self, points: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Project (P, 3) upright centimetres to (P, 3)
        pixels, with the head turned further by (3,) radians.
        """
        return points @ rotation_matrix(self.rotation + turn).T * self._cm * FLIP + self._centre

    def _bend(self, hold: Hold, points: np.ndarray) -> Bend:
        """Displacement fields on a window of the picture around (N, 2) pixels."""
        beyond, last = hold.beyond * self._cm, np.array(self._size) - 1.0
        low, high = np.clip(points.min(0) - beyond, 0, last), np.clip(points.max(0) + beyond, 0, last)
        grid = Grid.over(low, high, hold.nodes)
        kernel = Kernel(tuple(scale * self._cm for scale in hold.scales), hold.shares)
        return Bend(grid, kernel, grid.walls(self._size, hold.fade * self._cm))

    def _turned(self, places: np.ndarray, change: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Map places from the turned head to the portrait's own pose."""
        used = self._used[TURN]
        points = self._expressed(change)[used]
        before, after = self._seen(points, np.zeros(3)), self._seen(points, turn)
        slack = np.where(np.isin(used, OVAL), OVAL_SLACK, TURN_SLACK)
        arches = [(before[:, :2], after[:, :2], slack), *(self._hair(turn, *arch) for arch in HAIR)]
        goals, starts, slack = (np.concatenate(column) for column in zip(*arches))
        hidden = np.full(len(goals), np.inf)  # hair yields to the face, and the back of the face to its front
        hidden[: len(used)] = (before + after)[:, 2]
        keep = in_order(goals, starts, hidden, TURN.order)
        return self._bend(TURN, self.landmarks[:, :2]).carry(places, starts[keep], goals[keep], slack[keep])

    def _hair(
        self, turn: np.ndarray, factor: float, depth: float, own: float, slack: float
    ) -> tuple[np.ndarray, ...]:
        """An arch of (N, 2) pixels before and after a turn, and its (N,) slack.

        Hair is round: its outline tilts with the head and shifts as a whole, but does not become narrower.
        """
        oval = [point for point in OVAL if self._upright[point, 1] > HAIR_FROM]
        middle = self.landmarks[list(OVAL), :2].mean(0)
        before = middle + factor * (self.landmarks[oval, :2] - middle)
        cos, sin = np.cos(turn[2]), np.sin(turn[2])
        leaning = (before - self._centre[:2]) @ np.array([[cos, -sin], [sin, cos]]) + self._centre[:2]
        turning = rotation_matrix(self.rotation + turn) - rotation_matrix(self.rotation)
        shift = turning[:2, 2] * FLIP[:2] * self._cm
        depths = depth + own * (self._upright[oval, 2] - depth)
        return before, leaning + depths[:, None] * shift, np.full(len(oval), slack)

    def _expressing(self, places: np.ndarray, change: np.ndarray) -> tuple[np.ndarray, ...]:
        """Map places from the moved face to the portrait: one array, or two if the lips part."""
        points, goals = self._seen(self._expressed(change), np.zeros(3))[:, :2], self.landmarks[:, :2]
        used = np.concatenate([self._used[EXPRESSION], *self._irises(points)])
        hidden = np.isin(used, IRISES).astype(float)  # by the lids
        used = used[in_order(goals[used], points[used], hidden, EXPRESSION.order)]
        bend, slack = (
            self._bend(EXPRESSION, np.concatenate([points, goals])),
            np.full(len(used), EXPRESSION_SLACK),
        )
        if self._opened(change) > OPENS:
            return self._mouth.carry(bend, places, used, points, slack)
        return (bend.carry(places, points[used], goals[used], slack),)

    def _irises(self, points: np.ndarray) -> list[list[int]]:
        """Landmarks of irises that constrain the warp: those that
        no lid of the (478, 2) moved landmarks covers.
        """
        return [
            [IRIS[side][k] for k in IRIS_HOLDS]
            for side, lids in LIDS.items()
            if _opening(points, lids) > HALF_CLOSED * _opening(self.landmarks[:, :2], lids)
        ]

    @cached_property
    def _used(self) -> dict[Hold, np.ndarray]:
        """(M,) landmarks used by each Hold."""
        return {hold: _spread(self._upright[:SKIN], hold) for hold in (EXPRESSION, TURN)}


def _opening(points: np.ndarray, lids: tuple[tuple[int, ...], tuple[int, ...]]) -> float:
    """Pixels between two lids, in the middle of the eye."""
    upper, lower = (points[list(lid)][MIDDLE_OF_LID].mean(0) for lid in lids)
    return float(np.linalg.norm(upper - lower))


def _spread(points: np.ndarray, hold: Hold) -> np.ndarray:
    """(M,) indices: the points that always constrain, and others
    at the distance `apart` from all selected ones.
    """
    taken = sorted(set(hold.points))
    clear = np.where(np.isin(taken, BOTH_BROWS), hold.apart / BROW_APART, 1.0)
    nearest = (np.linalg.norm(points[:, None] - points[taken], axis=-1) * clear).min(1)
    while nearest.max() > hold.apart:
        taken.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[taken[-1]], axis=-1))
    return np.array(taken)


def _place(point: np.ndarray) -> str:
    return "x".join(f"{value:.3g}" for value in point)
