"""Other packs under Apply, from clones in the folder that SK_PORTRAIT_PEERS names."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from comfy.model_detection import detect_unet_config

from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.compat.lab import FRAMES, OVERLAP, TOLERANCE, WINDOW, sampled_by
from sk_portrait.testing.compat.peers import embeds, ipadapter, peer
from sk_portrait.testing.compat.wears import lora
from sk_portrait.testing.tiny_comfy import patcher, unfilled
from sk_portrait.testing.tiny_models import GOLDEN

pytestmark = pytest.mark.peers


@pytest.mark.slow
def test_both_stages_of_the_two_stage_sampler_are_comfyuis_sampling(lab):
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
    windows = {"window_length": 4, "overlap": 1, "stage1_steps": 1}
    got, got_first = lab.video(
        [lab.still], FRAMES, cells=shape[-1], guider=lab.guider(whole.model), **windows
    )
    assert relative_error(got_first, first) <= TOLERANCE and relative_error(got, video) <= TOLERANCE


@pytest.mark.parametrize(
    "node, inputs",
    [
        pytest.param(
            "ADE_StandardStaticContextOptions", (WINDOW, OVERLAP), marks=pytest.mark.slow, id="static"
        ),
        pytest.param("ADE_LoopedUniformContextOptions", (WINDOW, 1, OVERLAP, True), id="looped"),
    ],
)
def test_contexts_of_animatediff_evolved_are_the_whole_batch(lab, node, inputs):
    nodes = peer("ComfyUI-AnimateDiff-Evolved").NODE_CLASS_MAPPINGS
    scene = lab.scene()
    scene.model = lab.move(lab.still, 0, model=scene.model)
    (options,) = nodes[node]().create_options(*inputs)
    scene.model = nodes["ADE_UseEvolvedSampling"]().use_evolved_sampling(
        scene.model, "use existing", context_options=options
    )[0]
    assert relative_error(scene.samples(), lab.whole()) <= TOLERANCE


def gguf_file(folder: Path) -> Path:
    """The tiny UNet as a GGUF file: what it multiplies with in blocks of 8 bits, its convolutions in 16."""
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


def test_a_gguf_unet_with_a_lora_is_one_with_the_same_weights_in_fp32(lab, tmp_path):
    """ComfyUI-GGUF patches weights as it unpacks them."""
    pytest.importorskip("gguf")
    peer("ComfyUI-GGUF")
    loader, ops, dequant, nodes = (
        importlib.import_module(f"ComfyUI_GGUF.{name}") for name in ("loader", "ops", "dequant", "nodes")
    )
    packed = loader.gguf_sd_loader(gguf_file(tmp_path))
    whole = {key: dequant.dequantize_tensor(weight, torch.float32).float() for key, weight in packed.items()}
    model = unfilled(detect_unet_config(packed, ""), torch.float32, custom_operations=ops.GGMLOps())
    model.model.diffusion_model.load_state_dict(packed, strict=True)
    want = patcher({key: torch.Tensor(weight) for key, weight in whole.items()})
    unets = nodes.GGUFModelPatcher.clone(model), want
    assert relative_error(*(sampled_by(lab, unet, lora) for unet in unets)) <= TOLERANCE
