"""The mesh of a real face moved as a pose asks: the drawn head's blend shapes on the landmarks of a portrait."""

from __future__ import annotations

import cv2
import numpy as np

from ..face_tools.coefficients import ARKIT_51
from ..face_tools.geometry import rotation_matrix
from ..face_tools.pictures.warp import Mesh
from ..face_tools.track import FaceTrack, TrackError
from .features import contour
from .head import INNER_LOWER, INNER_UPPER, OVAL, blend_shapes

SCHEME = "mediapipe478"
EYES = (33, 263)  # outer corners
EYES_CM = 8.89  # between them in the head template
# A real face travels less than a drawn one: what is left of a shape, by the beginning of its name.
GAINS = {"eyeLookUp": 0.3, "eyeLookDown": 0.3, "eyeLook": 0.55, "brow": 0.55, "mouthFrown": 0.6, "mouthPucker": 0.8, "jawOpen": 0.8}
SMALLEST, REACH = 2.0, 2.0  # pixels between the eyes; of the picture's sides from its middle: landmarks beyond are no face in it
FOLLOW, ROUNDS = 0.85, 6  # the skin round a moving point follows it, less at every triangle further away
HAIR, BEHIND = 1.7, -1.0  # an arch over the face that turns with the head: factor of the oval, centimetres behind it
FLIP = np.array([1.0, -1.0, -1.0])  # pixels, y down, z away <-> camera, y up, z to the viewer
INSIDE = (58, 24, 26)  # RGB of an open mouth that the portrait does not show


class Puppet:
    """One portrait, (H, W, 3) uint8, that can be moved by its own mesh.

    track: its own, whose first row is taken. Raises TrackError for landmarks of another scheme, or that lie far outside the picture.
    """

    def __init__(self, picture: np.ndarray, track: FaceTrack):
        if track.scheme != SCHEME or track.landmarks.shape[-1] != 3:
            raise TrackError(f"A portrait is moved by 3D {SCHEME} landmarks; this track has {track.scheme}.")
        self.picture, self.landmarks = picture, track.landmarks[0].astype(np.float64)
        self._require_face()
        self.rotation = track.rotation[0].astype(np.float64)
        self._centre = self.landmarks.mean(0)
        upright = (self.landmarks - self._centre) * FLIP @ rotation_matrix(self.rotation)
        self._scale = EYES_CM / np.linalg.norm(upright[EYES[0]] - upright[EYES[1]])
        self._upright = upright * self._scale
        oval = self._upright[list(OVAL)]
        self._hair = oval[oval[:, 1] > 0] * HAIR + [0, 0, BEHIND]
        self.mesh = Mesh(np.concatenate([self.landmarks, self._seen(self._hair, 0)]), (picture.shape[1], picture.shape[0]))
        self._shapes = _with_skin(blend_shapes(self._upright), self.mesh.triangles)
        self._shapes *= np.array([_gain(name) for name in ARKIT_51])[:, None, None]

    def _require_face(self) -> None:
        flat, size = self.landmarks[:, :2], np.array(self.picture.shape[1::-1])
        apart = np.linalg.norm(flat[EYES[0]] - flat[EYES[1]])
        if apart < SMALLEST or (np.abs(flat - size / 2) > size * REACH).any():
            raise TrackError(
                f"There is no face to move: its eyes are {apart:.3g} px apart, and its landmarks go from {_place(flat.min(0))} to "
                f"{_place(flat.max(0))} in a picture of {_place(size)} px."
            )

    def moved(self, change: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """(478, 3) float32 landmarks after a change of the (51,) coefficients and a further turn of (3,) radians."""
        return self._seen(self._upright + np.tensordot(np.asarray(change, np.float64), self._shapes, 1), turn)

    def draw(self, change: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8: the portrait, its mesh moved as in `moved`."""
        landmarks = self.moved(change, turn)
        points = np.concatenate([landmarks, self._seen(self._hair, turn)])
        warped = self.mesh.warp(self.picture, points[:, :2], points[:, 2])
        opened = self._gap(landmarks) - self._gap(self.landmarks)
        if opened > 0.3:
            mouth = contour(landmarks[:, :2], INNER_UPPER, INNER_LOWER)
            mask = np.zeros(warped.shape[:2], np.uint8)
            cv2.fillPoly(mask, [np.round(mouth * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
            share = (cv2.GaussianBlur(mask, (0, 0), 1.2) / 255.0 * min(opened / 0.8, 1.0))[..., None]
            warped = np.round(warped * (1 - share) + np.array(INSIDE) * share).astype(np.uint8)
        return warped

    def _seen(self, points: np.ndarray, turn: np.ndarray | float) -> np.ndarray:
        """(P, 3) float32 pixels of (P, 3) upright centimetres, the head turned further by (3,) radians."""
        turned = points @ rotation_matrix(self.rotation + turn).T / self._scale
        return (turned * FLIP + self._centre).astype(np.float32)

    def _gap(self, landmarks: np.ndarray) -> float:
        """Opening of the lips, centimetres."""
        return float(np.linalg.norm(landmarks[13, :2] - landmarks[14, :2])) * self._scale


def _place(point: np.ndarray) -> str:
    return "x".join(f"{value:.3g}" for value in point)


def _gain(name: str) -> float:
    return next((gain for start, gain in GAINS.items() if name.startswith(start)), 1.0)


def _with_skin(shapes: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(51, P, 3) blend shapes in which unmoved points follow their moved neighbours."""
    count = shapes.shape[1]
    near = np.zeros((count, count))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        inside = (triangles[:, [a, b]] < count).all(1)
        near[triangles[inside, a], triangles[inside, b]] = near[triangles[inside, b], triangles[inside, a]] = 1
    near *= FOLLOW / np.maximum(near.sum(1, keepdims=True), 1)
    columns = shapes.transpose(1, 0, 2).reshape(count, -1)  # one product a round for all shapes
    own = np.repeat((np.abs(shapes).max(2) > 0).T, 3, axis=1)
    spread = columns
    for _ in range(ROUNDS):
        spread = np.where(own, columns, near @ spread)
    return spread.reshape(count, -1, 3).transpose(1, 0, 2)
