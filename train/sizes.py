"""Sizes of the official parts for UNets with other widths than SD1.5."""

from __future__ import annotations

from collections.abc import Sequence

from ..sk_attention.drive_encoders import PROJECTION_MAPS
from ..sk_attention.published_files import DRIVE, MOTION, PROJECTION, Part

SD15 = (320, 640, 1280, 1280)


def fitted(part: Part, widths: Sequence[int]) -> dict:
    """Return arguments of `part.build` for a UNet with four levels of `widths`
    channels; `part.published` for SD1.5's widths.

    Sizes that do not depend on the UNet are kept: the first convolution of a drive encoder, the trunk of
    v4's, the expression tokens.
    """
    sizes = dict(part.published)
    if tuple(widths) == SD15:
        return sizes
    width = dict(zip(SD15, (*widths[:2], widths[3], widths[3])))
    if part.kind == PROJECTION:
        boundaries = {"down": widths, "up": (widths[3], widths[3], widths[2], widths[1])}
        inner = {name: sizes["widths"][name][0] for name in PROJECTION_MAPS}
        out = {
            name: boundaries[boundary[:-2]][int(boundary[-1])]
            for name, (_, boundary) in PROJECTION_MAPS.items()
        }
        return {"widths": {name: (inner[name], out[name]) for name in PROJECTION_MAPS}}
    for name in ("up", "down", "down_taps"):
        if sizes.get(name):
            sizes[name] = [width[w] for w in sizes[name]]
    if sizes.get("mid"):
        sizes["mid"] = width[sizes["mid"]]
    if part.kind == MOTION and part.fixed["block"] == "timed":
        sizes["embedding_dim"] = 4 * widths[0]
    if part.kind == DRIVE and "boundaries" in part.fixed:
        sizes["widths"] = [sizes["widths"][0], *(width[w] for w in sizes["widths"][1:])]
    return sizes
