"""Binds attention patches to ComfyUI's hooks in the sixteen transformer blocks of SD1.5. A patch may change
queries, keys and values before the projections, and attention outputs.

Imports nothing from ComfyUI: patchers and its attention function are arguments. Axis letters: B items of the
UNet batch (extra items included, see extra_items.py), n latent pixels, m attended tokens, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

from torch import Tensor

from ..clip.frames import Rows, rows_of
from ..clip.run import Run, acts_in, run_of
from .comfy_hooks import ON_CLEANUP, register_wrappers
from .extra_items import DIFFUSION_MODEL, Layout, frames_of, layout_of, on_frames

KEY = "sk_portrait_attentions"
ON_CLONE = "on_clone"  # CallbacksMP.ON_CLONE: after a MODEL was cloned

# ComfyUI's block -> (side, UNet block, layer) in diffusers' names.
PLACES = {
    **{("input", 1 + 3 * block + layer): ("down", block, layer) for block in range(3) for layer in range(2)},
    ("middle", 0): ("mid", 0, 0),
    **{("output", 3 * block + layer): ("up", block, layer) for block in range(1, 4) for layer in range(3)},
}
BLOCKS = {place: block for block, place in PLACES.items()}
Place = tuple[str, int, int]

# ComfyUI's patch list -> the method of an attention patch that it calls.
PATCHES = {
    "attn1_patch": "self_inputs",
    "attn1_output_patch": "self_output",
    "attn2_patch": "cross_inputs",
    "attn2_output_patch": "cross_output",
}
CROSS_HEADS = "cross_heads"
REPLACES, READS, OTHER = range(3)  # order of the patches of one MODEL


class AttentionCall(NamedTuple):
    """One attention layer in one UNet call.

    rows     frame and side (cond or uncond) of each batch item
    sigma    noise level
    run      the sampling run
    layout   position of the frames in the batch; None: the batch holds frames only
    options  ComfyUI's options of this block (n_heads, ...): one dictionary for all hooks of a block, in which
      a patch may keep values until the block ends
    """

    rows: Rows
    sigma: float | None
    run: Run | None
    layout: Layout | None
    options: dict[str, Any]

    def grid(self, count: int) -> tuple[int, int]:
        """(height, width) of a feature map of `count` latent pixels at this place."""
        return grid_of(count, tuple(self.options["original_shape"][-2:]))


@cache
def grid_of(count: int, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a feature map with `count` latent pixels in a UNet that shows a latent of `size`.

    The UNet halves each side and rounds up. For a map that another node has resized, the two factors of
    `count` closest to the latent's aspect ratio are returned.
    """
    height, width = size
    for halvings in range(4):
        shape = -(-height // 2**halvings), -(-width // 2**halvings)
        if shape[0] * shape[1] == count:
            return shape
    sides = [side for side in range(1, count + 1) if count % side == 0]
    best = min(sides, key=lambda side: abs(math.log(side * side / count * width / height)))
    return best, count // best


class AttentionPatch:
    """Base class of patches inside the transformer blocks. A subclass implements any of these methods:

    self_inputs(place, n, keys, values, call)   -> (B, n, C), (B, m, C), (B, m, C): inputs of the query, key
                and value projections of the self-attention
    self_output(place, out, call)               -> out (B, n, C), after the output projection
    cross_inputs(place, n, keys, values, call)  -> as self_inputs, for the text attention
    cross_heads(place, q, out, call)            -> out (B, n, C): concatenated heads of the text attention,
                before the output projection; q (B, n, C) are its queries
    cross_output(place, out, call)              -> out (B, n, C), after the output projection

    percent_range: (start, end) as 0..1; None = always
    order: patches run in this order, those of one number in the order of their nodes: REPLACES the output of
      the text attention, READS its inputs before another patch exchanges them, or any OTHER
    """

    percent_range: tuple[float, float] | None = None
    order = OTHER

    def release(self) -> None:
        """Free what was kept for the sampling run that has ended."""


class AttentionPatchSet:
    """The attention patches of one MODEL, by their `order`, then in the order of their nodes."""

    def __init__(self, patches: Iterable[AttentionPatch], attention: Callable):
        self.patches = tuple(sorted(patches, key=lambda patch: patch.order))
        self.attention = attention

    def has(self, method: str) -> bool:
        return any(hasattr(patch, method) for patch in self.patches)

    def acting(self, method: str, options: dict) -> Iterator[tuple[Callable, Place, AttentionCall]]:
        """Yield the method of every active patch, with the place and the AttentionCall to pass to it."""
        place = PLACES.get(options["block"])
        if place is None:
            return
        call = options[KEY]._replace(layout=layout_of(options), options=options)
        for patch in self.patches:
            if hasattr(patch, method) and acts_in(patch.percent_range, call.run, call.sigma):
                yield getattr(patch, method), place, call

    def cross_heads(self, q: Tensor, out: Tensor, options: dict) -> Tensor:
        for act, place, call in self.acting(CROSS_HEADS, options):
            out = act(place, q, out, call)
        return out

    def release(self) -> None:
        for patch in self.patches:
            patch.release()


class AttentionHook:
    """One entry of ComfyUI's patch lists: calls one method of all attention patches."""

    def __init__(self, binding: AttentionPatchSet, method: str):
        self.binding, self.method = binding, method

    def __call__(self, *arguments: Any) -> Tensor | tuple[Tensor, ...]:
        *tensors, options = arguments
        for act, place, call in self.binding.acting(self.method, options):
            result = act(place, *tensors, call)
            tensors = [result] if isinstance(result, Tensor) else result
        return tensors[0] if len(tensors) == 1 else tuple(tensors)

    def __deepcopy__(self, memo) -> AttentionHook:
        return self  # old versions deep-copy model_options at every clone


class TextAttention:
    """Replaces one text attention of the UNet.

    Runs an earlier replacement or ComfyUI's own attention, then our patches,
    then adds the outputs of other packs' callbacks.

    IPAdapter registers itself through `add`. Other packs' code gets the frames only: it would pair an extra
    item with the image embedding of some frame.
    """

    def __init__(
        self,
        binding: AttentionPatchSet,
        earlier: Callable | None = None,
        later: Iterable[tuple[Callable, dict]] = (),
    ):
        self.binding, self.later = binding, list(later)
        self.earlier: Any = earlier  # another pack's, which may have models of its own

    def add(self, callback: Callable, **settings) -> None:
        """Register callback(out, q, k, v, options, **settings), which returns a tensor to add.

        settings must hold `sigma_start` and `sigma_end`.
        """
        self.later.append((callback, settings))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
        own, frame_options = [frames_of(rows, options) for rows in (q, k, v)], _frame_options(options)
        if self.earlier is None:
            out = self._attention(q, k, v, options)
        elif layout := layout_of(options):
            extra_q, extra_k, extra_v = (layout.split(rows)[1] for rows in (q, k, v))
            extra = self._attention(extra_q, extra_k, extra_v, options)
            out = layout.join(self.earlier(*own, frame_options), extra)
        else:
            out = self.earlier(q, k, v, options)
        out = self.binding.cross_heads(q, out, options)
        for callback, settings in self.later:
            if settings["sigma_start"] >= options[KEY].sigma >= settings["sigma_end"]:
                out = on_frames(partial(_added, callback, own, frame_options, settings), out, options)
        return out.to(q.dtype)

    def _attention(self, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
        return self.binding.attention(
            q, k, v, options["n_heads"], attn_precision=options["attn_precision"], transformer_options=options
        )

    def __deepcopy__(self, memo) -> TextAttention:
        return self  # `part` makes the copy for a clone

    def to(self, device) -> TextAttention:
        if hasattr(self.earlier, "to"):
            self.earlier = self.earlier.to(device)
        return self

    def models(self) -> list:
        return self.earlier.models() if hasattr(self.earlier, "models") else []


def _frame_options(options: dict) -> dict:
    """Return ComfyUI's options as they would be without extra items."""
    if layout_of(options) is None:
        return options
    rows = options[KEY].rows
    return {**options, "cond_or_uncond": list(rows.sides[:: rows.chunk])}


def _added(callback: Callable, own: list[Tensor], frame_options: dict, settings: dict, out: Tensor) -> Tensor:
    return out + callback(out, *own, frame_options, **settings)


def publish_call(
    executor: Callable, x: Tensor, timesteps: Tensor, context, y, control, options: Mapping, **others
) -> Tensor:
    """DIFFUSION_MODEL wrapper: publish the AttentionCall that all attention layers of this UNet call read."""
    sigmas = options.get("sigmas")
    rows = rows_of(options, len(frames_of(x, options)))
    call = AttentionCall(rows, None if sigmas is None else float(sigmas.max()), run_of(options), None, {})
    return executor(x, timesteps, context, y, control, {**options, KEY: call}, **others)


def bound(patcher: Any) -> tuple[AttentionPatch, ...]:
    """Return the attention patches that earlier nodes bound to this MODEL."""
    binding = patcher.get_attachment(KEY)
    return binding.patches if binding else ()


def bind(
    patcher: Any, patches: Iterable[AttentionPatch], attention: Callable, patchers: Iterable[Any] = ()
) -> None:
    """Add attention patches to a freshly cloned MODEL, merged with those of
    earlier nodes; the original MODEL keeps its own.

    attention: ComfyUI's optimized_attention; patchers: ModelPatchers of the
    patches' weights, loaded together with the MODEL.
    """
    old = patcher.get_attachment(KEY)
    new = AttentionPatchSet((*bound(patcher), *patches), attention)
    patcher.set_attachments(KEY, new)
    patcher.set_additional_models(KEY, [*patcher.get_additional_models_with_key(KEY), *patchers])
    register_wrappers(patcher)
    if old is None:
        patcher.add_wrapper_with_key(DIFFUSION_MODEL, KEY, publish_call)
        patcher.add_callback_with_key(ON_CLEANUP, KEY, release)
        patcher.add_callback_with_key(ON_CLONE, KEY, part)
    for name, method in PATCHES.items():
        if new.has(method):
            _put(patcher, AttentionHook(new, method), name)
    _replace_text_attentions(patcher, new)


def release(patcher: Any) -> None:
    """Free what the patches kept for a sampling run of this MODEL."""
    patcher.get_attachment(KEY).release()


def part(patcher: Any, clone: Any) -> None:
    """Give a clone its own text attentions, so that callbacks that other packs add to the clone do not
    reach the original MODEL.
    """
    replaced = clone.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    for block, attention in replaced.items():
        if isinstance(attention, TextAttention):
            replaced[block] = TextAttention(attention.binding, attention.earlier, attention.later)


def _put(patcher: Any, ours: AttentionHook, name: str) -> None:
    """Add our hook to a patch list of ComfyUI, or replace the hook from an earlier node."""
    lists = patcher.model_options["transformer_options"].get("patches", {})
    if any(isinstance(patch, AttentionHook) for patch in lists.get(name, ())):
        lists[name] = [ours if isinstance(patch, AttentionHook) else patch for patch in lists[name]]
    else:
        patcher.set_model_patch(ours, name)


def _replace_text_attentions(patcher: Any, binding: AttentionPatchSet) -> None:
    """Wrap the existing replacement of every text attention, or replace our own from an earlier node."""
    replaced = patcher.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    for side, number in PLACES:
        indexed = (
            side,
            number,
            0,
        ) in replaced  # ComfyUI looks up the name with the transformer's index first
        there = replaced.get((side, number, 0) if indexed else (side, number))
        own = isinstance(there, TextAttention)
        replacement = TextAttention(binding, there.earlier if own else there, there.later if own else ())
        patcher.set_model_attn2_replace(replacement, side, number, 0 if indexed else None)
