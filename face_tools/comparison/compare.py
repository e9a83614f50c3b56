"""Compares a result with its driving track: distances, correlations,
steadiness and faults, and a report in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..coefficients import ARKIT_51
from ..track import FaceTrack
from . import faults
from .curves import CURVES, correlation, gain
from .distances import expression_distance, face_expression, paper_apd, pose_distance
from .evidence import Evidence, Identity
from .limits import TrackerError, compared, is_approximate
from .pixels import Motion, seam_ratio
from .signals import over_neighbours, shake

NAN = float("nan")


@dataclass(frozen=True)
class Comparison:
    """Measured agreement of a result of F frames with its driving track.

    pose:         (F,) degrees, mean of the three angles; nan in frames with a missed detection
    offset:       (3,) degrees, median of result minus driver: the constant part of the pose distance
    expression:   (F,) 0..1, mean over the compared coefficients; nan in frames with a missed detection, or
      everywhere if there are no coefficients
    names:        the coefficients compared
    correlations: curve name -> -1..1, nan if one side is constant or has no coefficients
    gains:        curve name -> movement of the result per movement of the driver
    late:         delay of the result, frames
    shakes:       degrees, `signals.shake` of the driver and of the result
    flickers:     grey levels, mean second difference of the driver's pictures and of the result's; nan
      without pictures
    seams:        ratio of the change at the borders of context windows to the change elsewhere, divided by
      the same ratio of the driver; 1 = no seam. If the borders are unknown, the largest step relative to its
      neighbourhood, at least 1
    face_expression: Face-Exp of X-Dyna, in sides of the face; nan for tracks of two sources
    """

    evidence: Evidence
    pose: np.ndarray
    offset: np.ndarray
    expression: np.ndarray
    names: tuple[str, ...]
    correlations: dict[str, float]
    gains: dict[str, float]
    late: int
    shakes: tuple[float, float]
    flickers: tuple[float, float]
    seams: float
    face_expression: float
    faults: tuple[faults.Fault, ...] = ()
    error: TrackerError | None = None
    identities: tuple[Identity, ...] = field(default=())

    @property
    def pose_distance(self) -> float:
        """Degrees, mean over the frames in which both faces were detected."""
        return float(np.nanmean(self.pose))

    @property
    def expression_distance(self) -> float:
        """0..1, mean over the frames and the compared coefficients; nan without coefficients."""
        return float(np.nanmean(self.expression)) if self.names else NAN

    @property
    def identity(self) -> float:
        """Mean similarity to the portrait, by the most
        reliable method available; nan if it was not measured.
        """
        return next((identity.mean for identity in self.identities if identity.to_portrait), NAN)

    @property
    def flicker(self) -> float:
        """Grey levels of flicker in excess of the driver's; all of the result's
        flicker if there are no pictures of the driver.
        """
        own, seen = self.flickers
        return seen - (0.0 if np.isnan(own) else own)

    @property
    def worst(self) -> np.ndarray:
        """(F,) frame numbers, worst first: missed detections, then by the sum of pose and expression
        distance, each relative to its mean.
        """
        score = sum(
            np.nan_to_num(part / max(float(np.nanmean(part)), 1e-6), nan=np.inf) for part in self._parts()
        )
        return np.argsort(-score, kind="stable")

    def _parts(self) -> list[np.ndarray]:
        return [self.pose] + ([self.expression] if self.names else [])

    def numbers(self) -> dict[str, float]:
        """All figures by name; nan if one could not be measured."""
        return {
            "pose_distance": self.pose_distance,
            "pose_offset": float(np.abs(self.offset).mean()),
            "expression_distance": self.expression_distance,
            **{f"correlation_{name.replace(' ', '_')}": value for name, value in self.correlations.items()},
            **{f"gain_{name.replace(' ', '_')}": value for name, value in self.gains.items()},
            "identity": self.identity,
            "late": float(self.late),
            "shake": self.shakes[1] - self.shakes[0],
            "flicker": self.flicker,
            "seams": self.seams,
            "missed": float((self.evidence.driver.valid & ~self.evidence.result.valid).sum()),
            "apd": paper_apd(self.pose),
            "aed": self.expression_distance,
            "face_exp": self.face_expression,
            "face_det": float(self.evidence.result.valid.mean()),
        }


def compare(evidence: Evidence, borders: Sequence[int] = (), error: TrackerError | None = None) -> Comparison:
    """Measure everything that the evidence allows.

    borders: steps at which a context window begins or ends, see
    `pixels.borders`; error: measured error of the tracker.
    """
    driver, result, at = evidence.driver, evidence.result, evidence.at
    angles = [np.degrees(track.rotation.astype(np.float64)) for track in (driver, result)]
    names = tuple(compared(driver, result, at))
    return Comparison(
        evidence=evidence,
        pose=np.where(at, pose_distance(angles[1], angles[0]), NAN),
        offset=np.median(((angles[1] - angles[0] + 180) % 360 - 180)[at], axis=0),
        expression=np.where(at, _expression(driver, result, names), NAN),
        names=names,
        correlations=_over_curves(evidence, correlation),
        gains=_over_curves(evidence, gain),
        late=faults.delay(evidence),
        shakes=(shake(driver, at), shake(result, at)),
        flickers=(_flicker(evidence.driver_motion), _flicker(evidence.motion)),
        seams=_seams(evidence.motion, evidence.driver_motion, borders),
        face_expression=_face_expression(evidence),
        faults=faults.find(evidence),
        error=error,
        identities=evidence.identities,
    )


def _flicker(motion: Motion | None) -> float:
    return NAN if motion is None else motion.mean_flicker


def _over_curves(evidence: Evidence, measure) -> dict[str, float]:
    pairs = {name: evidence.curve(name) for name in CURVES}
    return {name: NAN if pair is None else measure(*pair) for name, pair in pairs.items()}


def _expression(driver: FaceTrack, result: FaceTrack, names: Sequence[str]) -> np.ndarray:
    if not names or driver.coefficients is None or result.coefficients is None:
        return np.full(len(driver), NAN)
    columns = [ARKIT_51.index(name) for name in names]
    return expression_distance(result.coefficients[:, columns], driver.coefficients[:, columns])


def _seams(motion: Motion | None, driver: Motion | None, borders: Sequence[int]) -> float:
    if motion is None or not len(motion.change):
        return NAN
    if not len(borders):
        return max(1.0, float(over_neighbours(motion.change).max()))
    natural = 1.0 if driver is None else seam_ratio(driver.change, borders)
    return seam_ratio(motion.change, borders) / natural


def _face_expression(evidence: Evidence) -> float:
    if not evidence.same_tracker or not evidence.driver.landmarks.shape[1]:
        return NAN
    return float(face_expression(evidence.result, evidence.driver)[evidence.at].mean())


def report(comparison: Comparison) -> str:
    """Return a report of a few lines: the figures, the faults, and the limits of both."""
    return "\n".join(
        [*_figures(comparison), *_faults(comparison), *(f"limit: {limit}" for limit in limits(comparison))]
    )


def _figures(c: Comparison) -> list[str]:
    seen, count = int(c.evidence.at.sum()), len(c.pose)
    offset = ", ".join(f"{name} {value:+.1f}" for name, value in zip(("pitch", "yaw", "roll"), c.offset))
    lines = [
        f"{count} frames, {seen} of them compared",
        f"pose distance: {c.pose_distance:.2f} degrees (constant part: {offset})",
    ]
    if c.names:
        lines.append(f"expression distance: {c.expression_distance:.3f} over {len(c.names)} coefficients")
    told = {name: f"{name} {value:.2f}" for name, value in c.correlations.items() if not np.isnan(value)}
    lines.append("correlation: " + (", ".join(told.values()) or "nothing moves"))
    lines.append(
        "moves as far: "
        + ", ".join(f"{name} {100 * c.gains[name]:.0f} %" for name in told if not np.isnan(c.gains[name]))
    )
    for identity in c.identities:
        whom = "the portrait" if identity.to_portrait else "the clip itself"
        lines.append(
            f"identity: {identity.mean:.2f} to {whom}, by {identity.method}, {len(identity.frames)} frames"
        )
    lines.append(
        f"steadiness: the head shakes by {c.shakes[1]:.2f} degrees per frame, the driver by {c.shakes[0]:.2f}"
    )
    if not np.isnan(c.flickers[1]):
        own = "" if np.isnan(c.flickers[0]) else f", the driver's pictures {c.flickers[0]:.2f}"
        lines.append(f"flicker: {c.flickers[1]:.2f} grey levels{own}; seams: {c.seams:.2f}")
    return lines


def _faults(c: Comparison) -> list[str]:
    return [f"fault: {fault}" for fault in c.faults] or ["fault: none was found"]


def limits(c: Comparison) -> list[str]:
    """Return notes on what the figures cannot show."""
    driver, result = c.evidence.driver, c.evidence.result
    told = []
    if c.error is not None:
        told.append(f"the tracker contradicts itself by {c.error.words()}; smaller distances mean nothing.")
    if not c.evidence.same_tracker:
        told.append(
            f"driven by {driver.source} and measured by {result.source}: zero pose and coefficient scale "
            "differ, so trust the correlations, not the distances."
        )
    for track, whose in ((driver, "driver"), (result, "result")):
        if track.coefficients is None:
            told.append(
                f"the {whose} has no expression coefficients ({track.source}): expression was not compared."
            )
        elif is_approximate(track):
            told.append(
                f"the {whose}'s coefficients are approximate: trust jaw and blinks more than smile and brows."
            )
    left_out = len(ARKIT_51) - len(c.names)
    if c.names and left_out:
        told.append(f"{left_out} of the 51 coefficients were left out: still, or never read here.")
    return told
