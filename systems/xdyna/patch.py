"""X-Dyna in a UNet call of ComfyUI: adds the reference as an extra item to every
chunk, and the attention to it and to its tokens.

Imports nothing from ComfyUI: the UNet's own layers are arguments of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...errors import SizeError
from ...unet.clip.frames import COND, rows_of
from ...unet.hosts import comfy_attention, extra_items
from ...unet.hosts.comfy_attention import AttentionCall, AttentionPatch, Place
from ...unet.hosts.comfy_injection import block_at
from ...unet.hosts.extra_items import ExtraItems
from .adapter import DynamicsAdapter
from .joint_norm import joint_norms

SYSTEM = "X-Dyna"
# In transformer_options, for one call and for one block of it.
UNET, NORMED = (
    "sk_portrait_xdyna_unet",
    "sk_portrait_xdyna_normed",
)


@dataclass(eq=False)
class Dynamics(AttentionPatch):
    """X-Dyna's reference picture on one MODEL.

    reference:  (1, 4, h, w) latent in the UNet's own scale; it stays clean at every timestep
    tokens:     (2, 16, D) of the picture and of an empty picture, in the order cond, uncond; None = text
      alone
    strength:   of reference and tokens; 1 = the official network
    joint:      True = group norms over reference and frames together, as in the official code; False = per
      item
    """

    adapter: DynamicsAdapter
    reference: Tensor
    tokens: Tensor | None = None
    strength: float = 1.0
    joint: bool = True

    def __deepcopy__(self, memo) -> Dynamics:
        return self  # ComfyUI deep-copies model_options at every clone

    def call(
        self,
        executor: Callable,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        y,
        control,
        options: Mapping,
        **others,
    ) -> Tensor:
        """DIFFUSION_MODEL wrapper of ComfyUI.

        Raises SizeError if the reference has another size than the latents that are sampled.
        """
        if x.shape[1:] != self.reference.shape[1:]:
            (h, w), (rh, rw) = x.shape[-2:], self.reference.shape[-2:]
            raise SizeError(
                f"The reference is {rw * 8}x{rh * 8} px and {w * 8}x{h * 8} px are sampled: X-Dyna needs both of one size "
                "(and no area conditioning).",
                (rw * 8, rh * 8),
                (w * 8, h * 8),
            )
        frames = rows_of(options, len(x)).chunk
        latents = self.reference.to(x).expand(len(x) // frames, -1, -1, -1)
        # The reference has the prompt and timestep of its chunk.
        items = ExtraItems((1,) * len(latents), latents, timesteps[::frames], context[::frames])
        options = {**options, UNET: executor.class_obj}
        with joint_norms(executor.class_obj, frames + 1) if self.joint else nullcontext():
            return extra_items.run(executor, items, x, timesteps, context, y, control, options, **others)

    def self_inputs(
        self, place: Place, n: Tensor, keys: Tensor, values: Tensor, call: AttentionCall
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Store the normed input of this self-attention for `self_output`."""
        call.options[NORMED] = n
        return n, keys, values

    def self_output(self, place: Place, out: Tensor, call: AttentionCall) -> Tensor:
        """Add the attention of frames and reference to the reference."""
        n = call.options.pop(NORMED)
        assert call.layout is not None, "`call` lays the reference out"
        own, (_, reference) = _block(call.options[UNET], place).attn1, call.layout.split(n)
        keys, values = own.to_k(reference), own.to_v(reference)
        return out + self.strength * self.adapter.reference[place](n, keys, values, call.options["n_heads"])

    def cross_heads(self, place: Place, q: Tensor, out: Tensor, call: AttentionCall) -> Tensor:
        """Add the attention of frames and reference to the tokens."""
        if self.tokens is None:
            return out
        sides = call.rows.sides[:: call.rows.chunk]
        tokens = self.tokens[[0 if side == COND else 1 for side in sides]].to(q)
        return out + self.strength * self.adapter.image[place](q, tokens, call.options["n_heads"])


def attach(patcher: Any, dynamics: Dynamics, attention: Callable, patchers: tuple = ()) -> None:
    """Add X-Dyna to a freshly cloned MODEL. attention, patchers: as in `comfy_attention.bind`.

    Raises CombinationError if another system adds extra items.
    """
    extra_items.attach(patcher, dynamics.call, SYSTEM)
    comfy_attention.bind(patcher, [dynamics], attention, patchers)


def _block(unet: Any, place: Place) -> Any:
    """Return the UNet's transformer block at a place."""
    layers: Any = block_at(unet, place)
    return next(layer for layer in layers if hasattr(layer, "transformer_blocks")).transformer_blocks[0]
