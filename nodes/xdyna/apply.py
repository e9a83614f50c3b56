"""The nodes Encode X-Dyna Image and Apply X-Dyna, which add one picture of a person to a MODEL."""

from __future__ import annotations

from functools import partial

import comfy.model_base
import numpy as np
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy_api.latest import io
from torch import Tensor

from ...errors import CombinationError, EmptyClipError
from ...systems.xdyna import sampling
from ...systems.xdyna.patch import Dynamics, attach
from ...unet.clip.keyframes import looped_windows
from ...unet.clip.windows import Plan
from ...unet.hosts import comfy_injection
from ...unet.hosts.comfy_injection import TemporalPatch
from ...unet.patches import WeightedPatch
from ..checks import require_latent, require_one_picture, require_sd15
from ..hellomeme.attach import moves
from ..notice import notice
from ..pixels import require_pictures
from ..schema import RARE, schema
from ..types import XDynaTokensType, XDynaType
from ..windows import require_window, see_in_windows
from .networks import MOTION_FALLBACK, XDyna, tokens_of

JOINT, ROWS = "joint", "row by row"
SIDE = 224  # side of CLIP's picture, pixels, if the model does not state it


class XDynaTokens(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitXDynaTokens",
            display_name="Encode X-Dyna Image",
            category="SK Portrait/encode",
            description="Encodes the reference picture with CLIP as sixteen tokens, to which X-Dyna attends "
            "in addition to the prompt. The authors use an empty prompt, so guidance (CFG) acts only "
            "through these tokens.",
            search_aliases=["X-Dyna", "IP-Adapter", "image tokens", "X-Dyna Tokens"],
            inputs=[
                XDynaType.Input("xdyna", tooltip="From Load X-Dyna."),
                io.ClipVision.Input("clip_vision", tooltip="CLIP ViT-H (the image encoder of IP-Adapter)."),
                io.Image.Input("image", tooltip="The reference picture. Of a batch, only the first is used."),
            ],
            outputs=[
                XDynaTokensType.Output(display_name="tokens", tooltip="The image tokens, for Apply X-Dyna.")
            ],
        )

    @classmethod
    def execute(cls, xdyna: XDyna, clip_vision: io.ClipVision.Type, image: io.Image.Type) -> io.NodeOutput:
        require_pictures(image, "image")
        if not len(image):
            raise EmptyClipError("picture of the person")
        picture = clip_vision.encode_image(image[:1, ..., :3])["penultimate_hidden_states"]
        side = getattr(clip_vision, "image_size", SIDE)
        # The empty picture is zero after CLIP's normalisation; a black picture is not.
        nothing = torch.zeros(1, 3, side, side, device=clip_vision.load_device)
        none = clip_vision.model(pixel_values=nothing, intermediate_output=-2)[1]
        return io.NodeOutput(tokens_of(xdyna, torch.cat([picture.float().cpu(), none.float().cpu()])))


class XDynaApply(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitXDynaApply",
            display_name="Apply X-Dyna",
            category="SK Portrait",
            description="Patches a MODEL so that it animates the person in one picture: frames attend to "
            "the picture, and X-Dyna's motion modules keep the motion consistent. For pose and face, "
            "connect Apply X-Dyna ControlNet to the sampler's conditioning.",
            search_aliases=[
                "X-Dyna",
                "Dynamics-Adapter",
                "human animation",
                "image to video",
                "X-Dyna Apply",
            ],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 MODEL, with LoRAs as you like."),
                XDynaType.Input("xdyna", tooltip="From Load X-Dyna."),
                io.Latent.Input(
                    "reference",
                    tooltip="The reference picture from VAE Encode: one picture, at the sampled size.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="How strongly picture and tokens act: 1 = as in the official code, 0 = off.",
                ),
                io.Combo.Input(
                    "group_norm",
                    options=[JOINT, ROWS],
                    tooltip="joint (as in the official code) normalises all frames of a window together "
                    "with the picture. row by row normalises each frame separately: cheaper, but frames "
                    "resemble the picture less.",
                    **RARE,
                ),
                io.Int.Input(
                    "window_length",
                    display_name="context length",
                    default=16,
                    min=0,
                    max=24,
                    tooltip="Frames per window; trained with 16. A longer batch is sampled in closed-loop "
                    "windows; 0 = no windows.",
                ),
                io.Int.Input(
                    "overlap",
                    display_name="context overlap",
                    default=4,
                    min=0,
                    max=23,
                    tooltip="Frames that two neighbouring windows share; 4 as published.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Seed of the window positions, which are shifted in every step so that no "
                    "border is visible.",
                ),
                XDynaTokensType.Input(
                    "tokens",
                    optional=True,
                    tooltip="From Encode X-Dyna Image. Not connected: guidance acts only through the "
                    "prompts.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="The patched MODEL, for a sampler with the sigmas of X-Dyna Scheduler.",
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        xdyna: XDyna,
        reference: io.Latent.Type,
        strength: float,
        group_norm: str,
        window_length: int,
        overlap: int,
        seed: int,
        tokens: Tensor | None = None,
    ) -> io.NodeOutput:
        require_sd15(model)
        samples = reference["samples"]
        require_latent(samples, "latent of the reference")
        require_one_picture(samples)
        patched = model.clone()
        if strength == 0:
            return io.NodeOutput(patched)
        require_window(window_length, overlap, *([xdyna.motion] if xdyna.motion else []))
        if xdyna.motion and moves(model):
            raise CombinationError(
                "This MODEL already has a motion module (Apply HelloMeme Motion Module), and X-Dyna has its own: "
                "use one.",
                "Apply HelloMeme Motion Module",
            )
        dynamics = Dynamics(
            xdyna.adapter.model, model.model.process_latent_in(samples), tokens, strength, group_norm == JOINT
        )
        attach(patched, dynamics, optimized_attention, (xdyna.adapter,))
        patched.add_object_patch("model_sampling", linear_schedule(model))
        if xdyna.motion is None:
            notice(
                cls,
                f"These files hold no motion modules, so that frames do not follow each other: choose {MOTION_FALLBACK} as motion.",
            )
        else:
            comfy_injection.attach(
                patched, WeightedPatch(TemporalPatch(xdyna.motion.module)), [xdyna.motion.patcher]
            )
        if window_length:
            layout = partial(looped_plan, length=window_length, overlap=overlap, seed=seed)
            see_in_windows(patched, lambda n, moment: layout(n, moment=moment()), window_length)
        return io.NodeOutput(patched)


def looped_plan(n: int, length: int, overlap: int, seed: int, moment: int) -> Plan:
    """Plan of closed-loop windows over a clip of n frames, with another
    offset at each `moment` (0..999) of the sampling.
    """
    offset = int(np.random.default_rng([seed, moment]).integers(length))
    return Plan.of(looped_windows(n, length, overlap, offset), False, range(n), n)


def linear_schedule(model):
    """Return a new `model_sampling` with the betas that X-Dyna's motion modules were trained with."""
    schedule = comfy.model_base.model_sampling(model.model.model_config, model.model.model_type)
    alphas = sampling.alphas_cumprod()
    schedule.set_sigmas(((1 - alphas) / alphas).sqrt())
    return schedule


NODES = [XDynaTokens, XDynaApply]
