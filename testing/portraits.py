"""Portraits to move, the ends of the Expression Editor's sliders, and a movement's smallest Jacobian."""

from __future__ import annotations

import itertools

import numpy as np

from ..drawn_heads import Identity, State, draw, truth
from ..face_tools.editing import poses
from ..face_tools.pictures.crop import CROP_RULES, portrait_crop
from ..face_tools.pictures.puppet import Puppet
from ..face_tools.trackers import mediapipe_mesh
from ..face_tools.trackers.faces import ModelFiles
from ..face_tools.trackers.tracking import track_faces

Pose = dict[str, float]
ENDS: tuple[Pose, ...] = tuple({name: end} for name in poses.NAMES for end in poses.slider(name) if end)
PAIRS: tuple[Pose, ...] = tuple(a | b for a, b in itertools.combinations(ENDS, 2) if not a.keys() & b.keys())


def drawn(seed: int, size: int, state: State | None = None) -> Puppet:
    """A synthetic head as a Puppet, with its exact landmarks."""
    who, state = Identity.of(seed), state or State()
    return Puppet(draw(who, state, size), truth(who, [state], size))


def photograph(picture: np.ndarray, size: int) -> Puppet:
    """The face in an (H, W, 3) uint8 picture as a Puppet, tracked by mediapipe 0.10.21 and cropped.

    Raises TrackError.
    """
    with mediapipe_mesh.open_source(ModelFiles()) as source:
        track = track_faces([picture], source, 25.0)
    crop = portrait_crop(track, CROP_RULES["v5"], size)
    return Puppet(crop.cut(picture), crop.track(track))


def movement(puppet: Puppet, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Return the change of coefficients (51,) and the turn (3,) of a pose, within the portrait's limits."""
    return poses.coefficients(pose), poses.reachable(poses.turn(pose)[None], puppet.pose)[0]


def smallest_jacobian(puppet: Puppet, pose: Pose) -> float:
    """Smallest Jacobian determinant from the moved picture to the portrait, over all pixels and layers."""
    return min(float(determinants(places).min()) for places in puppet.maps(*movement(puppet, pose)))


def determinants(places: np.ndarray) -> np.ndarray:
    """(h - 1, w - 1) Jacobian determinants of an (h, w, 2) map, from differences between neighbours."""
    places = places.astype(np.float64)
    right, down = np.diff(places, axis=1)[:-1], np.diff(places, axis=0)[:, :-1]
    return right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
