"""Preview of a clip while it is sampled: evenly spaced frames in
one picture, decoded by ComfyUI's own previewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

CELLS = 9  # frames in the picture
Preview = tuple[str, Image.Image, int]  # (format, picture, longest side), as ComfyUI's progress bar takes it


class ContactSheet:
    """Evenly spaced frames of one sampling run, each in its own tile of one picture, updated window by
    window.

    Each tile is decoded once per step. If a window has none of these frames, its middle frame updates the
    nearest tile.

    previewer: of `latent_preview`, as chosen by the user
    frames:    the run's frames of the clip, in order
    """

    def __init__(self, previewer, frames: Sequence[int]):
        self.previewer = previewer
        last, count = len(frames) - 1, min(CELLS, len(frames))
        self.cells = {frames[round(i * last / max(count - 1, 1))]: i for i in range(count)}
        self.drawn: set[int] = set()  # cells that show this step already
        self.sheet: Image.Image | None = None
        # Factor by which latents are shrunk, so that no frame is decoded larger than it is shown.
        self.shrink = 1

    def next_step(self) -> None:
        """Start a new step, in which every tile may be drawn again."""
        self.drawn.clear()

    def update(self, frames: Sequence[int], latents: Tensor) -> Preview | None:
        """Draw (m, 4, h, w) latents of these frames and
        return the preview; None if the previewer gives none.
        """
        for position, cell in self._shown(frames).items():
            if cell not in self.drawn:
                self.drawn.add(cell)
                self._draw(cell, latents[position : position + 1])
        if self.sheet is None:
            return None
        return self.kind, self.sheet.copy(), self.longest  # a copy, because ComfyUI encodes it later

    def _shown(self, frames: Sequence[int]) -> dict[int, int]:
        """Return {position in `frames` to draw: cell}."""
        shown = {k: self.cells[frame] for k, frame in enumerate(frames) if frame in self.cells}
        middle = len(frames) // 2
        return shown or {middle: self.cells[min(self.cells, key=lambda frame: abs(frame - frames[middle]))]}

    def _draw(self, cell: int, latent: Tensor) -> None:
        if self.shrink > 1:
            height, width = (max(1, side // self.shrink) for side in latent.shape[-2:])
            latent = torch.nn.functional.adaptive_avg_pool2d(latent, (height, width))
        preview = self.previewer.decode_latent_to_preview_image("JPEG", latent)
        if preview is None:  # other packs show previews in their own way
            return
        self.kind, picture, self.longest = preview
        sheet = self.sheet
        if sheet is None:
            sheet = self.sheet = self._lay_out(picture)
        row, column = divmod(cell, self.columns)
        sheet.paste(picture.resize(self.size), (column * self.size[0], row * self.size[1]))

    def _lay_out(self, picture: Image.Image) -> Image.Image:
        """Create the sheet, about as wide as high, with tiles of the size at which they are shown."""
        count = len(self.cells)
        self.columns = min(count, math.ceil((count * picture.height / picture.width) ** 0.5))
        self.shrink = max(1, math.ceil(self.columns * picture.width / self.longest))
        self.size = picture.width // self.shrink, picture.height // self.shrink
        rows = math.ceil(count / self.columns)
        return Image.new("RGB", (self.columns * self.size[0], rows * self.size[1]))
