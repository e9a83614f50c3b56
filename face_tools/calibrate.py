"""Measures on one clip how the official networks number their 51
coefficients, and the zero of their head pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .coefficients import ARKIT_51, ASSUMED_ORDER, CoefficientOrder
from .geometry import rotation_angles, rotation_matrix
from .track import FaceTrack
from .track_errors import TrackError, TrackSettingError

MIN_FRAMES = 50
# Correlation of a match, and its lead over the next best name, from which the match is reliable.
SURE, CLEAR = (
    0.5,
    0.02,
)
MIN_SURE = 26  # of 51: a table is useful only if more than half of its names are reliable
# Bonus for the assumed name: smaller than a clear lead, enough to
# decide coefficients that the clip does not show.
PRIOR = 0.01


@dataclass(frozen=True)
class Recovered:
    """An order recovered from a clip.

    order:       the measured table
    correlation: (51,) of each position with the name assigned to it
    lead:        (51,) difference to the correlation with the best other name
    """

    order: CoefficientOrder
    correlation: np.ndarray
    lead: np.ndarray

    @property
    def sure(self) -> np.ndarray:
        """(51,) bool: positions whose name the clip shows clearly.

        The other positions follow the assumed order where its names are free.
        """
        return (self.correlation >= SURE) & (self.lead >= CLEAR)

    def table(self) -> str:
        """Return the table as text, one line per position: number, name,
        correlation, lead, and a mark if it is not reliable.
        """
        rows = zip(self.order.names, self.correlation, self.lead, self.sure)
        lines = [
            f"{k:2} {name:22} {c:6.3f} {lead:+7.3f}{'' if sure else '  unsure'}"
            for k, (name, c, lead, sure) in enumerate(rows)
        ]
        return "\n".join(["   name                     corr    lead", *lines])


def recover_order(
    raw: np.ndarray, named: np.ndarray, clip: str, assumed: CoefficientOrder = ASSUMED_ORDER
) -> Recovered:
    """Match the network's raw numbers (F, 51) to coefficients (F, 51) in the
    order of ARKIT_51; both describe the same frames.

    Uses the assignment that maximises the summed correlation (Hungarian method). The sign matters: looking up
    and looking down are negatively correlated, and only equal names correlate positively. clip: name of the
    clip; assumed: order to prefer where the clip decides nothing. Raises TrackSettingError for too few frames.
    """
    from scipy.optimize import linear_sum_assignment

    if raw.shape != named.shape or raw.shape[1:] != (len(ARKIT_51),):
        raise TrackError(
            f"Expected two tables of the same frames with 51 columns, got {raw.shape} and {named.shape}."
        )
    if len(raw) < MIN_FRAMES:
        raise TrackSettingError(
            f"Only {len(raw)} frames show the face to both trackers; {MIN_FRAMES} are needed to find the order. Use a longer clip.",
            "clip",
            len(raw),
        )
    correlation = correlations(raw, named)
    prior = np.zeros_like(correlation)
    prior[np.arange(51), [ARKIT_51.index(name) for name in assumed.names]] = PRIOR
    places, columns = linear_sum_assignment(-(correlation + prior))
    matched = correlation[places, columns]
    others = correlation.copy()
    others[places, columns] = -1
    return Recovered(
        CoefficientOrder(
            names=tuple(ARKIT_51[c] for c in columns),
            provenance=f"measured on {clip}, {len(raw)} frames, by correlation with named coefficients",
            measured=True,
            confidence=tuple(float(c) for c in matched),
        ),
        matched,
        matched - others.max(1),
    )


def require_sure(recovered: Recovered) -> None:
    """Raise TrackSettingError if too few positions are reliable."""
    count = int(recovered.sure.sum())
    if count < MIN_SURE:
        raise TrackSettingError(
            f"Only {count} of 51 coefficients were identified reliably; {MIN_SURE} are needed. Use a clip with more "
            "expressions, also one-sided ones.",
            "clip",
            count,
        )


def correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(51, 51) correlation of every column of a (F, 51) with every column
    of b (F, 51); 0 if either column is constant.
    """
    a, b = (x - x.mean(0) for x in (np.asarray(a, np.float64), np.asarray(b, np.float64)))
    length_a, length_b = np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)
    moving = (length_a[:, None] > 1e-6) & (length_b[None] > 1e-6)
    return np.where(moving, (a.T @ b) / np.maximum(length_a[:, None] * length_b[None], 1e-12), 0.0)


def tilt_between(network: FaceTrack, tracker: FaceTrack) -> np.ndarray:
    """Return the mean rotation between a tracker's head model and the networks', (3,) degrees (pitch, yaw, roll).

    Solves R_tracker = R_network @ tilt over the frames in which both detected a face. Raises
    TrackSettingError for fewer than MIN_FRAMES such frames.
    """
    count = min(len(network), len(tracker))
    both = network.valid[:count] & tracker.valid[:count]
    if both.sum() < MIN_FRAMES:
        raise TrackSettingError(
            f"Only {both.sum()} frames show the face to both trackers; {MIN_FRAMES} are needed to compare head poses. "
            "Use a longer clip.",
            "clip",
            int(both.sum()),
        )
    ours, theirs = (rotation_matrix(track.own_rotation[:count][both]) for track in (network, tracker))
    u, _, vt = np.linalg.svd(np.einsum("nji,njk->ik", ours, theirs))
    u[:, -1] *= np.linalg.det(u @ vt)
    return np.degrees(rotation_angles(u @ vt))
