"""Parity of X-Dyna's whole UNet, one part at a time, and of its ControlNets, on ComfyUI's own classes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import torch
from einops import rearrange
from torch import Tensor

from ..systems.xdyna import checkpoint, hints
from ..systems.xdyna.adapter import DynamicsAdapter
from ..systems.xdyna.patch import Dynamics, attach
from ..systems.xdyna.resampler import Resampler
from ..testing.golden import Golden
from ..unet.clip.frames import COND, UNCOND
from ..unet.hosts.comfy_hooks import KEY
from ..unet.hosts.comfy_injection import TemporalAction
from ..unet.hosts.comfy_injection import attach as attach_motion
from ..unet.networks.animatediff import AnimateDiff, diffusers_names
from ..unet.patches import Weighted
from .parity_modules import Compared, _frames_first
from .parity_motion import WIDTHS

TEXT, TOKENS = 77, 16
TABLE_LENGTH = 24


def keys_of(golden: Golden) -> dict:
    return json.loads((golden.folder / "keys.json").read_text())


def extra_weights(golden: Golden) -> dict[str, Tensor]:
    """What X-Dyna adds to the narrow UNet, published names."""
    shapes = {key: tuple(shape) for key, shape in keys_of(golden)["xdyna_unet_extra_shapes"].items() if not key.endswith(".pe")}
    return golden.weights("xdyna_unet", shapes)


def adapter_of(golden: Golden, operations) -> DynamicsAdapter:
    """The golden Dynamics-Adapter with its image attention, through the pack's own loader."""
    parts = checkpoint.split(extra_weights(golden), "xdyna_unet")
    return checkpoint.adapter(parts.reference, parts.image, "xdyna_unet", operations)


def motion_of(golden: Golden, operations) -> AnimateDiff:
    """The golden motion modules."""
    weights = diffusers_names({key: value for key, value in extra_weights(golden).items() if "motion_modules" in key})
    network = AnimateDiff(WIDTHS, WIDTHS[::-1], None, TABLE_LENGTH, operations)
    network.load_state_dict({key: value for key, value in weights.items() if not key.endswith("pos_embed.pe")}, strict=False)
    network.norm_each_frame()
    return network.eval().requires_grad_(False)


def loaded(adapter: DynamicsAdapter, motion: AnimateDiff | None, resampler: Resampler | None = None):
    """An SK_XDYNA of its networks. Needs ComfyUI."""
    from ..nodes.weights import patcher_of
    from ..nodes.xdyna.networks import XDyna

    network = motion and SimpleNamespace(module=motion, patcher=patcher_of(motion), loaded=SimpleNamespace(file="motion"))
    return XDyna(patcher_of(adapter), resampler and patcher_of(resampler), network, "")


def controlnet_of(golden: Golden, kind: str):
    """A golden ControlNet as the host's own class, which takes the hint's channels from the weights."""
    import comfy.cldm.cldm
    import comfy.model_detection
    import comfy.ops
    import comfy.supported_models

    keys = keys_of(golden)
    shapes = {key: tuple(shape) for key, shape in keys["controlnet_face_shapes"].items()}
    shapes["controlnet_cond_embedding.conv_in.weight"] = (16, {"pose": 3, "face": 6}[kind], 3, 3)
    weights = golden.weights(f"xdyna_controlnet_{kind}", shapes)
    for key, value in weights.items():
        if key.startswith("controlnet_cond_embedding") and value.ndim == 4:
            weights[key] = value * golden.index["cases"]["xdyna_controlnet"]["hint_gain"]
    config = comfy.model_detection.detect_unet_config(golden.unet_weights(), "") | comfy.supported_models.SD15.unet_extra_config
    config = {name: value for name, value in config.items() if name not in ("out_channels", "dtype")}
    hint = shapes["controlnet_cond_embedding.conv_in.weight"][1]
    network = comfy.cldm.cldm.ControlNet(**config, dtype=torch.float32, hint_channels=hint, operations=comfy.ops.manual_cast)
    network.load_state_dict({keys["controlnet_ldm_of_diffusers"][key]: value for key, value in weights.items()})
    return network.eval().requires_grad_(False)


def hints_of(golden: Golden, frames: int) -> dict[str, Tensor]:
    """The golden hint pictures of a clip of so many frames, (F, H, W, 3) and (F, H, W, 6)."""
    clips = {name: clip[:frames] / 255 for name, clip in golden.tensors("xdyna_hints").items()}
    return {"pose": hints.stretched(clips["pose"]), "face": hints.face_hint(clips["local"], clips["global"])}


def _residuals(golden: Golden, kind: str) -> dict[str, list[Tensor]]:
    t, settings = golden.tensors("xdyna_controlnet"), golden.index["cases"]["xdyna_controlnet"]
    hint = hints_of(golden, settings["frames"])[kind].movedim(-1, 1).repeat(2, 1, 1, 1)
    steps = torch.full((len(t["x"]),), float(settings["timestep"]))
    with torch.no_grad():
        return controlnet_of(golden, kind)(t["x"], hint, steps, t["context"].repeat_interleave(settings["frames"], 0))


def _controlnet(golden: Golden, host) -> Compared:
    t = golden.tensors("xdyna_controlnet")
    for kind in ("pose", "face"):
        residuals = _residuals(golden, kind)
        for i, residual in enumerate(residuals["output"]):
            yield f"{kind} {i}", residual[:, ::4], t[f"{kind}.{i}"]
        yield f"{kind} middle", residuals["middle"][0][:, ::4], t[f"{kind}.middle"]


def _unet(golden: Golden, host) -> Compared:
    import comfy.model_management
    from comfy.ldm.modules.attention import optimized_attention

    t, settings = golden.tensors("xdyna_unet"), golden.index["cases"]["xdyna_unet"]
    frames, x, reference = settings["frames"], t["x"][:, :, 1:], t["x"][:1, :, 0]
    text, tokens = t["context"].split([TEXT, TOKENS], dim=1)
    adapter, motion = adapter_of(golden, host.operations), motion_of(golden, host.operations)
    pose, face = _residuals(golden, "pose"), _residuals(golden, "face")
    control = {side: [a + b for a, b in zip(pose[side], face[side], strict=True)] for side in ("output", "middle")}

    def forward(strength: float = 1.0, joint: bool = True, image: bool = False, moves: bool = False, control=None) -> Tensor:
        model = host.patcher.clone()
        dynamics = Dynamics(adapter, reference, tokens.flip(0) if image else None, strength, joint)  # golden halves: uncond first
        attach(model, dynamics, optimized_attention)
        if moves:
            attach_motion(model, Weighted(TemporalAction(motion)))
        comfy.model_management.load_models_gpu([model], force_full_load=True)
        for injection in model.get_injections(KEY) or ():
            injection.inject(model)
        options = model.model_options["transformer_options"] | {"cond_or_uncond": [UNCOND, COND], "wrappers": model.wrappers}
        steps = torch.full((2 * frames,), float(settings["timestep"]))
        with torch.no_grad():
            y = model.model.diffusion_model(
                _frames_first(x), steps, text.repeat_interleave(frames, 0), control=control, transformer_options=options
            )
        for injection in model.get_injections(KEY) or ():
            injection.eject(model)
        return rearrange(y, "(b f) c h w -> b c f h w", b=2)

    for name, parts in (
        ("y_plain", {"strength": 0.0}),
        ("y_adapter", {}),
        ("y_adapter_framewise_norm", {"joint": False}),
        ("y_adapter_ip", {"image": True}),
        ("y_adapter_motion", {"moves": True}),
        ("y_no_control", {"image": True, "moves": True}),
        ("y", {"image": True, "moves": True, "control": control}),
    ):
        yield name, forward(**parts), t[name][:, :, 1:]


XDYNA_UNET_CASES = {"xdyna_controlnet": _controlnet, "xdyna_unet": _unet}
