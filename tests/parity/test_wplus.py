"""Parity of the W+ adapter: its modules and directions, and on the real ComfyUI whole UNets and the sampler."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sk_portrait.systems.wplus.adapter import Projection, ResidualAttention
from sk_portrait.systems.wplus.directions import GANSpaceRow, ganspace, whole
from sk_portrait.systems.wplus.patch import WPlusPatch
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_networks import animatediff_of, frames_first, moving_forward
from sk_portrait.testing.golden_sampling import LATENT_SCALE
from sk_portrait.testing.golden_systems import wplus_of
from sk_portrait.unet.clip.curve import Curve
from sk_portrait.unet.hosts.comfy_injection import TemporalPatch
from sk_portrait.unet.networks.layers import Attention
from sk_portrait.unet.patches import WeightedPatch

Compared = Iterator[tuple[str, Tensor, Tensor]]  # (key of the output, ours, reference)


def _proj(golden: Golden, host) -> Compared:
    t = golden.tensors("wplus_proj")
    projection = golden.fill(Projection(t["tokens"].shape[-1], host.operations), "wplus_proj")
    yield "tokens", projection(t["w"]), t["tokens"]
    yield "uncond", projection(torch.zeros_like(t["w"][:1])), t["uncond"]


def _attention(golden: Golden, host) -> Compared:
    t = golden.tensors("wplus_attention")
    width, token_dim = t["n"].shape[-1], t["context"].shape[-1]
    text = golden.fill(Attention(width, token_dim), "wplus_attention")
    residual = golden.fill(ResidualAttention(width, token_dim, host.operations), "wplus_attention_adapter")
    to_out, text.to_out[0] = text.to_out[0], nn.Identity()
    heads = text(t["n"], text.keys_values(t["context"][:, :-4]))
    added = residual(heads, t["context"][:, -4:])
    for name, scale in (
        ("y_1", 1.0),
        ("y_-0.7", -0.7),
        ("y_0", 0.0),
        ("y_rows", torch.tensor([-0.7, 1.0])[:, None, None]),
    ):
        yield name, to_out(heads + scale * added), t[name]


def _directions(golden: Golden, host) -> Compared:
    t, settings = golden.tensors("wplus_directions"), golden.index["cases"]["wplus_directions"]
    pca: dict[str, Tensor] = {name: t[f"pca.{name}"] for name in ("mean", "comp", "std")}
    row = GANSpaceRow("test", *(settings[name] for name in ("component", "start", "end")))
    yield "interfacegan", whole(t["flat"], "the direction"), t["interfacegan"]
    for name, strength in (("4minus", -4.0), ("2", 2.0)):
        yield (
            f"ganspace_strength_{name}",
            ganspace(t["w"], pca, row, strength),
            t[f"ganspace_strength_{name}"],
        )


def _variants(golden: Golden, host, t: dict[str, Tensor], lambdas: list[float]) -> dict[str, WPlusPatch]:
    """Golden output -> the patch that makes it: rows of w are an identity, a direction, and its negative."""
    network, one = wplus_of(golden, host), Curve.constant
    identity, edit = t["w"][:1], t["w"][1:2]
    return {
        "identity_1": WPlusPatch(network, identity, one(1.0)),
        "identity_0": WPlusPatch(network, identity, one(0.0)),
        "edit_1": WPlusPatch(network, edit, one(1.0)),
        "edit_-0.7": WPlusPatch(network, edit, one(-0.7)),
        "edit_0": WPlusPatch(network, edit, one(0.0)),
        "edit_frames": WPlusPatch(network, edit, Curve(tuple(lambdas))),
        "edit_cond_only": WPlusPatch(network, edit, one(0.7), uncond=False),
        "morph": WPlusPatch(network, t["w"], one(1.0)),
    }


def _unet(golden: Golden, host) -> Compared:
    t, settings = golden.tensors("wplus_unet"), golden.index["cases"]["wplus_unet"]
    variants = _variants(golden, host, t, settings["lambdas"])
    text = t["text"].repeat_interleave(settings["frames"], 0)
    for name, want in t.items():
        if name.startswith("y_"):
            patches = [variants[name[2:]]] if name[2:] in variants else []
            yield name, host.forward(t["x"], text, settings["timestep"], attentions=patches), want


def _animatediff(golden: Golden, host) -> Compared:
    t, settings = golden.tensors("wplus_animatediff"), golden.index["cases"]["wplus_animatediff"]
    variants = _variants(golden, host, t, settings["lambdas"])
    text = t["text"].repeat_interleave(settings["frames"], 0)
    with moving_forward(host, WeightedPatch(TemporalPatch(animatediff_of(golden, host).module))) as forward:
        for name, want in t.items():
            if name.startswith("y_"):
                patch = variants[f"edit_{name[2:]}"]
                yield (
                    name,
                    forward(frames_first(t["x"]), text, settings["timestep"], attentions=[patch]),
                    frames_first(want),
                )


def _sample(golden: Golden, host) -> Compared:
    import comfy.samplers
    from comfy.ldm.modules.attention import optimized_attention

    from sk_portrait.unet.hosts import comfy_attention

    t, settings = golden.tensors("wplus_sample"), golden.index["cases"]["wplus_sample"]
    sigmas, steps = t["sigmas"], settings["steps"]
    delay = (
        settings["start_embed_step"] + 1
    ) / steps  # of the sampling: step i of `leading` timesteps lies at (i + 1) / steps
    negative, positive = ([[row[None], {}]] for row in t["text"])
    for name, scale in (("y_1", 1.0), ("y_-0.7", -0.7)):
        model = host.patcher.clone()
        delayed = WPlusPatch(wplus_of(golden, host), t["w"][:1], Curve.constant(scale), delay=delay)
        comfy_attention.bind(model, [delayed], optimized_attention)
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(positive, negative)
        guider.set_cfg(settings["cfg"])
        # The published start is noise x sqrt(sigma0^2 + 1), ComfyUI's is noise x sigma0 unless it begins at its own largest sigma.
        start = t["noise"] * settings["init_noise_sigma"] / sigmas[0]
        empty = torch.zeros_like(start)
        sampled = guider.sample(
            start, empty, comfy.samplers.sampler_object("euler"), sigmas, disable_pbar=True, seed=0
        )
        yield name, sampled * LATENT_SCALE, t[name]


CASES = {
    "wplus_proj": _proj,
    "wplus_attention": _attention,
    "wplus_directions": _directions,
    "wplus_unet": _unet,
    "wplus_animatediff": _animatediff,
    "wplus_sample": _sample,
}
OUTPUTS = {"wplus_proj": "tokens|uncond", "wplus_directions": "interfacegan|ganspace.*"}
COMFY_ONLY = {"wplus_unet", "wplus_animatediff", "wplus_sample"}


def test_wplus(row):
    assert row.error <= row.tolerance
