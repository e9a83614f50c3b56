"""Rows whose truth is another run: other guiders, other orders of nodes, sentences where nothing can be known."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

import comfy.samplers
import torch

from ..testing.tiny_comfy import patcher
from ..testing.tiny_models import GOLDEN, prompt
from .compose_frames import EXTRAS, hook_lora, lora
from .compose_lab import CELLS, Absent, Lab, Scene, Wear, call, relative, torch_compiled


def sentence(act: Callable[[], object], words: str) -> float:
    """0 where `act` is refused with these words."""
    try:
        act()
    except ValueError as error:
        return 0.0 if re.search(words, str(error)) else float("inf")
    return float("inf")


def guided(lab: Lab, module: str, node: str, *inputs) -> torch.Tensor:
    """The clip under a guider of the host; inputs that are functions get the scene."""

    def guider(scene: Scene):
        return call(EXTRAS + module, node, *(one(scene) if callable(one) else one for one in inputs))

    scene = lab.scene()
    scene.guider = guider
    return scene.samples()


def model(scene: Scene):
    return scene.model


def positive(scene: Scene):
    return scene.positive


def negative(scene: Scene):
    return scene.negative


def dual_model(lab: Lab) -> float:
    try:
        twice = guided(lab, "nodes_custom_sampler", "DualModelGuider", model, positive, 2.0, model, negative)
    except AttributeError:
        raise Absent("this host has no Dual Model Guider") from None
    return relative(twice, lab.whole())


def dual_cfg(style: str) -> Callable[[Lab], float]:
    def row(lab: Lab) -> float:
        got = guided(lab, "nodes_custom_sampler", "DualCFGGuider", model, positive, positive, negative, 5.0, 2.0, style)
        return relative(got, lab.whole())

    return row


def perp_neg(lab: Lab) -> float:
    return relative(guided(lab, "nodes_perpneg", "PerpNegGuider", model, positive, negative, negative, 2.0, 1.0), lab.whole())


def perp_neg_sides(lab: Lab) -> float:
    """Its three prompts together are each of them sampled alone, by number and on the side that it belongs to."""
    empty = prompt("0")
    got = guided(lab, "nodes_perpneg", "PerpNegGuider", model, positive, negative, lambda scene: empty, 2.0, 0.7)

    def apart(scene: Scene):
        return call(EXTRAS + "nodes_perpneg", "PerpNegGuider", scene.model, scene.positive, scene.negative, empty, 2.0, 0.7)

    together = comfy.samplers.calc_cond_batch

    def each(base, conds, x, timestep, options):
        (cond, *others) = conds
        (yes, _) = together(base, [cond, None], x, timestep, options)
        return [yes, *(together(base, [None, one], x, timestep, options)[1] for one in others)]

    comfy.samplers.calc_cond_batch = each
    try:
        with lab.by_number():
            scene = lab.scene()
            scene.guider = apart
            return relative(got, scene.samples())
    finally:
        comfy.samplers.calc_cond_batch = together


def old_perp_neg(lab: Lab) -> float:
    scene = lab.scene()
    scene.model = call(EXTRAS + "nodes_perpneg", "PerpNeg", scene.model, prompt("0"), 1.0)
    return sentence(scene.samples, "a prompt that its guider does not know.*Perp-Neg Guider")


def sag(lab: Lab) -> float:
    """Its extra pass is uncond: the same with that pass at uncond's own place in the call."""

    def worn() -> Scene:
        scene = lab.wide()  # its map of the middle block's attention needs more than one cell
        scene.model = call(EXTRAS + "nodes_sag", "SelfAttentionGuidance", scene.model, 0.8, 2.0)
        return scene

    got, together = worn().samples(), comfy.samplers.calc_cond_batch

    def placed(base, conds, x, timestep, options):
        return together(base, [None, *conds], x, timestep, options)[1:] if len(conds) == 1 else together(base, conds, x, timestep, options)

    comfy.samplers.calc_cond_batch = placed
    try:
        with lab.by_number():
            return relative(got, worn().samples())
    finally:
        comfy.samplers.calc_cond_batch = together


def hook_lora_is_lora(lab: Lab) -> float:
    return relative(lab.whole(hook_lora), lab.whole(lora))


def lora_before(lab: Lab) -> float:
    before = Scene(lab.model, lab.noise, prompt("+"), prompt("-"))
    lora(lab, before, ())
    before.model = lab.apply(lab.portrait, lab.clip(range(len(lab.noise))), model=before.model)
    return relative(before.samples(), lab.whole(lora))


def merged(lab: Lab) -> float:
    """A MODEL merged with itself in equal parts is itself."""
    scene = lab.scene()
    scene.model = call(EXTRAS + "nodes_model_merging", "ModelMergeSimple", scene.model, lab.model, 0.5)
    return relative(scene.samples(), lab.whole())


def compiled(lab: Lab) -> float:
    """In windows, whose drive changes between the calls of one compiled graph."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    error = _compiled_by(backend, lab)
    return error if graphs else float("inf")


def inductor(lab: Lab) -> float:
    """The same by torch's own compiler."""
    if not shutil.which("g++"):
        raise Absent("inductor needs a C++ compiler")
    return _compiled_by("inductor", lab)


def _compiled_by(backend: str | Callable, lab: Lab) -> float:
    scene = lab.scene(windows=True)
    scene.model = torch_compiled(scene.model, backend)
    return relative(scene.samples(), lab.whole())


def easy_cache(lab: Lab) -> float:
    """Two windows that share no frame, each of which skips the steps that it skips as a clip of its own."""

    def scene(frames: range, window: int = 0, cached: bool = True) -> Scene:
        made = lab.scene(frames=frames)
        made.steps, made.cfg = 6, 1.0  # one condition: 0.3.64's adds that of one to both
        made.model = lab.move(lab.still, window, 0, model=made.model) if window else made.model
        if cached:
            made.model = call(EXTRAS + "nodes_easycache", "EasyCacheNode", made.model, 1.0, 0.0, 1.0, False)
        return made

    together, apart = scene(range(4), 2).samples(), torch.cat([scene(half).samples() for half in (range(2), range(2, 4))])
    skipped = relative(together, scene(range(4), cached=False).samples()) > 1e-3
    return relative(together, apart) if skipped else float("inf")


def schedule_behind(lab: Lab) -> float:
    """A span counts in the schedule that is sampled: the node that changes it may stand before Apply or behind it."""

    def other(model):
        return call(EXTRAS + "nodes_model_advanced", "ModelSamplingDiscrete", model, "v_prediction", True)

    def scene(model) -> Scene:
        return Scene(model, lab.noise, prompt("+"), prompt("-"), steps=6)

    def apply(model):
        return lab.apply(lab.portrait, lab.clip(range(len(lab.noise))), model=model, span=(0.2, 0.5))

    return relative(scene(other(apply(lab.model))).samples(), scene(apply(other(lab.model))).samples())


def unet_in(dtype: torch.dtype) -> Callable[[Lab], float]:
    """One UNet call of this precision, with a portrait that the same UNet looked at."""

    def row(lab: Lab) -> float:
        weights = GOLDEN.unet_weights()
        return relative(*(seen_by_itself(lab, patcher(weights, one), steps=1, cfg=1.0) for one in (dtype, torch.float32)))

    return row


def fp8(lab: Lab) -> float:
    """Weights kept in 8 bits are the same weights rounded to 8 bits and kept in fp32: nothing else loses precision."""
    eight, weights = torch.float8_e4m3fn, GOLDEN.unet_weights()
    rounded = {key: weight.to(eight).float() for key, weight in weights.items()}
    return relative(seen_by_itself(lab, patcher(weights, eight, torch.float32)), seen_by_itself(lab, patcher(rounded)))


def seen_by_itself(lab: Lab, unet, wear: Wear | None = None, **wishes) -> torch.Tensor:
    """What a MODEL makes of the clip, with the portrait seen by itself, and something of others behind Apply."""
    clip = lab.clip(range(len(lab.noise)))
    scene = Scene(lab.apply(lab.reference("v2", CELLS, unet), clip, unet), lab.noise, prompt("+"), prompt("-"), **wishes)
    if wear:
        wear(lab, scene, range(len(lab.noise)))
    return scene.samples()


def sampler(name: str) -> Callable[[Lab], float]:
    """Whatever numbers a sampler draws, it draws the same for cond and uncond together and apart."""

    def row(lab: Lab) -> float:
        def samples() -> torch.Tensor:
            torch.manual_seed(5)
            scene = lab.scene(frames=range(2))
            scene.sampler = name
            return scene.samples()

        together = samples()
        with lab.apart():
            return relative(samples(), together)

    return row


Rows = dict[tuple[str, str], Callable[[Lab], float]]

RUNS: Rows = {
    ("Dual Model Guider, twice the same MODEL", "is CFG Guider"): dual_model,
    ("Dual CFG Guider, both prompts the same", "is CFG Guider"): dual_cfg("regular"),
    ("Dual CFG Guider nested, both prompts the same", "is CFG Guider"): dual_cfg("nested"),
    ("Perp-Neg Guider, negative and empty the same", "is CFG Guider"): perp_neg,
    ("Perp-Neg Guider, three prompts", "are each prompt alone on its side"): perp_neg_sides,
    ("Perp-Neg, the deprecated node", "is refused with a sentence"): old_perp_neg,
    ("SAG", "its extra pass is on uncond's side"): sag,
    ("hook LoRA", "is the LoRA"): hook_lora_is_lora,
    ("LoRA before Apply", "is the LoRA behind it"): lora_before,
    ("merged half and half with itself behind Apply", "is itself"): merged,
    ("torch.compile", "our windows are the whole batch"): compiled,
    ("torch.compile, inductor", "our windows are the whole batch"): inductor,
    ("EasyCache", "a window is itself alone"): easy_cache,
    ("UNet with weights in fp8", "is one with the same weights in fp32"): fp8,
    ("zero terminal SNR, v-prediction behind Apply with a span", "is the same before it"): schedule_behind,
}
HALVES: Rows = {
    ("UNet in bf16", "is the UNet in fp32 to 2e-2"): unet_in(torch.bfloat16),
    ("UNet in fp16", "is the UNet in fp32 to 2e-2"): unet_in(torch.float16),
}
SAMPLERS: Rows = {(f"sampler {name}", "cond and uncond apart are together"): sampler(name) for name in comfy.samplers.KSampler.SAMPLERS}
