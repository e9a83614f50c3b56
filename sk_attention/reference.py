"""The identity path: features of a plain UNet pass over the portrait, and the
adapter that attends to them (paper, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..unet.clip.fit import Size, View, notice_size, resized, size_of
from ..unet.clip.frames import Rows
from ..unet.feature_cache import TargetDevice
from ..unet.patches import REFERENCE, Call
from .attention import ReferenceKV, SKReferenceAttention, SKReferenceAttentionV5, STKReferenceModule

Features = Mapping[str, Tensor]  # block boundary name -> tensor

# Class of the module of one block boundary; its first argument is the number of channels.
BLOCKS = {
    "sinusoidal": SKReferenceAttention,
    "linear": SKReferenceAttentionV5,
    "self_attended": STKReferenceModule,
}


@dataclass(frozen=True)
class Reference:
    """Captured features of one portrait.

    features: block boundary -> (2, C, h, w), one entry per side in the order of `frames.COND, UNCOND`: the
      portrait under the positive prompt, an empty latent under the negative one (section 3.2)
    size:     (height, width) of the latent
    adapter:  the loaded adapter: `module` is the ReferenceAdapter, `versions` its versions of HelloMeme
    """

    features: Features
    size: tuple[int, int]
    adapter: Any


class ReferenceAdapter(nn.Module):
    """The modules of one official reference adapter, by block boundary.

    Parameter names are those of the checkpoint.
    """

    def __init__(
        self,
        block: str,
        up: Sequence[int],
        first_up: int = 0,
        down: Sequence[int] = (),
        mid: int | None = None,
        operations=nn,
        **block_options,
    ):
        """up, down: channels of the modules in checkpoint order; first_up: block boundary of
        `reference_modules_up.0` (v1, v2: 1).
        """
        super().__init__()

        def modules(widths):
            return nn.ModuleList(
                BLOCKS[block](width, operations=operations, **block_options) for width in widths
            )

        self.first_up = first_up
        self.reference_modules_up = modules(up)
        if down:
            self.reference_modules_down = modules(down)
        if mid:
            self.reference_modules_mid = modules([mid])[0]

    @property
    def trained_cells(self) -> int | None:
        """Longest side of a feature map, in feature pixels, that the
        positional tables were trained for; None = any (v5).
        """
        table = getattr(self.reference_modules_up[0], "pos_embed", None)
        return table and table.trained_length // 2

    @property
    def sites(self) -> dict[str, nn.Module]:
        """{block boundary: module}. v1's fourth down module is in the checkpoint and never called."""
        sites = {f"up_{self.first_up + i}": module for i, module in enumerate(self.reference_modules_up)}
        sites |= {
            f"down_{i}": module
            for i, module in enumerate(getattr(self, "reference_modules_down", []))
            if i < 3
        }
        if hasattr(self, "reference_modules_mid"):
            sites["mid"] = self.reference_modules_mid
        return sites


class Beside(NamedTuple):
    """Keys and values that R equal parts of a UNet call attend to: the features' entry and the view of
    each part, and block boundary -> keys and values.
    """

    served: tuple[int, ...]
    views: tuple[View, ...] | None
    boundaries: Mapping[str, ReferenceKV]


class ReferencePatch:
    """Patch by which the target attends to the reference at each block boundary of the adapter.

    Keys and values are projected once per run.
    """

    order = REFERENCE
    # name of the reference in errors, and what to do if its shape is wrong
    about = "reference", "encode the portrait at the size that is sampled"
    keeps = True  # whether keys and values are kept during a run; if not, every call projects them again

    def __init__(self, reference: Reference):
        self.sites = reference.adapter.module.sites
        self.reference = reference
        self._projected: dict[tuple, Beside] = {}  # key: entries and views of the parts, device and dtype
        # Whether the reference's size was already compared with the sampled size in this run.
        self._compared = False

    def served(self, rows: Rows) -> tuple[tuple[int, ...], tuple[View, ...] | None]:
        """For each of R equal parts of a call, the entry of the features that it attends to, and the part
        of the picture that it shows.
        """
        return rows.chunks, rows.views

    def prepare(self, rows: Rows, target: TargetDevice) -> Beside:
        """Return the keys and values for each block boundary.

        Raises SizeError if the portrait was encoded at another aspect ratio.
        """
        if rows.views and not self._compared:
            notice_size(self.reference.features, rows.views[0], *self.about)
            self._compared = True
        served, views = self.served(rows)
        if not self.keeps:
            return Beside(served, views, {})
        key = (served, views, target.there)
        if key not in self._projected:
            boundaries = {
                boundary: self._beside(boundary, served, views, target.device, target.dtype)
                for boundary in self.sites
            }
            self._projected[key] = Beside(served, views, boundaries)
        return self._projected[key]

    def __call__(self, boundary: str, h: Tensor, prepared: Beside, call: Call) -> Tensor:
        """h (B, C, H, W) of the UNet -> (B, C, H, W).

        If another node has resized h inside the UNet, the reference is resized too.
        """
        reference_kv, size = prepared.boundaries.get(boundary), size_of(h)
        if reference_kv is None or _size(reference_kv) != size:
            reference_kv = self._beside(boundary, prepared.served, prepared.views, h.device, h.dtype, size)
        return self.sites[boundary](h, reference_kv)

    def _beside(
        self,
        boundary: str,
        served: tuple[int, ...],
        views: tuple[View, ...] | None,
        device: torch.device,
        dtype: torch.dtype,
        size: Size | None = None,
    ) -> ReferenceKV:
        """Keys and values of each part's reference at a block boundary.

        size: actual size of h, if it differs from the view's.
        """
        module = self.sites[boundary]
        features = self.reference.features[boundary][list(served)].to(device, dtype)
        if views is None:
            return module.project(features if size is None else resized(features, size))
        wholes, parts = zip(*(view.at(boundary, size) for view in views), strict=True)
        reference_kv = module.project(resized(features, wholes[0]))
        return (
            reference_kv
            if all(view.area is None for view in views)
            else module.of_parts(reference_kv, parts, features)
        )

    def release(self) -> None:
        """Free what was kept for a run."""
        self._projected.clear()
        self._compared = False


def _size(reference_kv: ReferenceKV) -> Size:
    """Return the (height, width) of the feature map from which keys and values were projected."""
    return len(reference_kv.rows[0][0]), len(reference_kv.columns[0][0])
