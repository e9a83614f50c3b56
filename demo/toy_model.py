"""The toy model, trained on drawn heads with `python run.py train world`, at its own width on diffusers.

Its results are those in ComfyUI: `widened` converts the networks to SD1.5's shapes without changing an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from ..drawn_heads import Identity, State, draw
from ..face_tools.coefficients import to_network_order
from ..face_tools.track import FaceTrack
from ..host.environment import ROOT
from ..sk_attention.drive import Drive, DrivePatch, Expression, encode
from ..sk_attention.published_files import ANIMATEDIFF, DRIVE, REFERENCE
from ..sk_attention.reference import Reference, ReferencePatch
from ..train.noise import BETAS
from ..train.toy import definition as networks
from ..train.toy.autoencoder import TinyAutoencoder
from ..unet.clip.frames import COND, UNCOND
from ..unet.clip.run import KEY as RUN
from ..unet.clip.run import NOISE_LEVEL, Condition, Run
from ..unet.hosts.diffusers_hooks import bound, plain_features
from ..unet.patches import WeightedPatch
from ..unet.strengths import EVEN, Strengths

FOLDER = ROOT / "demo" / "toy_model_weights"
SIZE, STEPS = 128, 4  # pixels of a picture, those it was trained on; steps that serve it best
FPS = 15.0  # of the demo
PERSON = 900_000  # the default portrait: nobody that training saw
WORDS = "weights trained by this project on drawn heads"
NO_TEXT = torch.zeros(1, 1, 8)  # its UNet reads none


def portrait(size: int = 192, person: int = PERSON) -> np.ndarray:
    """(size, size, 3) uint8: the demo's default portrait."""
    return draw(Identity.of(person), State.named(mouthSmileLeft=0.3, mouthSmileRight=0.3), size)


@dataclass(frozen=True)
class SamplingOptions:
    """Settings of the sampling.

    reference, drive: strengths; strengths: those of the reference by block boundary and step
    """

    steps: int = STEPS
    guidance: float = 2.25
    reference: float = 1.0
    drive: float = 1.0
    seed: int = 1
    dtype: torch.dtype = torch.float32
    strengths: Strengths = EVEN


@dataclass(frozen=True)
class World:
    """The networks of a folder that `train world` made."""

    folder: Path = FOLDER

    @cached_property
    def base(self) -> dict[str, Tensor]:
        return networks.read(self.folder / networks.BASE)

    @cached_property
    def unet(self) -> nn.Module:
        net = networks.unet()
        networks.load_base(net, self.base)
        return net.eval().requires_grad_(False)

    @cached_property
    def autoencoder(self) -> TinyAutoencoder:
        return networks.narrow_autoencoder(self.base).eval().requires_grad_(False)

    def part(self, kind: str) -> nn.Module:
        """The reference adapter, drive encoder, temporal modules or SK motion."""
        part = next(part for part in (*networks.parts(), networks.key_frames()) if part.kind == kind)
        net = part.build(networks.sizes(part))
        net.load_state_dict(networks.read(self.folder / networks.file_of(part)))
        return net.eval().requires_grad_(False)

    @cached_property
    def adapter(self) -> nn.Module:
        return self.part(REFERENCE)

    @cached_property
    def drive(self) -> nn.Module:
        return self.part(DRIVE)

    @cached_property
    def motion(self) -> nn.Module:
        return self.part(ANIMATEDIFF)

    @torch.no_grad()
    def shrink(self, pictures: Sequence[np.ndarray]) -> Tensor:
        """F pictures (H, W, 3) uint8 -> (F, 4, H/8, W/8) latents."""
        return self.autoencoder.encode(torch.from_numpy(np.stack(pictures)).movedim(-1, 1).float() / 255)

    @torch.no_grad()
    def enlarge(self, latents: Tensor) -> list[np.ndarray]:
        """The way back."""
        pictures = self.autoencoder.decode(latents.float()).clamp(0, 1) * 255
        return list(pictures.round().to(torch.uint8).movedim(1, -1).numpy())

    @torch.no_grad()
    def encode_drive(self, track: FaceTrack, head_poses: Sequence[np.ndarray]) -> Drive:
        """Encode the coefficients of a track and F head-pose pictures (H, W, 3) uint8, without patches as in
        its training.
        """
        pictures = torch.from_numpy(np.stack(head_poses)).movedim(-1, 1).float() / 127.5 - 1
        coefficients = torch.from_numpy(to_network_order(track.coefficients)).float()
        return encode(self.drive, pictures, Expression.without_patches(coefficients))

    def encode_reference(self, picture: np.ndarray) -> Reference:
        """What the UNet sees in the portrait, and in nothing, at timestep 0 (section 3.2)."""
        latent = self.shrink([picture])
        halves = [
            plain_features(self.unet, z, NO_TEXT, side)
            for z, side in ((latent, COND), (torch.zeros_like(latent), UNCOND))
        ]
        features = {boundary: torch.cat([half[boundary] for half in halves]) for boundary in halves[0]}
        return Reference(
            features,
            tuple(latent.shape[-2:]),
            SimpleNamespace(module=self.adapter, versions=(networks.VERSION,)),
        )

    @torch.no_grad()
    def act(
        self, picture: np.ndarray, drive: Drive, options: SamplingOptions | None = None
    ) -> list[np.ndarray]:
        """Return the portrait (H, W, 3) uint8 with each frame's pose and expression.

        All frames start from the same noise (Euler steps).
        """
        from diffusers import EulerDiscreteScheduler

        options = options or SamplingOptions()
        scheduler = EulerDiscreteScheduler(
            beta_start=BETAS[0], beta_end=BETAS[1], beta_schedule="scaled_linear", timestep_spacing="linspace",
            prediction_type="v_prediction",
        )  # fmt: skip
        scheduler.set_timesteps(options.steps)
        reference = self.encode_reference(picture)
        attend = WeightedPatch(ReferencePatch(reference), options.reference, strengths=options.strengths)
        patches = [WeightedPatch(DrivePatch(drive), options.drive), attend]
        sides = ["positive"] if options.guidance == 1 else ["negative", "positive"]
        conditions = {side: Condition(side) for side in sides}
        run = Run(conditions, reference.size, partial(percent_to_sigma, scheduler.alphas_cumprod))
        transformer_options = {RUN: run, "uuids": sides}
        start = torch.randn(1, 4, *reference.size, generator=torch.Generator().manual_seed(options.seed))
        x = start.expand(len(drive), -1, -1, -1) * scheduler.init_noise_sigma
        reduced = torch.autocast("cpu", options.dtype, enabled=options.dtype != torch.float32)
        with bound(self.unet, patches, transformer_options), reduced:
            for timestep, level in zip(scheduler.timesteps, scheduler.sigmas[:-1].tolist(), strict=True):
                transformer_options[NOISE_LEVEL] = level
                rows = scheduler.scale_model_input(torch.cat([x] * len(sides)), timestep)
                answers = (
                    self.unet(rows, timestep, encoder_hidden_states=NO_TEXT).sample.float().chunk(len(sides))
                )
                answer = (
                    answers[-1]
                    if options.guidance == 1
                    else answers[0] + options.guidance * (answers[1] - answers[0])
                )
                x = scheduler.step(answer, timestep, x).prev_sample
        return self.enlarge(x)


def percent_to_sigma(alphas_cumprod: Tensor, percent: float) -> float:
    """Noise level at a part of the sampling, 0..1, of the way from the last timestep down, as in ComfyUI."""
    levels = ((1 - alphas_cumprod) / alphas_cumprod).sqrt().numpy()
    return float(np.interp((1 - percent) * (len(levels) - 1), range(len(levels)), levels))
