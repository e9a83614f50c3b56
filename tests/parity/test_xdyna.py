"""Parity of X-Dyna's single modules, pictures and numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from sk_portrait.systems.xdyna import hints, sampling, sface
from sk_portrait.systems.xdyna.adapter import ImageTerm, ReferenceTerm
from sk_portrait.systems.xdyna.resampler import Resampler
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.stand_ins.xdyna import own_name
from sk_portrait.unet.clip.keyframes import looped_windows
from sk_portrait.unet.networks.animatediff import TemporalTransformer
from sk_portrait.unet.networks.layers import Attention

Compared = Iterator[tuple[str, Tensor, Tensor]]  # (key of the output, ours, reference)
EYES_AND_MOUTH = (
    slice(43, 48),
    slice(37, 42),
    slice(49, 68),
)  # of the 68 landmarks, as the official code cuts them

HINTS, HINT_FRAMES = ("pose", "global", "local"), (4, 6, 20)


def _attention(golden: Golden, host) -> Compared:
    t, settings = golden.tensors("xdyna_attention"), golden.index["cases"]["xdyna_attention"]
    for width, heads in settings["heads"].items():
        n, name = t[f"{width}.n"], f"xdyna_attention/{width}"
        chunk = 1 + settings["frames"][width]
        own = golden.fill(Attention(n.shape[-1], heads=heads), name)
        term = golden.fill(ReferenceTerm(n.shape[-1], host.operations), name)
        reference = n[::chunk]
        y_self = own(n)
        yield f"{width}.y", y_self + term(n, own.to_k(reference), own.to_v(reference), heads), t[f"{width}.y"]
        yield f"{width}.y_self", y_self, t[f"{width}.y_self"]


def _ip_attention(golden: Golden, host) -> Compared:
    t, name = golden.tensors("xdyna_ip_attention"), "xdyna_ip_attention"
    text, tokens = t["context"].split([77, 16], dim=1)
    own = golden.fill(Attention(t["n"].shape[-1], text.shape[-1]), name)
    term = golden.fill(ImageTerm(t["n"].shape[-1], text.shape[-1], host.operations), name)
    to_out, own.to_out[0] = own.to_out[0], nn.Identity()
    yield "y", to_out(own(t["n"], own.keys_values(text)) + term(own.to_q(t["n"]), tokens, own.heads)), t["y"]


def _motion(golden: Golden, host) -> Compared:
    t, name = golden.tensors("xdyna_motion"), "xdyna_motion"
    module = TemporalTransformer(t["x"].shape[1], t["pe"].shape[1], host.operations)
    module.norm_over_frames = False
    published = {
        key: own_name(f"motion_modules.0.{key}").removeprefix("motion_modules.0.")
        for key, _ in module.named_parameters()
    }
    weights = golden.weights(
        name, {published[key]: tuple(value.shape) for key, value in module.named_parameters()}
    )
    module.load_state_dict({key: weights[theirs] for key, theirs in published.items()}, strict=False)
    yield "pe", module.transformer_blocks[0].pos_embed.pe, t["pe"]
    x = t["x"][:, :, 1:]
    y = module(rearrange(x, "b c f h w -> (b f) c h w"), x.shape[2])
    yield (
        "y",
        torch.cat([t["x"][:, :, :1], rearrange(y, "(b f) c h w -> b c f h w", f=x.shape[2])], dim=2),
        t["y"],
    )


def _resampler(golden: Golden, host) -> Compared:
    t, s = golden.tensors("xdyna_resampler"), golden.index["cases"]["xdyna_resampler"]
    sizes = (
        s["embedding_dim"],
        s["dim"],
        s["output_dim"],
        s["depth"],
        s["heads"] * s["dim_head"],
        s["heads"],
        s["num_queries"],
    )
    module = Resampler(*sizes, s["ff_mult"] * s["dim"], host.operations)
    yield "y", golden.fill(module, "xdyna_resampler")(t["x"]), t["y"]


def _hint(golden: Golden, host) -> Compared:
    clips, t = golden.tensors("xdyna_hints"), golden.tensors("xdyna_hint")
    for name in HINTS:
        clip = clips[name][: golden.index["cases"]["xdyna_hint"]["frames"]] / 255
        yield name, hints.stretched(clip)[:, ::4, ::4].movedim(-1, 1), t[name]
        for frames, (low, high) in zip(HINT_FRAMES, t[f"range.{name}"].tolist(), strict=True):
            clip = clips[name][:frames].float()
            yield (
                f"{name}, {frames} frames",
                hints.stretched(clip)[:, ::9, ::9],
                ((clip - low) / (high - low))[:, ::9, ::9],
            )


def _face(golden: Golden, host) -> Compared:
    t = golden.tensors("xdyna_face")
    points, frames = t["landmarks"].numpy(), t["frames"]
    box = np.concatenate([points.min(1), points.max(1)], axis=1)
    centres = np.stack([points[:, part].mean(1) for part in EYES_AND_MOUTH], axis=1)
    for k in np.flatnonzero(~t["found"].numpy()):
        centres[k] = centres[k - 1]  # the official code keeps the last centre
    crops = sface.crops(sface.Faces(t["found"].numpy(), box, centres), (frames.shape[2], frames.shape[1]))
    for name in ("box", "centre", "half"):
        yield name, torch.from_numpy(getattr(crops, name)), t[name]
    whole = torch.stack([crops.whole(frame, k) for k, frame in enumerate(frames)])
    local = torch.stack([crops.local(frame, k) for k, frame in enumerate(frames)])
    yield "global", whole, t["global"]
    yield "local", local[~t["negative_slice"]], t["local"][~t["negative_slice"]]
    yield "local_clamped", local, t["local_clamped"]


def _crop(golden: Golden, host) -> Compared:
    t, targets = golden.tensors("xdyna_crop"), golden.index["cases"]["xdyna_crop"]["targets"]
    got = []
    for (h, w), (target_h, target_w) in zip(t["image_hw"].tolist(), targets, strict=True):
        left, top, width, height = hints.ratio_crop((w, h), (target_w, target_h))
        got.append([w, h, left, top, width, height])
    yield "result", torch.tensor(got), t["result"]


def _windows(golden: Golden, host) -> Compared:
    for name, want in golden.tensors("xdyna_windows").items():
        frames, offset = (int(part[1:]) for part in name.split("_"))
        yield name, torch.tensor(looped_windows(frames, 16, 4, offset)), want


def _schedule(golden: Golden, host) -> Compared:
    t, alphas = golden.tensors("xdyna_schedule"), sampling.alphas_cumprod()
    yield "alphas_cumprod", alphas, t["alphas_cumprod"]
    for steps in (25, 3):
        yield f"timesteps{steps}", sampling.timesteps(steps), t[f"timesteps{steps}"]
        yield f"sigmas{steps}", sampling.sigmas(steps), t[f"sigmas{steps}"]
        yield f"alphas{steps}", alphas[sampling.timesteps(steps)], t[f"alphas{steps}"]


CASES = {
    "xdyna_attention": _attention,
    "xdyna_ip_attention": _ip_attention,
    "xdyna_motion": _motion,
    "xdyna_resampler": _resampler,
    "xdyna_hint": _hint,
    "xdyna_face": _face,
    "xdyna_crop": _crop,
    "xdyna_windows": _windows,
    "xdyna_schedule": _schedule,
}
OUTPUTS = {
    "xdyna_attention": r"w\d+\.y.*",
    "xdyna_motion": "pe|y",
    "xdyna_hint": [
        f"{name}{frames}"
        for name in HINTS
        for frames in ("", *(f", {count} frames" for count in HINT_FRAMES))
    ],
    "xdyna_face": "box|centre|half|global|local.*",
    "xdyna_crop": "result",
    "xdyna_windows": "n.*",
    "xdyna_schedule": "alphas_cumprod|(timesteps|sigmas|alphas)[0-9]+",
}


def test_xdyna_modules_pictures_and_numbers(row):
    assert row.error <= row.tolerance
