"""ControlNetSK (appendix A.2): v1's reference attention attends to the features of a condition picture,
captured in one pass of the frozen UNet.

The network is a `ReferenceAdapter` of v1 without `reference_modules_down.3`, which is never called.
"""

from __future__ import annotations

from ...unet.clip.fit import View
from ...unet.clip.frames import COND, Rows
from ..reference import Reference, ReferencePatch


class ControlPatch(ReferencePatch):
    """Patch by which every frame attends to the condition picture, or to its own one.

    reference.features: block boundary -> (P + 1, C, h, w), one entry per picture (P is one, or one per
    frame), then that of the empty latent, to which uncond attends
    """

    about = "condition", "give the picture the size that is sampled"

    def __init__(self, reference: Reference):
        super().__init__(reference)
        self.pictures = len(next(iter(reference.features.values()))) - 1
        # The keys and values of a clip would fill the memory: 39 MB per frame at 512 px in fp16.
        self.keeps = self.pictures == 1

    def served(self, rows: Rows) -> tuple[tuple[int, ...], tuple[View, ...] | None]:
        """Return, per batch item, the index of the condition picture it attends to, and its view.

        Raises FrameCountError unless there is one picture, or one per frame.
        """
        if self.pictures == 1:
            return super().served(rows)  # COND and UNCOND are the indices of the two entries
        rows.require_clip(self.pictures, "condition")
        views = rows.views and tuple(view for view in rows.views for _ in range(rows.chunk))
        served = (
            frame if side == COND else self.pictures
            for frame, side in zip(rows.frames, rows.sides, strict=True)
        )
        return tuple(served), views
