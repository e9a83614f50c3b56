"""Patches that other nodes add to a MODEL or a conditioning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import comfy.controlnet
import comfy.hooks
import comfy.samplers
import comfy.sd
import torch
from comfy.cldm.cldm import ControlNet
from comfy.t2i_adapter.adapter import Adapter

from ...unet.clip.curve import Curve
from ...unet.strengths import Strengths
from ..tiny_models import normal
from .lab import CELLS, EXTRAS, FRAMES, PIXELS, Lab, Scene, Wear, call


def lora_weights() -> dict[str, torch.Tensor]:
    """Return a LoRA file for one layer of the tiny UNet."""
    layer = "diffusion_model.input_blocks.4.1.proj_in"
    return {
        f"{layer}.lora_up.weight": normal("lora up", 64, 4) / 4,
        f"{layer}.lora_down.weight": normal("lora down", 4, 64) / 4,
    }


def lora(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = comfy.sd.load_lora_for_models(scene.model, None, lora_weights(), 1.0, 0.0)[0]


def hook_lora(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    hooks = comfy.hooks.create_hook_lora(lora_weights(), 1.0, 0.0)
    scene.positive, scene.negative = (
        comfy.hooks.set_hooks_for_conditioning(conds, hooks) for conds in (scene.positive, scene.negative)
    )


def freeu(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = call(EXTRAS + "nodes_freelunch", "FreeU", scene.model, 1.1, 1.2, 0.9, 0.2)


def pag(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = call(EXTRAS + "nodes_pag", "PerturbedAttentionGuidance", scene.model, 3.0)


def rescale(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = call(EXTRAS + "nodes_model_advanced", "RescaleCFG", scene.model, 0.7)


def deep_shrink(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = call(
        EXTRAS + "nodes_model_downscale",
        "PatchModelAddDownscale",
        scene.model,
        3,
        2.0,
        0.0,
        0.6,
        True,
        "bicubic",
        "bicubic",
    )


def hypertile(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Tiles of half the side."""
    scene.model = call(EXTRAS + "nodes_hypertile", "HyperTile", scene.model, 32, 1, 0, False)


def differential(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    inpaint(lab, scene, frames)
    scene.model = call(EXTRAS + "nodes_differential_diffusion", "DifferentialDiffusion", scene.model)


def inpaint(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    mask = torch.zeros(FRAMES, 1, CELLS, CELLS)
    for frame in range(FRAMES):
        mask[frame, :, frame:] = 1
    scene.mask = mask[list(frames)]


def prompts(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Prompt travel with fewer prompts than frames, repeated as ComfyUI repeats them."""
    travel = normal("travel", FRAMES - 2, 7, 64)[[frame % (FRAMES - 2) for frame in frames]]
    scene.positive = [[travel, {}]]


def few_prompts(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """As `prompts`, but ComfyUI repeats them."""
    prompts(lab, scene, range(FRAMES - 2) if len(frames) == FRAMES else frames)


def hints(frames: Sequence[int]) -> torch.Tensor:
    """Return one ControlNet picture per frame."""
    return normal("hints", FRAMES, 3, PIXELS, PIXELS)[list(frames)]


def controlled(
    scene: Scene, control, pictures: torch.Tensor, made: Callable = lambda control: control
) -> None:
    """Add the ControlNet with these pictures to both prompts. made: converts it to another pack's class."""
    control = made(control.set_cond_hint(pictures, 1.0, (0.0, 1.0)))
    scene.positive, scene.negative = (
        [[text, extra | {"control": control}] for text, extra in conds]
        for conds in (scene.positive, scene.negative)
    )


def controlnet_of(lab: Lab) -> comfy.controlnet.ControlNet:
    """Return a ControlNet for the tiny UNet."""
    unet = lab.model.model.model_config.unet_config
    config = {
        key: value
        for key, value in unet.items()
        if key not in ("out_channels", "dtype", "transformer_depth_output")
    }
    network = ControlNet(hint_channels=3, dtype=torch.float32, operations=lab.operations, **config)
    fill(network)
    return comfy.controlnet.ControlNet(network, load_device=lab.model.load_device)


def controlnet(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    controlled(scene, controlnet_of(lab), hints(frames))


def t2i_adapter(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    widths = [32, 64, 128, 128]  # channels of the UNet's levels
    network = Adapter(cin=3 * 64, channels=widths, nums_rb=1, ksize=1, sk=True, use_conv=False, xl=False)
    fill(network)
    adapter = comfy.controlnet.T2IAdapter(network, 3, 8, "nearest-exact", device=lab.model.load_device)
    controlled(scene, adapter, hints(frames))


def fill(network: torch.nn.Module) -> None:
    """Fill a network with fixed random weights, small enough to keep the picture in range."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(normal(name, *weight.shape) / max(1.0, weight[0].numel() ** 0.5))


def masked(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Add one mask per frame to the positive prompt."""
    mask = torch.rand(FRAMES, PIXELS, PIXELS, generator=torch.Generator().manual_seed(3))[list(frames)]
    scene.positive = [[text, extra | {"mask": mask, "mask_strength": 1.0}] for text, extra in scene.positive]


def strengths(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Apply a second reference with strengths per block boundary, step and frame."""
    of_frames = (0.0, 0.3, 1.0, 0.6, 1.2)
    by = Strengths({"up_2": 0.5}, Curve((1.0, 0.4)), Curve(tuple(of_frames[frame] for frame in frames)))
    scene.model = lab.apply_node.execute(
        scene.model, 1.0, 1.0, 0.0, 1.0, lab.portrait, reference_strengths=by
    )[0]


WEARS: dict[str, Wear | None] = {
    "Apply alone": None,
    "Portrait Strength Schedule by block boundary, step and frame": strengths,
    "LoRA": lora,
    "hook LoRA": hook_lora,
    "FreeU": freeu,
    "PAG": pag,
    "RescaleCFG": rescale,
    "HyperTile": hypertile,
    "deep shrink": deep_shrink,
    "inpainting, a mask per frame": inpaint,
    "Differential Diffusion, a mask per frame": differential,
    "prompt per frame": prompts,
    "prompts fewer than frames": few_prompts,
    "prompt mask per frame": masked,
    "ControlNet, a picture per frame": controlnet,
    "T2I adapter, a picture per frame": t2i_adapter,
}
