"""Motion on the tiny MODEL of testing/tiny_models.py: golden motion files, and clips through the nodes."""

from __future__ import annotations

import torch

from sk_portrait.testing.golden_networks import animatediff_of, sk_motion_of
from sk_portrait.testing.tiny_models import CELLS, GOLDEN, Host, normal, prompt


class MovingHost(Host):
    """ComfyUI's MODEL with our motion nodes. Needs ComfyUI in this process."""

    def __init__(self):
        super().__init__()
        from sk_portrait.nodes.hellomeme import motion, two_stage
        from sk_portrait.nodes.hellomeme.networks import managed
        from sk_portrait.testing.tiny_comfy import operations

        self.operations, self.managed = operations, managed
        self.apply_motion, self.two_stage = motion.ApplyMotion, two_stage.TwoStageSampler

    def motion(self, kind: str):
        """Return an SK_MOTION. kind: "animatediff", "v3" or "v5"."""
        loaded = animatediff_of(GOLDEN, self) if kind == "animatediff" else sk_motion_of(GOLDEN, kind, self)
        return self.managed(loaded)

    def still_motion(self):
        """Return AnimateDiff as before training: its last layer is zero, so it changes nothing."""
        network = self.motion("animatediff")
        for module in network.module.sites().values():
            module.proj_out.weight.zero_()
            module.proj_out.bias.zero_()
        return network

    def move(
        self, motion, length=12, overlap=4, blend="smooth", strength=1.0, percent_range=(0.0, 1.0), model=None
    ):
        """Return the MODEL with Apply HelloMeme Motion Module."""
        return self.apply_motion.execute(
            model or self.model, motion, strength, *percent_range, length, overlap, blend
        )[0]

    def guider(self, model=None, cfg: float = 2.0):
        """Return a GUIDER."""
        import comfy.samplers

        guider = comfy.samplers.CFGGuider(model or self.model)
        guider.set_conds(prompt("+"), prompt("-"))
        guider.set_cfg(cfg)
        return guider

    def sigmas(self, steps: int):
        import comfy.samplers

        return comfy.samplers.calculate_sigmas(self.model.get_model_object("model_sampling"), "normal", steps)

    def video(
        self,
        motions,
        frames: int,
        steps: int = 1,
        cells: int = CELLS,
        seed: int = 1,
        guider=None,
        sampler="euler",
        noise=None,
        **options,
    ):
        """Return (latent, stage1) of the Portrait Video Sampler for an empty clip."""
        import comfy.samplers
        from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

        options = {"window_length": 12, "overlap": 4, "method": "paper", "stage1_steps": 10} | options
        options.setdefault("latent_image", {"samples": torch.zeros(frames, 4, cells, cells)})
        wires = dict(zip(("motion", "motion_2"), motions, strict=False))
        result = self.two_stage.execute(
            noise or Noise_RandomNoise(seed),
            guider or self.guider(),
            comfy.samplers.sampler_object(sampler),
            self.sigmas(steps),
            **wires,
            **options,
        )
        return result[0]["samples"], result[1]["samples"]


def in_host_windows(model, **options):
    """Return a MODEL in ComfyUI's own context windows; skip the test where these take no batch (0.3.64)."""
    import pytest
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode

    inputs = {
        i.id: i.default
        for i in ContextWindowsManualNode.define_schema().inputs
        if getattr(i, "default", None) is not None
    }
    if "causal_window_fix" not in inputs:
        pytest.skip("this ComfyUI's context windows raise for frames in the batch dimension")
    return ContextWindowsManualNode.execute(model, **inputs | {"fuse_method": "flat", "dim": 0} | options)[0]


def shared_noise(frames: int, cells: int = CELLS) -> torch.Tensor:
    """Return one noise, repeated for every frame."""
    return normal("noise", 1, 4, cells, cells).expand(frames, -1, -1, -1).clone()
