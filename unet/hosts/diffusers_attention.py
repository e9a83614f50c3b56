"""Binds patches of the text attention to a diffusers UNet2DConditionModel: `cross_inputs` and `cross_output`.

Imports nothing from diffusers: the UNet is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ..clip.frames import rows_of
from ..clip.run import acts_in, noise_level, run_of
from .comfy_attention import BLOCKS, AttentionCall, AttentionPatch, Place


@contextmanager
def attending(
    unet: Any, patches: Iterable[AttentionPatch], options: Mapping[str, Any]
) -> Iterator[nn.Module]:
    """Context manager: inside it, every call of `unet` runs the patches at
    each transformer block with a text attention.

    options: as ComfyUI's transformer_options. A patch may change the queries and
    the text, but not the keys or the values alone.
    """
    binding = _Binding(patches, options)
    hooks = [unet.conv_in.register_forward_pre_hook(binding.begin)]
    for place, attention in text_attentions(unet).items():
        hooks.append(attention.register_forward_pre_hook(binding.enter(place), with_kwargs=True))
        hooks.append(attention.register_forward_hook(binding.leave(place)))
    try:
        yield unet
    finally:
        for hook in hooks:
            hook.remove()
        for patch in binding.patches:
            patch.release()


def text_attentions(unet: Any) -> dict[Place, nn.Module]:
    """Return {place: text attention} of the transformer blocks that have one."""
    found = {}
    for place in BLOCKS:
        side, index, layer = place
        block = unet.mid_block if side == "mid" else getattr(unet, f"{side}_blocks")[index]
        transformer = block.attentions[layer]
        attention = getattr(next(iter(getattr(transformer, "transformer_blocks", ())), None), "attn2", None)
        if attention is not None:
            found[place] = attention
    return found


class _Binding:
    def __init__(self, patches: Iterable[AttentionPatch], options: Mapping[str, Any]):
        self.patches = sorted(patches, key=lambda patch: patch.order)
        self.options = options
        self._call: AttentionCall | None = None  # of the current UNet call

    @property
    def call(self) -> AttentionCall:
        assert self._call is not None, "`begin` runs before every attention"
        return self._call

    def begin(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        """Store, once per UNet call, the state that all attention layers read."""
        (x,) = args
        rows, run, sigma = rows_of(self.options, len(x)), run_of(self.options), noise_level(self.options)
        self._call = AttentionCall(rows, sigma, run, None, {"original_shape": list(x.shape)})

    def acting(self, method: str, call: AttentionCall):
        for patch in self.patches:
            if hasattr(patch, method) and acts_in(patch.percent_range, call.run, call.sigma):
                yield getattr(patch, method)

    def enter(self, place: Place):
        def hook(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict) -> tuple[tuple, dict]:
            self._call = self.call._replace(options={"original_shape": self.call.options["original_shape"]})
            n, context = args[0], kwargs["encoder_hidden_states"]
            for act in self.acting("cross_inputs", self.call):
                n, context, _ = act(place, n, context, context, self.call)
            return (n, *args[1:]), kwargs | {"encoder_hidden_states": context}

        return hook

    def leave(self, place: Place):
        def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
            for act in self.acting("cross_output", self.call):
                output = act(place, output, self.call)
            return output

        return hook
