"""The node Clip to Noise: DDIM inversion of a clip."""

from __future__ import annotations

import itertools

import comfy.samplers
import torch
from comfy_api.latest import io

from ...errors import MissingInputError, SingleInputError
from ...systems.freeanimate.reference_items import AnchorItems
from ...systems.freeanimate.trajectory import Trajectory, climb, in_unet_scale, levels_of
from ..checks import require_latent, require_prompt, require_sd15
from ..pixels import require_pictures
from ..progress import ticker
from ..schema import RARE, schema
from ..types import TrajectoryType
from .anchor import FIRST_LEVEL, attach, one

HERE, ABOVE = "of the level", "of the level above"


class InvertFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitInvertFrames",
            display_name="Clip to Noise (DDIM Inversion)",
            category="SK Portrait",
            description="Computes the noise from which a finished clip can be redrawn (DDIM inversion), so "
            "that Redraw Clip from Noise can keep its layout and motion. It stores the latents of every "
            "step, but no attention maps.",
            search_aliases=["DDIM inversion", "FreeAnimate", "FateZero", "IBA", "Invert Frames"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The SD1.5 MODEL that will redraw the clip, without Lock Frames to Reference.",
                ),
                io.Conditioning.Input(
                    "positive", tooltip="A prompt that describes the clip. ControlNets in it are ignored."
                ),
                io.Sigmas.Input(
                    "sigmas",
                    tooltip="The sigmas with which the clip will be redrawn: connect the same ones to the "
                    "sampler, which must be euler.",
                ),
                io.Latent.Input(
                    "frames",
                    optional=True,
                    tooltip="The clip as latents, one per frame, at the sampled size. Connect this or "
                    "images.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The clip as pictures, one per frame, at the sampled size. Also connect vae.",
                ),
                io.Vae.Input(
                    "vae", optional=True, tooltip="The VAE of the SD1.5 checkpoint, to encode images."
                ),
                io.Latent.Input(
                    "reference",
                    optional=True,
                    tooltip="One picture, as a latent, to which every frame attends as well as to itself. "
                    "Not connected: frames attend only to themselves.",
                ),
                FIRST_LEVEL,
                io.Combo.Input(
                    "timestep",
                    options=[HERE, ABOVE],
                    tooltip="Timestep for the UNet at each noise level: its own, or that of the next higher "
                    "level (FateZero's order).",
                    **RARE,
                ),
            ],
            outputs=[
                TrajectoryType.Output(
                    display_name="trajectory",
                    tooltip="The latents of every step, for Redraw Clip from Noise and Lock Frames to "
                    "Reference.",
                ),
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The clip as noise: the start latents for sampling, with no added noise.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        positive: io.Conditioning.Type,
        sigmas: io.Sigmas.Type,
        first_level: int,
        timestep: str,
        frames: io.Latent.Type | None = None,
        images: io.Image.Type | None = None,
        vae: io.Vae.Type | None = None,
        reference: io.Latent.Type | None = None,
    ) -> io.NodeOutput:
        require_sd15(model)
        clip = clip_of(frames, images, vae)
        if len(positive) != 1:
            raise SingleInputError(
                f"Clip to Noise takes one prompt; this conditioning holds {len(positive)}.", len(positive)
            )
        text = require_prompt(model, positive[0][0], "positive")
        for name, latent in (("frames", clip), ("reference", reference)):
            if latent is not None:
                require_latent(latent["samples"], f"latent of {name}")
        levels, sampling = levels_of(sigmas), model.get_model_object("model_sampling")
        lowest = float(sampling.sigma_min)
        asked = tuple(
            max(level, lowest) for level in (levels if timestep == HERE else (*levels[1:], levels[-1]))
        )
        tick, done = ticker((len(levels) - 1) * (1 + (reference is not None))), itertools.count(1)
        level_now = 0

        def reached(level: int) -> None:
            nonlocal level_now
            level_now = level
            tick(next(done))

        anchor, follower = None, model.clone()
        if reference is not None:
            anchor = climbed = _upwards(model, text, one(reference), levels, asked, reached)
            beside = AnchorItems(lambda sigma: in_unet_scale(climbed[level_now], levels[level_now]))
            attach(follower, beside, first_level, cls)
        latents = _upwards(follower, text, clip["samples"], levels, asked, reached)
        timesteps = tuple(float(sampling.timestep(torch.tensor(sigma))) for sigma in asked)
        start = model.model.process_latent_out(latents[-1])
        return io.NodeOutput(Trajectory(levels, timesteps, latents, text, anchor), {"samples": start})


def clip_of(frames: dict | None, images: torch.Tensor | None, vae) -> dict:
    """Return the encoded clip.

    Raises MissingInputError unless it is given once, as a latent or as pictures with a VAE.
    """
    if frames is not None and images is None:
        return frames
    if frames is not None or images is None:
        raise MissingInputError(
            "Clip to Noise takes the clip once: connect its latent to frames, or its pictures to images.",
            ("frames", "images"),
        )
    if vae is None:
        raise MissingInputError(
            "Clip to Noise encodes the images: connect the VAE of the SD1.5 checkpoint to vae.", ("vae",)
        )
    require_pictures(images, "images")
    return {"samples": vae.encode(images[..., :3])}


def _upwards(model, text, samples, levels, asked, reached) -> torch.Tensor:
    """Invert clean latents (F, 4, h, w) -> (K + 1, F, 4, h, w),
    with ComfyUI's own sampling and without guidance.
    """
    path = []

    def climb_in_host(denoiser, x, sigmas, extra_args, callback, disable) -> torch.Tensor:
        path.append(
            climb(
                x,
                levels,
                asked,
                lambda y, sigma: denoiser(y, y.new_full((len(y),), sigma), **extra_args),
                reached,
            )
        )
        return x

    guider = comfy.samplers.CFGGuider(model)
    guider.inner_set_conds({"positive": [[text, {}]]})
    sampler = comfy.samplers.KSAMPLER(climb_in_host)
    guider.sample(torch.zeros_like(samples), samples, sampler, torch.tensor(levels), disable_pbar=True)
    return path[0]


NODES = [InvertFrames]
