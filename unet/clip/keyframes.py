"""Which frames are denoised together: windows, their blending
weights, and key-frame trees (paper section 3.5).

Index arithmetic only: no torch, no ComfyUI. Positions count within
one sampling run, frames within the whole clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import SettingError

# With 3 frames per window, a level can have as many window ends as frames, and the recursion never ends.
SHORTEST_TREE_WINDOW = 4


@dataclass(frozen=True)
class Level:
    """One sampling run of a key-frame tree.

    frames   absolute frames in rising order, one latent each
    windows  ranges of positions in `frames` that are denoised together
    noise    for each position, the frame of the base noise that it starts from
    moves    whether the motion modules act; without them every frame is denoised independently
    """

    frames: tuple[int, ...]
    windows: tuple[range, ...]
    noise: tuple[int, ...]
    moves: bool = True

    @property
    def ends(self) -> tuple[int, ...]:
        """First and last frame of each window. Their captured features are the conditions of SK motion."""
        return tuple(self.frames[p] for p in window_ends(self.windows))


@dataclass(frozen=True)
class Padding:
    """The lengthened clip of the official second stage of v1 and v2, which is padded until the windows fit.

    latents, drive   for each position of the lengthened clip, the frame that its stage-1 latent and its drive
    features come from
    """

    windows: tuple[range, ...]
    latents: tuple[int, ...]
    drive: tuple[int, ...]


def windows(n: int, length: int, overlap: int) -> tuple[range, ...]:
    """Cover 0..n-1 with the fewest windows of `length` positions that share at
    least `overlap` with the next one, evenly spaced.

    Every window has the length that the motion modules were trained with. The surplus is spread over all
    overlaps, so the last window is not computed nearly twice. A clip that fits in one window gets one window
    of n positions. Raises SettingError for n < 1, length < 1 or an overlap outside 0..length-1.
    """
    _check(n, length, overlap)
    if n <= length:
        return (range(n),)
    gaps = -(-(n - length) // (length - overlap))
    starts = (i * (n - length) // gaps for i in range(gaps + 1))
    return tuple(range(start, start + length) for start in starts)


def looped_windows(n: int, length: int, overlap: int, offset: int) -> tuple[tuple[int, ...], ...]:
    """Closed-loop windows, as in AnimateDiff's uniform context:
    the last ones continue at the start of the clip.

    offset: position where the first window starts; a different one per step moves the window borders. A clip
    that fits in one window gets one window, in order.
    """
    _check(n, length, overlap)
    if n <= length:
        return (tuple(range(n)),)
    return tuple(
        tuple((start + i + offset) % n for i in range(length)) for start in range(0, n, length - overlap)
    )


def chain(n: int, length: int) -> tuple[range, ...]:
    """Cover 0..n-1 with the fewest windows of at most `length`
    positions that share one position with the next one.

    Window lengths differ by at most one. Only the shared positions are
    computed twice, and they are the fewest key frames.
    """
    _check(n, length, 1)
    gaps = max(1, -(-(n - 1) // (length - 1)))
    ends = [i * (n - 1) // gaps for i in range(gaps + 1)]
    return tuple(range(a, b + 1) for a, b in zip(ends, ends[1:]))


def batches(n: int, size: int) -> tuple[range, ...]:
    """Split 0..n-1 into consecutive ranges of at most `size` positions without overlap, for frames that
    are denoised independently.
    """
    _check(n, size, 0)
    return tuple(range(start, min(start + size, n)) for start in range(0, n, size))


def published_padding(n: int, length: int = 12, overlap: int = 4) -> Padding:
    """Windows of the official v1 and v2 video pipeline.

    It appends at least one padding frame, a copy of the last but one latent.

    The official code clamps the overlap to 0..length/2-1 and fails for clips shorter than the overlap; here
    such a clip is padded to one window.
    """
    overlap = min(max(0, overlap), length // 2 - 1)
    _check(n, length, overlap)
    stride = length - overlap
    padded = n + stride - (n - overlap) % stride if n >= overlap else length
    extra = padded - n
    return Padding(
        windows=tuple(range(start, start + length) for start in range(0, padded - length + 1, stride)),
        latents=(*range(n), *[max(n - 2, 0)] * extra),
        drive=(*range(n), *[n - 1] * extra),
    )


def weights(layout: tuple[Sequence[int], ...], smooth: bool) -> tuple[tuple[float, ...], ...]:
    """Blending weight of each window at each of its positions; the
    weights of one position sum to 1 over the windows.

    smooth: False = equal weights, the official average; True = weights fall linearly over the overlap, so
    that the first and last frame of a window cause no visible step.
    """
    shared = max((len(set(a) & set(b)) for a, b in zip(layout, layout[1:])), default=0)

    def raw(window: Sequence[int], i: int) -> int:
        return min(i + 1, len(window) - i, shared + 1) if smooth else 1

    total: dict[int, int] = {}
    for window in layout:
        for i, position in enumerate(window):
            total[position] = total.get(position, 0) + raw(window, i)
    return tuple(
        tuple(raw(window, i) / total[position] for i, position in enumerate(window)) for window in layout
    )


def key_frame_levels(
    n: int, length: int = 12, margins: bool = False, published: bool = False
) -> tuple[Level, ...]:
    """The sampling runs of a key-frame tree for a clip of n frames, coarsest
    level first; the last level is the clip itself.

    Neighbouring windows share one frame. The first and last frames of the windows of a level form the next
    coarser level, until one window covers a level. margins (v3, v4): add a coarser run without motion of its
    first and last frame, both from the first frame of the noise.
    published: shorten only the last window, as the official pipelines do (a last window of one frame, on
    which v3 and v4 fail, is dropped); otherwise all windows are shortened evenly, see `chain`. Raises
    SettingError for n < 1 or length < 4.
    """
    _check(n, length, 1)
    if length < SHORTEST_TREE_WINDOW:
        raise SettingError(
            f"Hierarchical key-frame sampling needs windows of at least {SHORTEST_TREE_WINDOW} frames, not {length}.",
            "window_length",
            length,
        )
    lay = _cut_short if published else chain
    frames, levels = tuple(range(n)), []
    while True:
        level = Level(frames, lay(len(frames), length), tuple(range(len(frames))))
        levels.append(level)
        if len(level.windows) == 1:
            break
        frames = level.ends
    if margins:
        levels.append(Level(level.ends, (range(len(level.ends)),), (0,) * len(level.ends), moves=False))
    return tuple(reversed(levels))


def window_ends(layout: tuple[range, ...]) -> tuple[int, ...]:
    """Positions that open or close a window, in rising order, without duplicates."""
    return tuple(sorted({end for window in layout for end in (window[0], window[-1])}))


def _cut_short(n: int, length: int) -> tuple[range, ...]:
    if n <= length:
        return (range(n),)
    return tuple(range(start, min(start + length, n)) for start in range(0, n - 1, length - 1))


def _check(n: int, length: int, overlap: int) -> None:
    if n < 1 or length < 1:
        raise SettingError(
            f"Windows need at least one frame: the clip has {n}, a window {length}.", "window_length", length
        )
    if not 0 <= overlap < length:
        raise SettingError(
            f"The overlap must lie between 0 and {length - 1} for windows of {length} frames, not {overlap}.",
            "overlap",
            overlap,
        )
