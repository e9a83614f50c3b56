"""Parity of RA-SA and IBA with their formulas (no code of FreeAnimate is published), on the real ComfyUI."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sk_portrait.systems.freeanimate.attention import AnchoredAttention
from sk_portrait.systems.freeanimate.reference_items import (
    AHEAD,
    BOTH,
    COND_ONLY,
    HERE,
    STORED,
    TEXT_IN_COND,
    AnchorItems,
    Preview,
)
from sk_portrait.systems.freeanimate.trajectory import LOWEST, Trajectory
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_sampling import LATENT_SCALE
from sk_portrait.unet.clip.frames import COND

Compared = Iterator[tuple[str, Tensor, Tensor]]  # (key of the output, ours, reference)
EVERY = 1 << 20  # cells: no map is too large


def _unet(golden: Golden, host) -> Compared:
    t, settings = golden.tensors("free_unet"), golden.index["cases"]["free_unet"]
    frames, timestep = settings["frames"], settings["timestep"]
    sigma = float(host.patcher.get_model_object("model_sampling").sigma(torch.tensor(float(timestep))))
    raised = torch.stack([t["x"], t["x"] * (1 + sigma**2) ** 0.5])
    path = Trajectory((LOWEST, sigma), (0.0, timestep), raised[:, :frames], t["text"], raised[:, frames:])

    def run(x: Tensor, text: Tensor, rows: AnchorItems | None, largest_map: int = EVERY) -> Tensor:
        extra = {"attentions": [AnchoredAttention(largest_map=largest_map)], "rows": rows} if rows else {}
        return host.forward(x[:frames], text.expand(frames, -1, -1), timestep, sides=[COND], **extra)

    def edit(self_maps: bool, cross_maps: bool) -> AnchorItems:
        return AnchorItems(
            lambda sigma: t["x_edit"][frames:], Preview(path, float(self_maps), float(cross_maps))
        )

    yield "y_plain", run(t["x"], t["text"], None), t["y_plain"][:frames]
    yield "y", run(t["x"], t["text"], AnchorItems(lambda sigma: t["x"][frames:])), t["y"][:frames]
    for name, maps, largest in (
        ("plain", (False, False), EVERY),
        ("self", (True, False), EVERY),
        ("cross", (False, True), EVERY),
        ("both", (True, True), EVERY),
        ("self_32", (True, False), 32),
    ):
        yield (
            f"y_edit_{name}",
            run(t["x_edit"], t["text_edit"], edit(*maps), largest),
            t[f"y_edit_{name}"][:frames],
        )


def trajectory_of(golden: Golden, host, anchored: bool, timestep: str) -> tuple[Trajectory, Tensor]:
    """What Clip to Noise makes of the golden clip: trajectory and start."""
    from sk_portrait.nodes.freeanimate.invert import InvertFrames

    t = golden.tensors("free_inversion")
    frames = golden.index["cases"]["free_inversion"]["frames"]
    clean = t["z0"] / LATENT_SCALE
    sigmas = torch.cat([t["sigmas"][1:].flip(0), torch.zeros(1)])
    wires = {"reference": {"samples": clean[frames:]}} if anchored else {}
    path, start = InvertFrames.execute(
        host.patcher,
        [[t["text"], {}]],
        sigmas,
        first_level=0,
        timestep=timestep,
        frames={"samples": clean[:frames]},
        **wires,
    ).result
    return path, start["samples"]


def _inversion(golden: Golden, host) -> Compared:
    from sk_portrait.nodes.freeanimate.invert import ABOVE
    from sk_portrait.nodes.freeanimate.invert import HERE as OWN

    t = golden.tensors("free_inversion")
    for name, anchored, timestep in (
        ("trajectory", True, OWN),
        ("trajectory_plain", False, OWN),
        ("trajectory_ahead", True, ABOVE),
    ):
        path, _ = trajectory_of(golden, host, anchored, timestep)
        frames = path.frames
        yield name, path.latents, t[name][:, :frames]
        if anchored:
            yield f"{name} reference", path.anchor, t[name][:, frames:]


def _denoise(golden: Golden, host) -> Compared:
    import comfy.samplers

    from sk_portrait.nodes.freeanimate.anchor import AnchorFrames
    from sk_portrait.nodes.freeanimate.apply_inversion import ApplyInversion
    from sk_portrait.nodes.freeanimate.invert import ABOVE
    from sk_portrait.nodes.freeanimate.invert import HERE as OWN

    t, settings = golden.tensors("free_denoise"), golden.index["cases"]["free_denoise"]
    inverted = {timestep: trajectory_of(golden, host, True, timestep) for timestep in (OWN, ABOVE)}

    def run(model, start: Tensor, prompt: str = "source", cfg: float = 1.0) -> Tensor:
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds([[t[prompt], {}]], [[t["negative"], {}]])
        guider.set_cfg(cfg)
        euler = comfy.samplers.sampler_object("euler")
        return (
            guider.sample(torch.zeros_like(start), start, euler, t["sigmas"], disable_pbar=True, seed=0)
            * LATENT_SCALE
        )

    path, start = inverted[OWN]
    anchored = AnchorFrames.execute(host.patcher, 0, 0.0, 1.0, 0, trajectory=path)[0]
    yield "y_anchor", run(anchored, start, cfg=settings["cfg"]), t["y_anchor"]
    # output -> self_until, cross_until, largest map, halves, where the preview stands, prompt, whether guided, order of the timesteps
    for name, self_until, cross_until, largest, halves, stands, prompt, guided, order in (
        ("y_self_target", 1.0, 0.0, EVERY, TEXT_IN_COND, HERE, "target", False, OWN),
        ("y_both", 1.0, 1.0, EVERY, TEXT_IN_COND, HERE, "source", False, OWN),
        ("y_cfg", 1.0, 1.0, EVERY, TEXT_IN_COND, HERE, "source", True, OWN),
        ("y_cfg_cross_both", 1.0, 1.0, EVERY, BOTH, HERE, "source", True, OWN),
        ("y_cfg_target", 1.0, 0.0, EVERY, TEXT_IN_COND, HERE, "target", True, OWN),
        ("y_steps", 0.67, 0.33, EVERY, TEXT_IN_COND, HERE, "source", True, OWN),
        ("y_small", 1.0, 1.0, 32, TEXT_IN_COND, HERE, "source", True, OWN),
        ("y_inversion_maps", 1.0, 1.0, EVERY, TEXT_IN_COND, STORED, "source", True, OWN),
        ("y_cfg_cond_only", 1.0, 1.0, EVERY, COND_ONLY, HERE, "source", True, OWN),
        ("y_fatezero", 1.0, 1.0, EVERY, COND_ONLY, AHEAD, "source", True, ABOVE),
    ):
        path, start = inverted[order]
        model = ApplyInversion.execute(
            host.patcher, path, self_until, cross_until, largest, halves, stands, first_level=0
        )[0]
        yield name, run(model, start, prompt, settings["cfg"] if guided else 1.0), t[name]


CASES = {"free_unet": _unet, "free_inversion": _inversion, "free_denoise": _denoise}
OUTPUTS = {
    "free_inversion": [
        f"trajectory{kind}" for kind in ("", " reference", "_plain", "_ahead", "_ahead reference")
    ]
}
COMFY_ONLY = set(CASES)


def test_reference_attention_and_inversion(row):
    assert row.error <= row.tolerance
