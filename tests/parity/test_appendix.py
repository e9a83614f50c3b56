"""Appendix A has no official implementation: its modules against their formulas, written a second time with einsum."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sk_portrait.sk_attention.appendix.control import ControlPatch
from sk_portrait.sk_attention.appendix.cross import EMBEDDING, FACE_TOKENS, NAMES, SKCross, face_tokens
from sk_portrait.sk_attention.appendix.patch import FaceIDPatch, TextPatch
from sk_portrait.sk_attention.reference import Reference
from sk_portrait.testing import appendix
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_networks import unet_on
from sk_portrait.testing.tiny_models import normal
from sk_portrait.unet.clip.curve import Curve
from sk_portrait.unet.clip.frames import COND, UNCOND
from sk_portrait.unet.patches import WeightedPatch

GOLDEN = Golden()
EXACT = 1e-6
FRAMES, HEIGHT, WIDTH = 2, 10, 14  # latent pixels; odd sides at the inner levels


def table(length: int, dim: int) -> Tensor:
    """Interleaved sinusoids, one number at a time."""
    found = torch.zeros(length, dim)
    for place in range(length):
        for i in range(0, dim, 2):
            angle = place * math.exp(-i * math.log(10000.0) / dim)
            found[place, i], found[place, i + 1] = math.sin(angle), math.cos(angle)
    return found


def attention(state: dict[str, Tensor], name: str, queries: Tensor, context: Tensor) -> Tensor:
    """queries (b, l, n, c), context (b, l, m, d) -> (b, l, n, c): eight heads, every line by itself."""
    q, k, v = (
        torch.einsum("blnc,hdc->blhnd", x, state[f"{name}.to_{letter}.weight"].unflatten(0, (8, -1)))
        for letter, x in zip("qkv", (queries, context, context))
    )
    weights = torch.einsum("blhnd,blhmd->blhnm", q, k).div(q.shape[-1] ** 0.5).softmax(-1)
    heads = torch.einsum("blhnm,blhmd->blnhd", weights, v).flatten(-2)
    return (
        torch.einsum("blnc,oc->blno", heads, state[f"{name}.to_out.0.weight"])
        + state[f"{name}.to_out.0.bias"]
    )


def normed(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    mean, spread = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return (x - mean) / (spread + 1e-5).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]


def cross(state: dict[str, Tensor], n: Tensor, grid: tuple[int, int], tokens: Tensor) -> Tensor:
    """SK cross-attention of n (b, h w, c) and tokens (b, m, d): rows, then columns, each line with the tokens by itself."""
    h, w = grid
    tokens = tokens + table(*tokens.shape[1:])
    x = n.unflatten(1, grid)  # b h w c
    for axis, lines in ((1, h), (2, w)):
        x = normed(state, f"norm{axis}", x + table(x.shape[2], x.shape[3]))
        x = attention(state, f"attn{axis}", x, tokens[:, None].expand(-1, lines, -1, -1))
        x = torch.einsum("bijc->bjic", x)
    return torch.einsum("bnc,oc->bno", x.flatten(1, 2), state["proj.weight"]) + state["proj.bias"]


def reference_attention(state: dict[str, Tensor], h: Tensor, r: Tensor) -> Tensor:
    """v1's reference attention (hellomeme.md, 1.1) of one target h and one reference r, each (c, h, w)."""
    height, width = h.shape[1:]
    x = torch.einsum("chw->hwc", torch.cat([h, r], 2))
    x = normed(state, "norm", x + table(2 * width, len(h)))[None]
    rows = attention(state, "attn1", x, x)[0, :, :width]
    y = torch.cat([torch.einsum("hwc->whc", rows), torch.einsum("chw->whc", r)], 1)
    y = normed(state, "norm", y + table(2 * height, len(h)))[None]
    columns = torch.einsum("whc->chw", attention(state, "attn2", y, y)[0, :, :height])
    return (
        h + torch.nn.functional.conv2d(columns[None], state["proj.weight"], state["proj.bias"], padding=1)[0]
    )


@pytest.mark.parametrize("grid", [(4, 6), (1, 3), (5, 1)])
def test_sk_cross_attention_is_its_formula(grid):
    module = GOLDEN.fill(SKCross(32, 24, 16, 8), "cross")
    n, tokens = normal("n", 2, grid[0] * grid[1], 32), normal("tokens", 2, 5, 24)
    want = cross(module.state_dict(), n, grid, tokens)
    assert relative_error(module(n, grid, module.project(tokens)), want) < EXACT


@pytest.fixture(scope="module", params=["comfy", "diffusers"])
def host(request):
    if request.param == "comfy":
        request.getfixturevalue("comfy")
    return unet_on(request.param, GOLDEN)


@pytest.fixture(scope="module")
def diffusers_unet():
    return unet_on("diffusers", GOLDEN).unet


@pytest.fixture(scope="module")
def inputs() -> tuple[Tensor, Tensor]:
    """Uncond, then cond."""
    text = normal("text", 2, appendix.TEXT_LENGTH, appendix.TEXT_WIDTH).repeat_interleave(FRAMES, 0)
    return normal("x", 2 * FRAMES, 4, HEIGHT, WIDTH), text


def by_formula(unet, x: Tensor, text: Tensor, change) -> Tensor:
    """diffusers' UNet whose text attentions give change(name of the block, n, its own output, grid)."""
    from sk_portrait.unet.hosts.comfy_attention import grid_of
    from sk_portrait.unet.hosts.diffusers_attention import text_attentions

    def hook(name: str):
        return lambda module, args, out: change(name, args[0], out, grid_of(out.shape[1], (HEIGHT, WIDTH)))

    hooks = [a.register_forward_hook(hook(NAMES[place])) for place, a in text_attentions(unet).items()]
    try:
        with torch.no_grad():
            return unet(x, 300, encoder_hidden_states=text).sample
    finally:
        for one in hooks:
            one.remove()


def test_face_id_is_its_formula_in_the_whole_unet(host, diffusers_unet, inputs):
    """0.7 and 0 by frame, another person in each, zeros for uncond."""
    network, people = appendix.face_id_adapter(GOLDEN), appendix.embeddings(FRAMES)
    state = network.state_dict()

    def change(name: str, n: Tensor, out: Tensor, grid) -> Tensor:
        own = {key.split(".", 2)[2]: value for key, value in state.items() if f".{name}." in key}
        who = torch.cat([torch.zeros(FRAMES, EMBEDDING), people])
        scale = torch.tensor([0.7, 0.0, 0.7, 0.0])[:, None, None]
        return out + scale * cross(own, n, grid, who[:, None].expand(-1, FACE_TOKENS, -1))

    patch = FaceIDPatch(network, people, Curve((0.7, 0.0)))
    want = by_formula(diffusers_unet, *inputs, change)
    assert relative_error(host.forward(*inputs, 300, attentions=[patch]), want) < EXACT * 10
    assert face_tokens(people).shape == (FRAMES, FACE_TOKENS, EMBEDDING)


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_sk_text_attention_is_its_formula_in_the_whole_unet(host, diffusers_unet, inputs, strength):
    network = appendix.text_adapter(GOLDEN)
    state = network.state_dict()

    def change(name: str, n: Tensor, out: Tensor, grid) -> Tensor:
        own = {key.split(".", 2)[2]: value for key, value in state.items() if f".{name}." in key}
        return out + strength * (cross(own, n, grid, inputs[1]) - out)

    want = by_formula(diffusers_unet, *inputs, change)
    got = host.forward(*inputs, 300, attentions=[TextPatch(network, strength)])
    assert relative_error(got, want) < EXACT * 10


@pytest.mark.parametrize("pictures", [1, FRAMES])
def test_controlnet_sk_is_its_formula_at_every_block_boundary(pictures):
    """One picture for all frames, or one per frame; uncond attends to the last row."""
    loaded = appendix.control_adapter(GOLDEN)
    boundaries = loaded.module.sites
    assert set(boundaries) == {"down_0", "down_1", "down_2", "mid", "up_1", "up_2", "up_3"}
    for boundary, module in boundaries.items():
        c = module.norm.weight.shape[0]
        features = {name: normal(f"{name} seen", pictures + 1, c, 3, 4) for name in [boundary]}
        patch = ControlPatch(Reference(features, (3, 4), loaded))
        patch.sites = {boundary: module}
        rows, h = rows_of_both(), normal(boundary, 2 * FRAMES, c, 3, 4)
        prepared = patch.prepare(rows, target())
        assert bool(prepared.boundaries) == (pictures == 1), "keys and values of a clip are not kept"
        got = patch(boundary, h.clone(), prepared, None)
        seen = [pictures] * FRAMES + [frame % pictures for frame in range(FRAMES)]
        state = module.state_dict()
        want = torch.stack([reference_attention(state, x, features[boundary][k]) for x, k in zip(h, seen)])
        assert relative_error(got, want) < EXACT


def test_controlnet_sk_acts_the_same_in_both_unets(host, inputs):
    """The condition pass and the patched call, on the diffusers backend and in ComfyUI."""
    loaded = appendix.control_adapter(GOLDEN)
    latent = torch.cat([torch.zeros(1, 4, HEIGHT, WIDTH), normal("condition", 1, 4, HEIGHT, WIDTH)])
    text = torch.zeros(2, 1, appendix.TEXT_WIDTH)
    on_comfy, on_diffusers = host, unet_on("diffusers", GOLDEN)
    outputs = []
    for one in (on_comfy, on_diffusers):
        features = {name: t.flip(0) for name, t in one.features(latent, text).items()}  # cond, then uncond
        patch = WeightedPatch(ControlPatch(Reference(features, (HEIGHT, WIDTH), loaded)), 0.8)
        outputs.append(one.forward(*inputs, 300, patches=[patch]))
    assert relative_error(*outputs) < EXACT * 10
    assert relative_error(outputs[0], on_comfy.forward(*inputs, 300)) > 1e-2


def rows_of_both():
    from sk_portrait.unet.clip.frames import rows_of

    return rows_of({"cond_or_uncond": [UNCOND, COND]}, 2 * FRAMES)


def target():
    from sk_portrait.unet.feature_cache import TargetDevice

    return TargetDevice(torch.device("cpu"), torch.float32)
