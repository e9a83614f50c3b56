"""The identity path: features of a plain UNet pass over the portrait, and the adapter that attends to them (paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..unet.frames import Rows
from ..unet.residence import Placement
from ..unet.stations import REFERENCE, Call
from .attention import Knitted, SKReferenceAttention, SKReferenceAttentionV5, STKReferenceModule

Features = Mapping[str, Tensor]  # station name -> tensor

# Constructor of one site's module, from its width.
BLOCKS = {"sinusoidal": SKReferenceAttention, "linear": SKReferenceAttentionV5, "self_attended": STKReferenceModule}


@dataclass(frozen=True)
class Reference:
    """What the UNet saw in the portrait.

    features: station -> (2, C, h, w), one row per branch in the order of `frames.COND, UNCOND`: the portrait under the positive
              prompt, an empty latent under the negative one (section 3.2)
    size:     (height, width) of the latent
    adapter:  who attends to it: `module` is the ReferenceAdapter, `generations` what it was recognised as
    """

    features: Features
    size: tuple[int, int]
    adapter: Any


class ReferenceAdapter(nn.Module):
    """The modules of one published reference adapter, by station. Names of parameters are the checkpoint's."""

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
        """up, down: widths of the modules in checkpoint order; first_up: station of `reference_modules_up.0` (v1, v2: 1)."""
        super().__init__()

        def modules(widths):
            return nn.ModuleList(BLOCKS[block](width, operations=operations, **block_options) for width in widths)

        self.first_up = first_up
        self.reference_modules_up = modules(up)
        if down:
            self.reference_modules_down = modules(down)
        if mid:
            self.reference_modules_mid = modules([mid])[0]

    @property
    def trained_cells(self) -> int | None:
        """The longest side of a feature map, in cells, that the positional tables were trained for; None = any (v5)."""
        table = getattr(self.reference_modules_up[0], "pos_embed", None)
        return table and table.trained_length // 2

    @property
    def sites(self) -> dict[str, nn.Module]:
        """Station name -> module that acts there. v1's fourth down module is in the checkpoint and never called."""
        sites = {f"up_{self.first_up + i}": module for i, module in enumerate(self.reference_modules_up)}
        sites |= {f"down_{i}": module for i, module in enumerate(getattr(self, "reference_modules_down", [])) if i < 3}
        if hasattr(self, "reference_modules_mid"):
            sites["mid"] = self.reference_modules_mid
        return sites


class ReferenceAction:
    """At each station of the adapter, lets the target attend to the reference. Keys and values are projected once per run."""

    order = REFERENCE

    def __init__(self, reference: Reference):
        self.sites = reference.adapter.module.sites
        self.reference = reference
        self._projected: dict[tuple[int, ...], dict[str, Knitted]] = {}  # branches of the chunks -> station -> their keys and values

    def prepare(self, rows: Rows, placement: Placement) -> Mapping[str, Knitted]:
        """Station -> keys and values of each chunk's reference."""
        if rows.chunks not in self._projected:
            branches = list(rows.chunks)
            self._projected[rows.chunks] = {
                station: module.project(self.reference.features[station][branches].to(placement.device, placement.dtype))
                for station, module in self.sites.items()
            }
        return self._projected[rows.chunks]

    def __call__(self, station: str, h: Tensor, prepared: Mapping[str, Knitted], call: Call) -> Tensor:
        """h (B, C, H, W) of the UNet -> (B, C, H, W). Raises ValueError where the latent's size is not the reference's."""
        features = self.reference.features[station]
        if features.shape[-2:] != h.shape[-2:]:
            factor = self.reference.size[0] // features.shape[-2] or 1
            raise ValueError(
                f"The latent is {h.shape[-1] * factor}x{h.shape[-2] * factor} cells and the reference was encoded at "
                f"{self.reference.size[1]}x{self.reference.size[0]} (one cell is 8 px): encode the portrait at the size that is sampled."
            )
        return self.sites[station](h, prepared[station])

    def release(self) -> None:
        """Drop what was kept for the run."""
        self._projected.clear()
