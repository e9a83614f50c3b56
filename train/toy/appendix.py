"""The networks of the paper's appendix A, trained with the toy model, in SD1.5's shapes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...sk_attention.appendix.cross import SKCrossAdapter
from ...sk_attention.appendix.files import load_cross
from ...sk_attention.published_files import REFERENCE, Shapes, find_part
from .definition import TIMES, shapes_of
from .widen import widened

CONTROL = find_part(REFERENCE, "v1")  # ControlNetSK has the keys of v1's reference adapters


def wide_control(narrow: Mapping[str, Tensor], times: int = TIMES) -> dict[str, Tensor]:
    """Return a ControlNetSK of the toy model with `times` as many channels."""
    sizes = CONTROL.sizes(Shapes.of(narrow))
    sizes |= {side: [times * width for width in sizes[side]] for side in ("up", "down")}
    return widened(narrow, shapes_of(lambda: CONTROL.build(sizes | {"mid": times * sizes["mid"]})))


def wide_cross(
    kind: type[SKCrossAdapter], narrow: Mapping[str, Tensor], times: int = TIMES
) -> dict[str, Tensor]:
    """Return a FaceIDAdapter or TextAdapter of the toy model with `times` as many channels.

    The width of its tokens does not change.
    """
    modules = getattr(load_cross(kind, narrow, "the toy model's network"), kind.family)
    widths = {name: times * module.proj.out_features for name, module in modules.items()}
    first = next(iter(modules.values()))
    context, *tables = first.attn1.to_k.in_features, first.pos_embed, first.pos_embed_hidden
    lengths = [table.trained_length for table in tables]
    return widened(narrow, shapes_of(lambda: kind(widths, context, *lengths)))
