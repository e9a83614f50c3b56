"""Sizes of everything that `bench gpu` runs: a user's, or tiny ones that a CPU can run in two minutes."""

from __future__ import annotations

from typing import NamedTuple


class Scale(NamedTuple):
    """Sizes of a run.

    width: channels of the UNet's first block; text: tokens and width of the prompts; side: of the latents, in
    latent pixels; window, overlap: frames of a context window; frames: of the clip; short: frames of the
    profiled clip; few, many: steps of the clips without and with CFG; rounds: number of timed calls;
    pictures: frames that are tracked, cropped and decoded
    """

    name: str
    width: int
    text: tuple[int, int]
    side: int
    window: int
    overlap: int
    frames: int
    short: int
    few: int
    many: int
    rounds: int
    pictures: int

    @property
    def pixels(self) -> int:
        """Side of the pictures in pixels."""
        return 8 * self.side


FULL = Scale("full", 320, (77, 768), 64, 12, 4, 100, 24, 4, 25, 10, 32)
TINY = Scale("tiny", 32, (7, 64), 8, 4, 1, 7, 5, 1, 2, 1, 4)
