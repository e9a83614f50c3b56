"""Runs the official pipeline of a user's own copy without changes:
HMVideoPipeline of ComfyUI_HelloMeme with tiny models.

Only its downloads, its VAE and its progress bars are replaced.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from ...testing.golden import Golden
from ...testing.tiny_diffusers import unet
from ..cost import overhead
from .clip import CFG, HIDDEN, OVERLAP, VERSION, Clock, Inputs, Sizes, Watch, now, read


class Official:
    """The pipeline, loaded. `sample` returns the video's latents."""

    name = "official pipeline"

    def __init__(self, path: str, folder: Path, golden: Golden, sizes: Sizes, device: torch.device):
        from diffusers import EulerDiscreteScheduler
        from diffusers.utils import logging

        logging.set_verbosity_error()
        sys.path.insert(0, path)
        published = importlib.import_module("hellomeme.pipelines.pipline_hm_video")
        published.creat_model_from_cloud = lambda kind, *args, **kwargs: network(kind, folder, sizes)
        self.sizes, self.device = sizes, device
        settings = golden.index["unet"] | {"block_out_channels": sizes.widths, "sample_size": sizes.cells}
        self.vae = Vae()
        # The pipeline samples with a scheduler of its own.
        net, scheduler = unet(settings, read(folder, "unet")), EulerDiscreteScheduler(steps_offset=1)
        pipe = published.HMVideoPipeline(
            self.vae, Text(), None, net, scheduler, None, None, requires_safety_checker=False
        )
        pipe.safety_checker = nn.Identity()
        pipe.caryomitosis("v2")
        pipe.insert_hm_modules("v2", torch.float32)
        self.pipe, self.module, self.watch = pipe, published, Watch(now)
        self.watch.on(pipe.unet_ref, "reference")
        self.watch.on(pipe.mp_control, "encoders")

    def sample(self, inputs: Inputs, steps: int, clock: Clock = now) -> tuple[Tensor, dict[str, float]]:
        """Return latents (F, 4, h, w) in the UNet's scale, and the seconds by part."""
        self.watch.clock, self.watch.spent = clock, {}
        stages = iter(("stage 1", "stage 2", "decode"))
        draws = iter((inputs.noise[:1], inputs.noise[1:]))
        self.pipe.progress_bar = lambda total: timed(self.watch, next(stages))
        self.vae.latents = inputs.portrait
        self.module.randn_tensor = lambda shape, **_: (
            next(draws).transpose(0, 1)[None].reshape(shape).to(self.device)
        )
        _, latents = self.pipe(
            image=torch.zeros(1, 3, self.sizes.size, self.sizes.size),
            chunk_overlap=OVERLAP,
            drive_params={
                "condition": inputs.pictures.transpose(0, 1)[None],
                "drive_coeff": inputs.coefficients[None],
                "face_parts": inputs.patches[None],
            },
            num_inference_steps=steps,
            guidance_scale=CFG,
            prompt_embeds=inputs.text[1:],
            negative_prompt_embeds=inputs.text[:1],
            output_type="pt",
            device=self.device,
        )
        spent = dict(self.watch.spent)
        # The official code encodes the drive frame by frame in its first stage.
        spent["stage 1"] -= spent["encoders"]
        return latents[0].transpose(0, 1)[: self.sizes.frames], spent


def call_at_full_size(path: str, size: int) -> float:
    """Return the FLOPs of one call of the official first stage's UNet at full size.

    The call has one picture of `size` pixels per side, cond and uncond, and the reference.
    """
    sys.path.insert(0, path)
    models = importlib.import_module("hellomeme.models")
    rows, cells = overhead.ROWS, size // 8
    with torch.device("meta"):
        unet = overhead.sd15("meta")
        net = models.HMDenoising3D.from_unet2d(unet)
        net.insert_reference_adapter(
            models.HMReferenceAdapter(block_out_channels=unet.config.block_out_channels, version=VERSION)
        )
        latents, text = torch.randn(rows, 4, 1, cells, cells), torch.randn(rows, *overhead.TEXT)
    net.to("meta").eval()
    with torch.no_grad():
        call = partial(net, latents, 1, encoder_hidden_states=text, return_dict=False)
        seen = call()[1]
        return overhead.counted(partial(call, reference_hidden_states=seen))


@contextmanager
def timed(watch: Watch, name: str):
    """Time the loop whose progress a bar would show; replaces the progress bar."""
    watch.start(name)
    yield SimpleNamespace(update=lambda *_: None, set_description=lambda *_: None)
    watch.stop(name)


def network(kind: type, folder: Path, sizes: Sizes) -> nn.Module:
    """Return a network with the tensors of the official files at these sizes."""
    narrow = {"cross_attention_dim": HIDDEN, "block_out_channels": sizes.drive_widths}
    made = {
        "HMReferenceAdapter": ("reference", {"block_out_channels": sizes.widths, "version": "v2"}),
        "HMV2ControlNet": ("drive", narrow),
        "HMV2ControlNet2": (None, narrow),  # loaded for the other kind of expression, but never called here
        "MotionAdapter": ("motion", {"block_out_channels": sizes.widths, "use_motion_mid_block": False}),
    }
    file, arguments = made[kind.__name__]
    net = kind(**arguments)
    if file:
        net.load_state_dict(read(folder, file))
    return net


class Text(nn.Module):
    """Replaces the text encoders, because the prompts are already encoded."""

    dtype = torch.float32


class Vae(nn.Module):
    """Replaces the VAE, which neither side runs here."""

    config = SimpleNamespace(scaling_factor=1.0, block_out_channels=(1, 1, 1, 1))
    latents: Tensor

    def encode(self, picture: Tensor) -> SimpleNamespace:
        return SimpleNamespace(latents=self.latents.to(picture.device))

    def decode(self, latent: Tensor, **_) -> tuple[Tensor]:
        return (torch.zeros(1, 3, 8, 8),)
