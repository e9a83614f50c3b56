"""Other packs on the same MODEL, where their clones are at hand: IPAdapter, Advanced-ControlNet, AnimateDiff-Evolved, GGUF."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import torch
from comfy.model_detection import detect_unet_config

from ..testing.tiny_comfy import patcher, unfilled
from ..testing.tiny_models import GOLDEN, normal
from .compose_frames import PIXELS, controlled, controlnet_of, hints, lora
from .compose_lab import FRAMES, OVERLAP, WINDOW, Absent, Lab, Scene, Wear, relative
from .compose_runs import seen_by_itself

ENVIRONMENT = "SK_PORTRAIT_PEERS"
EMBEDDING = 48  # of the narrow IPAdapter's picture
CROSS_ATTENTIONS = (32, 32, 64, 64, 128, 128, *[128] * 3, *[64] * 3, *[32] * 3, 128)  # widths in IPAdapter's order: down, up, middle


@functools.cache
def peer(name: str) -> ModuleType:
    """A pack as the host imports it. Raises Absent where there is no clone."""
    folder = Path(os.environ.get(ENVIRONMENT, "")) / name
    if not os.environ.get(ENVIRONMENT) or not (folder / "__init__.py").is_file():
        raise Absent(f"no {name} in {ENVIRONMENT}")
    module = name.replace("-", "_")
    spec = importlib.util.spec_from_file_location(module, folder / "__init__.py", submodule_search_locations=[str(folder)])
    sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[module])
    return sys.modules[module]


@functools.cache
def ipadapter_file() -> dict[str, dict[str, torch.Tensor]]:
    """An IPAdapter for the narrow UNet, with fixed random weights."""
    shapes = {"proj.weight": (4 * 64, EMBEDDING), "proj.bias": (4 * 64,), "norm.weight": (64,), "norm.bias": (64,)}
    keys = {f"{2 * i + 1}.to_{side}_ip.weight": (width, 64) for i, width in enumerate(CROSS_ATTENTIONS) for side in "kv"}
    return {
        "image_proj": {key: normal(f"ip {key}", *shape) / 4 for key, shape in shapes.items()},
        "ip_adapter": {key: normal(f"ip {key}", *shape) / 8 for key, shape in keys.items()},
    }


def ipadapter(of_frames: Callable[[Sequence[int]], dict]) -> Wear:
    """IPAdapter Embeds (Batch) with what `of_frames` says for the frames."""

    def wear(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
        node = peer("ComfyUI_IPAdapter_plus").NODE_CLASS_MAPPINGS["IPAdapterEmbedsBatch"]()
        inputs = {"weight": 1.0, "weight_type": "linear", "start_at": 0.0, "end_at": 1.0} | of_frames(frames)
        inputs["neg_embed"] = torch.zeros_like(inputs["pos_embed"])
        scene.model = node.apply_ipadapter(scene.model, ipadapter_file(), **inputs)[0]

    return wear


def embeds(frames: Sequence[int]) -> dict:
    return {"pos_embed": normal("embeds", FRAMES, EMBEDDING)[list(frames)]}


def masks(frames: Sequence[int]) -> dict:
    mask = torch.rand(FRAMES, PIXELS, PIXELS, generator=torch.Generator().manual_seed(2))[list(frames)]
    return {"pos_embed": normal("embeds", 1, EMBEDDING), "attn_mask": mask}


def weights(frames: Sequence[int]) -> dict:
    return {"pos_embed": normal("embeds", 1, EMBEDDING), "weight": [0.2 + 0.3 * frame for frame in frames]}


def advanced_controlnet(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    peer("ComfyUI-Advanced-ControlNet")
    advance = importlib.import_module("ComfyUI_Advanced_ControlNet.adv_control.control").convert_to_advanced
    controlled(scene, controlnet_of(lab), hints(frames), advance)


WORN: dict[str, Wear] = {
    "IPAdapter, an embedding a frame": ipadapter(embeds),
    "IPAdapter, a mask a frame": ipadapter(masks),
    "IPAdapter, a weight a frame": ipadapter(weights),
    "Advanced-ControlNet, a picture a frame": advanced_controlnet,
}


def two_stages(lab: Lab) -> float:
    """Both stages of the Two-Stage Sampler are the host's own sampling of the whole batch."""
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    def scene(noise: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        whole = lab.scene(ipadapter(embeds))
        whole.noise, whole.latent, whole.steps = noise, latent, 1
        return whole.samples()

    whole = lab.scene(ipadapter(embeds))
    shape = (1 + FRAMES, *whole.noise.shape[1:])
    drawn = Noise_RandomNoise(1).generate_noise({"samples": torch.zeros(shape)})
    first = scene(drawn[:1].expand(FRAMES, -1, -1, -1), torch.zeros(shape[0] - 1, *shape[1:]))
    video = scene(drawn[1:], first)
    got, got_first = lab.video(
        [lab.still], FRAMES, cells=shape[-1], guider=lab.guider(whole.model), window_length=4, overlap=1, stage1_steps=1
    )
    return max(relative(got_first, first), relative(got, video))


def contexts(node: str, *inputs) -> Callable[[Lab], float]:
    """AnimateDiff-Evolved's sliding contexts are the whole batch."""

    def row(lab: Lab) -> float:
        nodes = peer("ComfyUI-AnimateDiff-Evolved").NODE_CLASS_MAPPINGS
        scene = lab.scene()
        scene.model = lab.move(lab.still, 0, model=scene.model)
        (options,) = nodes[node]().create_options(*inputs)
        scene.model = nodes["ADE_UseEvolvedSampling"]().use_evolved_sampling(scene.model, "use existing", context_options=options)[0]
        return relative(scene.samples(), lab.whole())

    return row


def gguf_file(folder: Path) -> Path:
    """The narrow UNet as a GGUF file: what it multiplies with in blocks of 8 bits, its convolutions in 16."""
    import gguf

    writer = gguf.GGUFWriter(folder / "narrow.gguf", "sd1")
    for name, weight in GOLDEN.unet_weights().items():
        kind = gguf.GGMLQuantizationType.F32
        if weight.ndim == 2 and not weight.shape[1] % 32:
            kind = gguf.GGMLQuantizationType.Q8_0
        elif weight.ndim == 4:
            kind = gguf.GGMLQuantizationType.F16
        writer.add_tensor(name, gguf.quants.quantize(weight.numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "narrow.gguf"


def gguf_unet(lab: Lab) -> float:
    """With a LoRA, by which the other pack patches weights as it unpacks them."""
    if importlib.util.find_spec("gguf") is None:
        raise Absent("no Python package gguf, which ComfyUI-GGUF reads its files with")
    peer("ComfyUI-GGUF")
    loader, ops, dequant, nodes = (importlib.import_module(f"ComfyUI_GGUF.{name}") for name in ("loader", "ops", "dequant", "nodes"))
    with tempfile.TemporaryDirectory() as folder:
        packed = loader.gguf_sd_loader(gguf_file(Path(folder)))
        whole = {key: dequant.dequantize_tensor(weight, torch.float32).float() for key, weight in packed.items()}
        model = unfilled(detect_unet_config(packed, ""), torch.float32, custom_operations=ops.GGMLOps())
        model.model.diffusion_model.load_state_dict(packed, strict=True)
        got, want = nodes.GGUFModelPatcher.clone(model), patcher({key: torch.Tensor(weight) for key, weight in whole.items()})
        return relative(*(seen_by_itself(lab, unet, lora) for unet in (got, want)))


RUNS = {
    ("GGUF UNet of ComfyUI-GGUF, and LoRA", "is one with the same weights in fp32"): gguf_unet,
    ("IPAdapter, an embedding a frame", "Two-Stage Sampler is the host's sampling twice"): two_stages,
    ("AnimateDiff-Evolved's static contexts", "are the whole batch"): contexts("ADE_StandardStaticContextOptions", WINDOW, OVERLAP),
    ("AnimateDiff-Evolved's looped contexts", "are the whole batch"): contexts("ADE_LoopedUniformContextOptions", WINDOW, 1, OVERLAP, True),
}
