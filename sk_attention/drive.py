"""Drive features of HMControlNet, every version: encodes head-pose pictures and expression, and adds the
features at the block boundaries (section 3.3).

Axis letters: F frames (encoded independently), n expression tokens, D token width.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ModelError
from ..unet.clip.fit import CELL, fitted, notice_size, resized, size_of
from ..unet.clip.frames import COND, UNCOND, Rows
from ..unet.feature_cache import FeatureCache, TargetDevice
from ..unet.patches import DRIVE, Call

log = logging.getLogger(__name__)

EMPTY = -1.0  # value of a head-pose picture without a box


@dataclass(frozen=True)
class Expression:
    """Facial expression of F frames, in one of the two official kinds; the fields of the other kind are None.

    coefficients: (F, 51) in the order of the networks, 0..1, together with
    patches:      (F, 3, 1024) CLIP embeddings of left eye, right eye, mouth
    face_motion:  (F, 548) PD-FGC
    """

    coefficients: Tensor | None = None
    patches: Tensor | None = None
    face_motion: Tensor | None = None

    @classmethod
    def without_patches(cls, coefficients: Tensor) -> "Expression":
        """Create an expression from coefficients (F, 51) with zero eye and mouth embeddings."""
        return cls(coefficients, coefficients.new_zeros(len(coefficients), 3, 1024))

    @property
    def spoken(self) -> tuple[Tensor, Tensor]:
        """Coefficients and patches of an expression that has no face motion."""
        assert self.coefficients is not None and self.patches is not None
        return self.coefficients, self.patches

    def __getitem__(self, frames: slice) -> "Expression":
        return Expression(
            *(None if t is None else t[frames] for t in (self.coefficients, self.patches, self.face_motion))
        )

    def empty(self, null_motion: Tensor | None = None) -> "Expression":
        """Return one empty frame of the same kind: zeros, or `null_motion` (1, 548)."""
        zeros = Expression(
            *(
                None if t is None else torch.zeros_like(t[:1])
                for t in (self.coefficients, self.patches, self.face_motion)
            )
        )
        return zeros if null_motion is None else Expression(face_motion=null_motion)


@dataclass(frozen=True)
class Drive:
    """Drive features of a clip of F frames.

    features: block boundary -> (F, C, h, w)
    null:     block boundary -> (1 or F, C, h, w), of the empty picture and expression; 1 serves every frame
    versions: of the encoder
    size:     (height, width) of the latent that the head-pose pictures were drawn for, None if unknown
    """

    features: Mapping[str, Tensor]
    null: Mapping[str, Tensor]
    versions: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.features.values())))


class DrivePatch:
    """Patch that adds to each batch item the drive features of its frame;
    items of the uncond side get the null features.
    """

    order = DRIVE

    def __init__(self, drive: Drive):
        self.sites = drive.features.keys()
        self.drive = drive
        self._features, self._null = FeatureCache(drive.features), FeatureCache(drive.null)
        self._looked = False  # whether the sizes were checked in this run

    def prepare(self, rows: Rows, target: TargetDevice) -> tuple[Mapping[str, Tensor], ...]:
        """Return for each chunk {block boundary: (chunk or 1, C, h, w)}.

        Raises FrameCountError if drive and clip differ in length, and SizeError
        if the drive was made for another aspect ratio.
        """
        if len(self.drive) > 1:
            rows.require_clip(len(self.drive), "drive")
        if not self._looked:
            self._looked = True
            self._look(rows)
        frames = {side: rows.window if len(self._of(side)) > 1 else (0,) for side in (COND, UNCOND)}
        sources = {COND: self._features, UNCOND: self._null}
        added = {side: sources[side].at(frames[side], target) for side in set(rows.chunks)}
        if rows.views is None:
            return tuple(added[side] for side in rows.chunks)
        return tuple(
            {boundary: fitted(feature, boundary, view) for boundary, feature in added[side].items()}
            for side, view in zip(rows.chunks, rows.views, strict=True)
        )

    def __call__(
        self, boundary: str, h: Tensor, prepared: tuple[Mapping[str, Tensor], ...], call: Call
    ) -> Tensor:
        """Add the drive to h (B, C, H, W) in place.

        It is resized if another node has resized h inside the UNet.

        Raises ModelError if the encoder was made for a UNet with another number of channels.
        """
        chunks = h.unflatten(
            0, (len(prepared), -1)
        )  # not a slice of h: torch.compile (2.11) silently loses additions to a slice
        for k, added in enumerate(prepared):
            if (width := added[boundary].shape[1]) != h.shape[1]:
                raise ModelError(
                    f"The drive has {width} channels at {boundary} and this MODEL {h.shape[1]}: its encoder was made for another UNet.",
                    h.shape[1],
                )
            chunks[k].add_(resized(added[boundary], size_of(h)))
        return h

    def _of(self, side: int) -> Tensor:
        """Features of one boundary for cond or uncond."""
        return next(iter((self.drive.null if side == UNCOND else self.drive.features).values()))

    def _look(self, rows: Rows) -> None:
        if rows.views:
            notice_size(
                self.drive.features, rows.views[0], "drive", "draw the head pose at the size that is sampled"
            )
        if len(self.drive) == 1 and rows.clip != 1:
            log.warning("The drive is a still of one frame: it drives every picture of the batch.")

    def release(self) -> None:
        """Free what was kept for a run."""
        self._features.release()
        self._null.release()
        self._looked = False


def encode(
    encoder: Callable[[Tensor, Expression], Mapping[str, Tensor]],
    pictures: Tensor,
    expression: Expression,
    null_motion: Tensor | None = None,
    versions: tuple[str, ...] = (),
    empty: float = EMPTY,
    batch: int = 8,
    place: Callable[[Tensor], Tensor] = lambda feature: feature,
    tick: Callable[[int], None] = lambda done: None,
) -> Drive:
    """Encode the drive of a clip, `batch` frames at a time.

    pictures: (F, 3, H, W), RGB, -1..1, or another range that the encoder accepts, in which black is `empty`
    null_motion: (1, 548), face motion that the motion network returns for a black crop: the null of v1 and
      v2; None = zeros (v3 on)
    place: moves a feature to the device where it is kept
    tick: called with the number of frames done

    The null (for the uncond side of guidance) is the encoder's output for the empty picture with zero
    coefficients and patches.
    """
    null = encoder(torch.full_like(pictures[:1], empty), expression.empty(null_motion))
    null = {boundary: place(feature) for boundary, feature in null.items()}
    features = {
        boundary: feature.new_empty(len(pictures), *feature.shape[1:]) for boundary, feature in null.items()
    }
    for start in range(0, len(pictures), batch):
        frames = slice(start, start + batch)
        for boundary, feature in encoder(pictures[frames], expression[frames]).items():
            features[boundary][frames] = place(feature)
        tick(min(start + batch, len(pictures)))
    return Drive(features, null, versions, (pictures.shape[-2] // CELL, pictures.shape[-1] // CELL))
