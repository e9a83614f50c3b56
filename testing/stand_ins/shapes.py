"""Names and shapes of the synthetic checkpoint and CLIP vision model.

ComfyUI recognises a checkpoint by its names and shapes. SD1.5 needs 320 channels at the top and a context
width of 768. All lower levels may also have 320 channels, which makes a true 12/1/12 block UNet of 111 M
parameters that two CPU cores can run.
"""

from __future__ import annotations

import json

from ...host.environment import ROOT

Shapes = dict[str, tuple[int, ...]]
WIDTH, CONTEXT = 320, 768


def _nested(prefix: str, shapes: Shapes) -> Shapes:
    return {f"{prefix}.{name}": shape for name, shape in shapes.items()}


def _conv(c_in: int, c_out: int, kernel: int = 3, bias: bool = True) -> Shapes:
    return {"weight": (c_out, c_in, kernel, kernel)} | ({"bias": (c_out,)} if bias else {})


def _linear(c_in: int, c_out: int, bias: bool = True) -> Shapes:
    return {"weight": (c_out, c_in)} | ({"bias": (c_out,)} if bias else {})


def _norm(c: int) -> Shapes:
    return {"weight": (c,), "bias": (c,)}


def _join(parts: dict[str, Shapes]) -> Shapes:
    return {key: shape for prefix, shapes in parts.items() for key, shape in _nested(prefix, shapes).items()}


def _res_block(c_in: int, c: int) -> Shapes:
    parts = {"in_layers.0": _norm(c_in), "in_layers.2": _conv(c_in, c), "emb_layers.1": _linear(4 * c, c)}
    parts |= {"out_layers.0": _norm(c), "out_layers.3": _conv(c, c)}
    return _join(parts | ({"skip_connection": _conv(c_in, c, 1)} if c_in != c else {}))


def _attention(c: int, context: int) -> Shapes:
    projections = {f"to_{x}": _linear(c if x == "q" else context, c, bias=False) for x in "qkv"}
    return _join(projections | {"to_out.0": _linear(c, c)})


def _transformer(c: int) -> Shapes:
    block = {
        "attn1": _attention(c, c),
        "attn2": _attention(c, CONTEXT),
        "norm1": _norm(c),
        "norm2": _norm(c),
        "norm3": _norm(c),
    }
    block |= {"ff.net.0.proj": _linear(c, 8 * c), "ff.net.2": _linear(4 * c, c)}
    return _join(
        {
            "norm": _norm(c),
            "proj_in": _conv(c, c, 1),
            "transformer_blocks.0": _join(block),
            "proj_out": _conv(c, c, 1),
        }
    )


def unet(c: int = WIDTH) -> Shapes:
    """LDM names of SD1.5's UNet (12 input blocks, middle, 12 output blocks), `c` channels at every level."""
    parts = {
        "time_embed.0": _linear(c, 4 * c),
        "time_embed.2": _linear(4 * c, 4 * c),
        "input_blocks.0.0": _conv(4, c),
    }
    parts |= {"out.0": _norm(c), "out.2": _conv(c, 4)}
    for level in range(4):
        attends = level < 3
        for i in (1, 2):
            block = f"input_blocks.{3 * level + i}"
            parts |= {f"{block}.0": _res_block(c, c)} | ({f"{block}.1": _transformer(c)} if attends else {})
        if level < 3:
            parts[f"input_blocks.{3 * level + 3}.0.op"] = _conv(c, c)
    parts |= {
        "middle_block.0": _res_block(c, c),
        "middle_block.1": _transformer(c),
        "middle_block.2": _res_block(c, c),
    }
    for i in range(12):
        attends = i >= 3
        parts |= {f"output_blocks.{i}.0": _res_block(2 * c, c)} | (
            {f"output_blocks.{i}.1": _transformer(c)} if attends else {}
        )
        if i in (2, 5, 8):
            parts[f"output_blocks.{i}.{1 + attends}.conv"] = _conv(c, c)
    return _nested("model.diffusion_model", _join(parts))


def controlnet(channels: int, c: int = WIDTH) -> Shapes:
    """LDM names of a ControlNet for `unet`. channels: of its pictures."""
    unet_part = {key.removeprefix("model.diffusion_model."): shape for key, shape in unet(c).items()}
    copied = {key: shape for key, shape in unet_part.items() if not key.startswith("out")}
    widths = (channels, 16, 16, 32, 32, 96, 96, 256, c)
    hint = {
        f"input_hint_block.{2 * i}": _conv(a, b)
        for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False))
    }
    zeros = {f"zero_convs.{i}.0": _conv(c, c, 1) for i in range(12)} | {"middle_block_out.0": _conv(c, c, 1)}
    return copied | _join(hint | zeros)


def clip_text() -> Shapes:
    """SD1.5's text encoder, at the width that ComfyUI requires."""
    layer = {f"self_attn.{x}": _linear(CONTEXT, CONTEXT) for x in ("q_proj", "k_proj", "v_proj", "out_proj")}
    layer |= {"layer_norm1": _norm(CONTEXT), "layer_norm2": _norm(CONTEXT)}
    layer |= {"mlp.fc1": _linear(CONTEXT, 4 * CONTEXT), "mlp.fc2": _linear(4 * CONTEXT, CONTEXT)}
    parts = {f"encoder.layers.{i}": _join(layer) for i in range(12)} | {"final_layer_norm": _norm(CONTEXT)}
    embeddings = {
        "embeddings.token_embedding.weight": (49408, CONTEXT),
        "embeddings.position_embedding.weight": (77, CONTEXT),
    }
    return _nested("cond_stage_model.transformer.text_model", embeddings | _join(parts))


def tiny_vae() -> Shapes:
    """The tiny autoencoder (TAESD) that ComfyUI accepts inside a checkpoint."""
    block = _join({f"conv.{i}": _conv(64, 64) for i in (0, 2, 4)})
    half = _conv(64, 64, bias=False)
    encoder = {0: _conv(3, 64), 14: _conv(64, 4)} | {
        i: half if i in (2, 6, 10) else block for i in range(1, 14)
    }
    decoder = {1: _conv(4, 64), 19: _conv(64, 3)} | {
        i: half if i in (7, 12, 17) else block for i in range(3, 19)
    }
    for upsample in (6, 11, 16):
        del decoder[upsample]
    sides = {"taesd_encoder": encoder, "taesd_decoder": decoder}
    return _nested(
        "first_stage_model",
        _join({f"{name}.{i}": part for name, side in sides.items() for i, part in side.items()}),
    )


def published(name: str) -> Shapes:
    """Return state-dict names and shapes of an official part, from tests/manifests."""
    tensors = json.loads((ROOT / "tests" / "manifests" / f"{name}.json").read_text(encoding="utf-8"))[
        "tensors"
    ]
    return {key: tuple(entry["shape"]) for key, entry in tensors.items()}
