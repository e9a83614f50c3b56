"""The mask of a patch: one for the whole clip, or one per frame."""

from __future__ import annotations

import torch
from torch import Tensor

from .clip.frames import Rows
from .feature_cache import FeatureCache, TargetDevice


class Mask:
    """mask: (F, H, W) or (1, H, W), 0..1, any resolution; None = everywhere.

    It is copied to the target device once per run.
    """

    def __init__(self, mask: Tensor | None):
        self.mask = mask
        self._cache = FeatureCache({} if mask is None else {"mask": mask[:, None]})

    def at(self, rows: Rows, target: TargetDevice) -> Tensor | None:
        """Return the mask (B or 1, 1, H, W) for a call, or None.

        Raises FrameCountError if masks per frame are not as many as the clip's frames.
        """
        if self.mask is None:
            return None
        frames = (0,)
        if len(self.mask) > 1:
            rows.require_clip(len(self.mask), "mask")
            frames = rows.window
        mask = self._cache.at(frames, target)["mask"]
        if rows.views and any(view.area for view in rows.views):
            shown = torch.cat([view.pixels(mask) for view in rows.views])
            return shown if len(mask) > 1 else shown.repeat_interleave(rows.chunk, dim=0)
        return mask if len(mask) == 1 else mask.repeat(len(rows.chunks), 1, 1, 1)

    def release(self) -> None:
        """Free what was kept for a run."""
        self._cache.release()
