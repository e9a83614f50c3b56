"""Acts inside the sixteen transformer blocks of SD1.5, bound to the public hooks of ComfyUI's UNet: what the frames attend to, and what
is added to the result.

Nothing of the host is imported: patchers, and the host's attention function, come in as arguments. Axis letters: B rows of the UNet
batch (with those that ride along, see extra_rows.py), n cells, m tokens attended to, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from ..clip.frames import Rows, rows_of
from ..clip.run import Run, acts_in, run_of
from .comfy_hooks import ON_CLEANUP, take_part
from .extra_items import DIFFUSION_MODEL, Layout, frames_of, layout_of, on_frames

KEY = "sk_portrait_attentions"
ON_CLONE = "on_clone"  # the host's name for the moment at which a MODEL has been cloned (CallbacksMP.ON_CLONE)

# The host's block -> place: side, UNet block and layer of diffusers' names.
PLACES = {
    **{("input", 1 + 3 * block + layer): ("down", block, layer) for block in range(3) for layer in range(2)},
    ("middle", 0): ("mid", 0, 0),
    **{("output", 3 * block + layer): ("up", block, layer) for block in range(1, 4) for layer in range(3)},
}
BLOCKS = {place: block for block, place in PLACES.items()}
Place = tuple[str, int, int]

# The host's list of patches -> the method of an action that is called for it.
PATCHES = {"attn1_patch": "self_inputs", "attn1_output_patch": "self_output", "attn2_patch": "cross_inputs"}
CROSS_HEADS = "cross_heads"


class AttentionCall(NamedTuple):
    """One attention of one UNet call.

    rows     of the frames
    sigma    noise level
    run      the sampling run
    layout   where the frames are among the rows of the batch; None: the batch holds frames only
    options  the host's of this block (n_heads, ...): one dictionary for all hooks of a block, in which an action may keep what it
             needs until the block ends
    """

    rows: Rows
    sigma: float | None
    run: Run | None
    layout: Layout | None
    options: dict[str, Any]


class AttentionAction:
    """Something that acts in attentions. It is called where it has one of these methods:

    self_inputs(place, n, keys, values, call)    -> three tensors (B, n, C), (B, m, C), (B, m, C) before their projections
    self_output(place, out, call)                -> out (B, n, C), after the output projection
    cross_inputs(place, n, keys, values, call)   -> as self_inputs, of the text attention
    cross_heads(place, q, out, call)             -> out (B, n, C), the text attention's heads side by side, before the projection;
                                                    q (B, n, C) its queries

    span: (start, end) part of the sampling in which it acts, 0..1; None = always.
    """

    span: tuple[float, float] | None = None

    def release(self) -> None:
        """End of a run: drop what was kept for it."""


class Attentions:
    """The attention actions of one patched MODEL, in the order of their nodes."""

    def __init__(self, actions: Iterable[AttentionAction], attention: Callable):
        self.actions, self.attention = tuple(actions), attention

    def has(self, method: str) -> bool:
        return any(hasattr(action, method) for action in self.actions)

    def acting(self, method: str, options: dict) -> Iterator[tuple[Callable, Place, AttentionCall]]:
        """The method of every action that acts now, with the place and the call to give it."""
        place = PLACES.get(options["block"])
        call = options[KEY]._replace(layout=layout_of(options), options=options)
        for action in self.actions if place else ():
            if hasattr(action, method) and acts_in(action.span, call.run, call.sigma):
                yield getattr(action, method), place, call

    def cross_heads(self, q: Tensor, out: Tensor, options: dict) -> Tensor:
        for act, place, call in self.acting(CROSS_HEADS, options):
            out = act(place, q, out, call)
        return out

    def release(self) -> None:
        for action in self.actions:
            action.release()


class Patch:
    """One entry of the host's patch lists: calls one method of all actions."""

    def __init__(self, binding: Attentions, method: str):
        self.binding, self.method = binding, method

    def __call__(self, *arguments: Any) -> Tensor | tuple[Tensor, ...]:
        *tensors, options = arguments
        for act, place, call in self.binding.acting(self.method, options):
            result = act(place, *tensors, call)
            tensors = [result] if isinstance(result, Tensor) else result
        return tensors[0] if len(tensors) == 1 else tuple(tensors)

    def __deepcopy__(self, memo) -> Patch:
        return self  # old hosts deep-copy model_options at every clone


class TextAttention:
    """Stands in the host's place for a replaced text attention: an earlier replacement, or the host's own attention, then our actions,
    then what other packs add. IPAdapter adds itself to whatever stands there already, by `add`. Other packs act on the frames alone,
    and are told of them alone: what rides along would take the embedding of some frame."""

    def __init__(self, binding: Attentions, earlier: Callable | None = None, later: Iterable[tuple[Callable, dict]] = ()):
        self.binding, self.earlier, self.later = binding, earlier, list(later)

    def add(self, callback: Callable, **settings) -> None:
        """callback(out, q, k, v, options, **settings) -> a tensor that is added; settings hold its `sigma_start` and `sigma_end`."""
        self.later.append((callback, settings))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
        own, told = [frames_of(rows, options) for rows in (q, k, v)], _told_of_frames(options)
        if self.earlier is None:
            out = self._attention(q, k, v, options)
        elif layout := layout_of(options):
            riders = [layout.split(rows)[1] for rows in (q, k, v)]
            out = layout.join(self.earlier(*own, told), self._attention(*riders, options))
        else:
            out = self.earlier(q, k, v, options)
        out = self.binding.cross_heads(q, out, options)
        for callback, settings in self.later:
            if settings["sigma_start"] >= options[KEY].sigma >= settings["sigma_end"]:
                out = on_frames(partial(_added, callback, own, told, settings), out, options)
        return out.to(q.dtype)

    def _attention(self, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
        return self.binding.attention(q, k, v, options["n_heads"], attn_precision=options["attn_precision"], transformer_options=options)

    def __deepcopy__(self, memo) -> TextAttention:
        return self  # `part` makes the copy of a clone

    def to(self, device) -> TextAttention:
        if hasattr(self.earlier, "to"):
            self.earlier = self.earlier.to(device)
        return self

    def models(self) -> list:
        return self.earlier.models() if hasattr(self.earlier, "models") else []


def _told_of_frames(options: dict) -> dict:
    """The host's options as they are without the rows that ride along."""
    if layout_of(options) is None:
        return options
    rows = options[KEY].rows
    return {**options, "cond_or_uncond": list(rows.branches[:: rows.chunk])}


def _added(callback: Callable, own: list[Tensor], told: dict, settings: dict, out: Tensor) -> Tensor:
    return out + callback(out, *own, told, **settings)


def note(executor: Callable, x: Tensor, timesteps: Tensor, context, y, control, options: Mapping, **others) -> Tensor:
    """DIFFUSION_MODEL wrapper of the host: what all attentions of a UNet call ask, once."""
    sigmas = options.get("sigmas")
    rows = rows_of(options, len(frames_of(x, options)))
    call = AttentionCall(rows, None if sigmas is None else float(sigmas.max()), run_of(options), None, {})
    return executor(x, timesteps, context, y, control, {**options, KEY: call}, **others)


def bound(patcher: Any) -> tuple[AttentionAction, ...]:
    """The attention actions that earlier nodes bound to this MODEL."""
    binding = patcher.get_attachment(KEY)
    return binding.actions if binding else ()


def bind(patcher: Any, actions: Iterable[AttentionAction], attention: Callable, patchers: Iterable[Any] = ()) -> None:
    """Add actions to a freshly cloned MODEL, merged with those that earlier nodes bound; the MODEL cloned from keeps its own.

    attention: the host's optimized_attention. patchers: ModelPatchers of the actions' weights, to be loaded with the MODEL.
    """
    old = patcher.get_attachment(KEY)
    new = Attentions((*bound(patcher), *actions), attention)
    patcher.set_attachments(KEY, new)
    patcher.set_additional_models(KEY, [*patcher.get_additional_models_with_key(KEY), *patchers])
    take_part(patcher)
    if old is None:
        patcher.add_wrapper_with_key(DIFFUSION_MODEL, KEY, note)
        patcher.add_callback_with_key(ON_CLEANUP, KEY, release)
        patcher.add_callback_with_key(ON_CLONE, KEY, part)
    for name, method in PATCHES.items():
        if new.has(method):
            _put(patcher, Patch(new, method), name)
    _replace_text_attentions(patcher, new)


def release(patcher: Any) -> None:
    """End of a sampling run of this MODEL."""
    patcher.get_attachment(KEY).release()


def part(patcher: Any, clone: Any) -> None:
    """A clone gets text attentions of its own: what other packs add to them does not reach the MODEL that was cloned."""
    replaced = clone.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    for block, attention in replaced.items():
        if isinstance(attention, TextAttention):
            replaced[block] = TextAttention(attention.binding, attention.earlier, attention.later)


def _put(patcher: Any, ours: Patch, name: str) -> None:
    """Into the host's list, in place of our own from an earlier node."""
    patches = patcher.model_options["transformer_options"].get("patches", {})
    if any(isinstance(patch, Patch) for patch in patches.get(name, ())):
        patches[name] = [ours if isinstance(patch, Patch) else patch for patch in patches[name]]
    else:
        patcher.set_model_patch(ours, name)


def _replace_text_attentions(patcher: Any, binding: Attentions) -> None:
    """At every place: around what stands there, or in place of our own from an earlier node."""
    replaced = patcher.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    for side, number in PLACES:
        indexed = (side, number, 0) in replaced  # the host looks for the name with the transformer's index first
        there = replaced.get((side, number, 0) if indexed else (side, number))
        own = isinstance(there, TextAttention)
        replacement = TextAttention(binding, there.earlier if own else there, there.later if own else ())
        patcher.set_model_attn2_replace(replacement, side, number, 0 if indexed else None)
