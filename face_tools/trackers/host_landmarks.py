"""ComfyUI's own FACE_LANDMARKS (ComfyUI 0.23 and later)
as a source; needs no package and no model of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..coefficients import ARKIT_51, CoefficientOrder, experimental_note
from ..track_errors import FrameSizeError, TrackError, TrackLengthError
from .faces import Face
from .head_pose import solve
from .straight_look import straight_pitch

NAME, SCHEME = "comfyui-landmarks", "mediapipe478"
FORM = '{"frames": [[{"landmarks_xy", "landmarks_3d", "blendshapes", ...}, ...], ...], "image_size": (height, width)}'
FOREIGN = f"These are not ComfyUI's face landmarks: expected {FORM}. Connect Detect Face Landmarks."


class HostLandmarks:
    """Tracker (see `faces.Source`) that reads the faces from the payload, one list per frame.

    The frames are used only to distinguish people.
    """

    name, scheme, gives_coefficients = NAME, SCHEME, True

    def __init__(self, payload: dict, order: CoefficientOrder, pitch_zero: float | None = None):
        """pitch_zero: calibrated value, None = default.

        Raises TrackError if `payload` is not from ComfyUI's node.
        """
        self.pitch_zero = straight_pitch(NAME) if pitch_zero is None else pitch_zero
        try:
            height, width = payload["image_size"]
            self._frames = list(payload["frames"])
        except (TypeError, KeyError, ValueError):
            raise TrackError(FOREIGN) from None
        self.size = int(width), int(height)
        self.notes = tuple(filter(None, [experimental_note(order)]))

    def __len__(self) -> int:
        return len(self._frames)

    def faces(self, k: int) -> list[Face]:
        """Return the faces of frame k."""
        return [posed(face_of(face), self.size) for face in self._frames[k]]

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        for k, frame in enumerate(frames):
            if k >= len(self):
                raise TrackLengthError(
                    "landmarks input", len(self), "clip", k + 1, "it must have as many frames as the clip."
                )
            if (frame.shape[1], frame.shape[0]) != self.size:
                raise FrameSizeError(
                    f"The landmarks were made on {self.size[0]}x{self.size[1]} pictures, these are {frame.shape[1]}x{frame.shape[0]}.",
                    (frame.shape[1], frame.shape[0]),
                    self.size,
                )
            yield self.faces(k)

    def glance(self, frame: np.ndarray) -> list[Face]:
        """Return []: the payload has no faces for other pictures."""
        return []

    def close(self) -> None:
        """Do nothing: there are no networks to free."""

    def __enter__(self) -> "HostLandmarks":
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def posed(face: Face, size: tuple[int, int]) -> Face:
    """Compute the head pose of a face in a (width, height) picture, and return the face with it."""
    return face.posed(*solve(face.landmarks, SCHEME, size))


def face_of(face: dict) -> Face:
    """Convert one face of ComfyUI's FACE_LANDMARKS, without head pose. Raises TrackError if it is invalid."""
    try:
        flat = np.asarray(face["landmarks_xy"], np.float32)
        solid = np.asarray(face["landmarks_3d"], np.float32)
        shapes, score = face["blendshapes"], float(face["score"])
    except (TypeError, KeyError):
        raise TrackError(FOREIGN) from None
    if flat.shape != (478, 2) or solid.shape != (478, 3):
        raise TrackError(f"Expected 478 landmarks in 2D and 3D, got {flat.shape} and {solid.shape}.")
    spread = min(np.ptp(points, axis=0)[:2].min() for points in (flat, solid))
    if not (np.isfinite(flat).all() and np.isfinite(solid).all() and spread > 0):
        raise TrackError(
            "ComfyUI's landmarks are not a valid face: they lie on a line or are not finite. Detect the faces "
            "again, or use Track Face."
        )
    # landmarks_3d are in the network's upright picture: only their depth is used, scaled from that picture.
    scale = np.linalg.norm(flat - flat.mean(0)) / np.linalg.norm(solid[:, :2] - solid[:, :2].mean(0))
    landmarks = np.concatenate([flat, solid[:, 2:] * scale], 1).astype(np.float32)
    absent = [name for name in ARKIT_51 if name not in shapes]
    if absent:
        raise TrackError(
            f"ComfyUI's face landmarks lack the blendshapes {', '.join(absent)}. Update ComfyUI, or use Track Face with another tracker."
        )
    return Face(
        landmarks, coefficients=np.array([shapes[name] for name in ARKIT_51], np.float32), score=score
    )
