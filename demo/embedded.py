"""The demo without ComfyUI: the same faces and the same networks on diffusers' SD1.5 parts, narrow and with random weights.

For trying the pack and for scripts; artists use ComfyUI.
"""

from __future__ import annotations

import argparse
from itertools import islice
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from PIL import Image

from ..face_tools import video
from ..face_tools.pictures.crop import CROP_RULES, Crop, portrait_crop
from ..face_tools.pictures.head_pose_raster import draw_box, driven_translation
from ..face_tools.pictures.patches import REGIONS, plan_patches
from ..face_tools.track import FaceTrack
from ..face_tools.trackers import sources
from ..face_tools.trackers.faces import ModelFiles
from ..face_tools.trackers.tracking import track_faces
from ..sk_attention.checkpoint import load
from ..sk_attention.drive import Drive, DriveAction, Expression, encode
from ..sk_attention.reference import Reference, ReferenceAction
from ..unet.diffusers import bound, plain_features
from ..unet.frames import COND, UNCOND
from ..unet.stations import Weighted
from . import networks, shapes, sheet
from .rule import rule_tensor

WIDTH = 64  # of every UNet level: a tenth of SD1.5's, so that it takes seconds
TOKENS, GUIDANCE, SEED = 77, 2.0, 1

NOTE = """
***************************************************************************************************************
*  ComfyUI is absent: this is the embedded host (diffusers) with a narrow UNet of random weights, so the      *
*  picture is noise. Real are the portrait, the video, the faces found in it, and the pack's own networks.    *
***************************************************************************************************************"""


def unet() -> UNet2DConditionModel:
    """diffusers' SD1.5 UNet, every level WIDTH wide."""
    state = {key: torch.from_numpy(rule_tensor(networks.SALT, "unet", key, shape)) for key, shape in shapes.unet(WIDTH).items()}
    net = UNet2DConditionModel(block_out_channels=(WIDTH,) * 4, cross_attention_dim=shapes.CONTEXT, attention_head_dim=8)
    net.load_state_dict(convert_ldm_unet_checkpoint(state, dict(net.config)))
    return net.eval().requires_grad_(False)


def part(name: str) -> torch.nn.Module:
    """A published v2 network at this width, through the pack's own loader."""
    return load(networks.build(name, WIDTH).state_dict(), name).module


def signed(pictures: list[np.ndarray]) -> torch.Tensor:
    """(H, W, 3) uint8 pictures -> (F, 3, H, W) in -1..1."""
    return torch.from_numpy(np.stack(pictures)).movedim(-1, 1).float() / 127.5 - 1


def shrink(pictures: torch.Tensor) -> torch.Tensor:
    """(F, 3, H, W) -> (F, 4, H/8, W/8): colour and brightness of every cell. Stands in for a VAE, which needs trained weights."""
    cells = F.avg_pool2d(pictures, 8)
    return torch.cat([cells, cells.mean(1, keepdim=True)], dim=1)


def enlarge(latents: torch.Tensor) -> list[np.ndarray]:
    """The way back: (F, 4, h, w) of any scale -> F pictures (8 h, 8 w, 3) uint8."""
    colours = F.interpolate(latents[:, :3] / (2 * latents.std()), scale_factor=8).clamp(-1, 1)
    return list(((colours + 1) * 127.5).round().to(torch.uint8).movedim(1, -1).numpy())


class Faces:
    """One clip as the networks read it: tracked, cropped to `size` and cut into patches."""

    def __init__(self, frames: list[np.ndarray], source, fps: float, size: int):
        track = track_faces(frames, source, fps)
        crop: Crop = portrait_crop(track, CROP_RULES["v5"], size)
        self.frames = [crop.cut(frame) for frame in frames]
        self.track: FaceTrack = crop.track(track)

    def head_poses(self, reference: FaceTrack) -> list[np.ndarray]:
        places = driven_translation(self.track, reference)
        return [draw_box(turn, place, self.track.size) for turn, place in zip(self.track.rotation, places, strict=True)]

    def patches(self) -> list[list[np.ndarray]]:
        plan = plan_patches(self.track)
        cuts = (plan.cut(frame[plan.part(k)], k) for k, frame in enumerate(self.frames))
        return [[cut[name] for name in REGIONS] for cut in cuts]


def encode_drive(driver: Faces, head_poses: list[np.ndarray]) -> Drive:
    """Head pose and coefficients; there is no CLIP vision model here, so the patches are shown and not read."""
    values = driver.track.coefficients
    coefficients = torch.zeros(len(head_poses), 51) if values is None else torch.from_numpy(values).float()
    with torch.no_grad():
        return encode(part("hm2_control"), signed(head_poses), Expression(coefficients, torch.zeros(len(head_poses), 3, 1024)))


def encode_reference(net: UNet2DConditionModel, latent: torch.Tensor, text: torch.Tensor) -> Reference:
    """What the UNet sees in the portrait, and in nothing, at timestep 0 (section 3.2)."""
    halves = [plain_features(net, z, text[:1], branch) for z, branch in ((latent, COND), (torch.zeros_like(latent), UNCOND))]
    features = {station: torch.cat([half[station] for half in halves]) for station in halves[0]}
    return Reference(features, tuple(latent.shape[-2:]), SimpleNamespace(module=part("hm2_reference"), generations=("v2",)))


@torch.no_grad()
def sample(net, reference: Reference, drive: Drive, noise: torch.Tensor, text: torch.Tensor, steps: int) -> torch.Tensor:
    """(1, 4, h, w) noise, shared by all frames -> (F, 4, h, w) latents, by Euler steps over linspace timesteps as published."""
    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="linspace")
    scheduler.set_timesteps(steps)
    actions = [Weighted(DriveAction(drive)), Weighted(ReferenceAction(reference))]
    x = noise.expand(len(drive), -1, -1, -1) * scheduler.init_noise_sigma
    with bound(net, actions, {"cond_or_uncond": [UNCOND, COND]}):
        for number, timestep in enumerate(scheduler.timesteps, 1):
            both = scheduler.scale_model_input(torch.cat([x, x]), timestep)
            uncond, cond = net(both, timestep, encoder_hidden_states=text.expand(len(both), -1, -1)).sample.chunk(2)
            x = scheduler.step(uncond + GUIDANCE * (cond - uncond), timestep, x).prev_sample
            print(f"  step {number}/{steps}", flush=True)
    return x


def demo(options: argparse.Namespace) -> int:
    """`python run.py demo` on the embedded host; `options` as for ComfyUI."""
    print(NOTE, flush=True)
    torch.manual_seed(SEED)
    fps = video.probe(options.driver).fps
    clip = list(islice(video.frames(options.driver), options.frames))
    picture = np.asarray(Image.open(options.reference).convert("RGB"))
    print(f"Tracking the face in the portrait and in {len(clip)} frames", flush=True)
    with sources.open_source(sources.AUTO, ModelFiles()) as source:
        portrait, driver = Faces([picture], source, fps, options.size), Faces(clip, source, fps, options.size)
    head_poses, patches = driver.head_poses(portrait.track), driver.patches()

    net, text = unet(), torch.randn(1, TOKENS, shapes.CONTEXT)
    print(f"Encoding and sampling at {options.size} px, {options.steps} steps", flush=True)
    latent = shrink(signed(portrait.frames))
    reference, drive = encode_reference(net, latent, text), encode_drive(driver, head_poses)
    frames = enlarge(sample(net, reference, drive, torch.randn_like(latent), text, options.steps))

    options.output.mkdir(parents=True, exist_ok=True)
    path = sheet.write_video(options.output / "portrait_video_embedded.mp4", frames, fps)
    single = [[[frame] for frame in column] for column in (portrait.frames, driver.frames, head_poses)]
    columns = [*single, patches, [[frame] for frame in frames]]
    title = f"SK Portrait on the embedded host (no ComfyUI), {len(frames)} frames, random weights: the result is noise"
    page = sheet.contact_sheet(options.output / "portrait_video_embedded.png", columns, title)
    print(f"Video:         {path} ({len(frames)} frames)\nContact sheet: {page}")
    return 0
