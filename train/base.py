"""The checkpoint to train on: UNet, autoencoder and text encoder
of an SD1.5 file, read without network access.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import MissingFileError, ModelFileError
from ..sk_attention.checkpoint import read
from ..sk_attention.published_files import Part
from .names import PREFIX
from .sizes import fitted
from .toy.autoencoder import TinyAutoencoder

TEXT, VAE, TINY = "cond_stage_model.transformer.", "first_stage_model.", "first_stage_model.taesd_"
CONTEXT = 768  # width of the text embedding
# Width of the timestep's sinusoid: equal to the first level in SD1.5; unchanged in narrower networks.
SINUSOID = 320
SCALE = 0.18215  # factor of SD1.5's latents
# "(best quality), highly detailed, ultra-detailed, headshot, person, well-placed five sense organs, looking
# at the viewer, centered composition, sharp focus, realistic skin texture": the single prompt of section 4.1,
# as token numbers of CLIP.
PROMPT = (
    49406, 263, 949, 3027, 2361, 5302, 12609, 267, 8118, 268, 12609, 267, 34890, 267, 2533, 267, 1123, 268, 9729, 3127, 4747, 29872, 267,
    1312, 536, 518, 15061, 267, 24584, 17510, 267, 8157, 4353, 267, 16157, 3575, 16505,
)  # fmt: skip
END, LENGTH = 49407, 77


def plain_unet(widths: Sequence[int], context: int = CONTEXT) -> nn.Module:
    """Create diffusers' UNet of SD1.5's topology, untrained.

    widths: channels of its levels; context: width of the text.
    """
    from diffusers import UNet2DConditionModel
    from diffusers.models.embeddings import TimestepEmbedding, Timesteps

    net = UNet2DConditionModel(
        block_out_channels=tuple(widths), cross_attention_dim=context, attention_head_dim=8
    )
    net.time_proj = Timesteps(SINUSOID, flip_sin_to_cos=True, downscale_freq_shift=0)
    net.time_embedding = TimestepEmbedding(SINUSOID, 4 * widths[0])
    return net


class Base:
    """Parts of a checkpoint file, built on demand.

    Raises ModelFileError for a file that is no SD1.5 checkpoint.
    """

    def __init__(self, path: Path):
        if not path.is_file():
            raise MissingFileError(f"There is no checkpoint {path}.", str(path))
        self.path, self.state = path, read(path)
        self.widths = self._require_sd15()

    def _require_sd15(self) -> tuple[int, ...]:
        def shape(name: str) -> tuple[int, ...]:
            return tuple(self.state[PREFIX + name].shape) if PREFIX + name in self.state else ()

        first, text = (
            shape("input_blocks.0.0.weight"),
            shape("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"),
        )
        if not first or not text:
            raise ModelFileError(
                f"{self.path} is no SD1.5 checkpoint: it has no tensor {PREFIX}input_blocks.1.1 (a UNet that reads text).",
                str(self.path),
            )
        if text[1] != CONTEXT:
            raise ModelFileError(
                f"{self.path} is no SD1.5 checkpoint: its UNet reads a text of width {text[1]}, SD1.5's {CONTEXT}.",
                str(self.path),
            )
        if first[1] != 4:
            raise ModelFileError(
                f"{self.path} is no plain SD1.5 checkpoint: its UNet takes {first[1]} channels, not 4.",
                str(self.path),
            )
        return tuple(shape(f"input_blocks.{block}.0.out_layers.3.weight")[0] for block in (1, 4, 7, 10))

    def sizes(self, part: Part) -> dict:
        """Return the sizes of a part that fit this UNet; the official ones if it has SD1.5's widths."""
        return fitted(part, self.widths)

    def unet(self) -> nn.Module:
        """Return diffusers' UNet with the checkpoint's weights, frozen."""
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

        net = plain_unet(self.widths)
        own = {key: value.float() for key, value in self.state.items() if key.startswith(PREFIX)}
        net.load_state_dict(convert_ldm_unet_checkpoint(own, dict(net.config)))
        return net.eval().requires_grad_(False)

    def text(self, prompts: Sequence[Sequence[int]] = (PROMPT, PROMPT[:1])) -> Tensor:
        """Return the (R, 77, 768) embeddings of prompts in CLIP's numbers, by the checkpoint's CLIP.

        By default those of the single prompt of section 4.1 and of the empty prompt.
        """
        from transformers import CLIPTextConfig, CLIPTextModel

        own = {
            key.removeprefix(TEXT): value.float() for key, value in self.state.items() if key.startswith(TEXT)
        }
        own.pop("text_model.embeddings.position_ids", None)
        if not own:
            raise ModelFileError(
                f"{self.path} has no text encoder (no tensor {TEXT}...), which the paper's prompt needs. Use a complete SD1.5 checkpoint.",
                str(self.path),
            )
        layers = 1 + max(int(key.split(".")[3]) for key in own if ".layers." in key)
        width, inner = own["text_model.encoder.layers.0.mlp.fc1.weight"].shape[::-1]
        config = CLIPTextConfig(
            hidden_size=width,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=12,
            projection_dim=width,
        )
        clip = CLIPTextModel(config)
        names = clip.state_dict()
        clip.load_state_dict(
            {key if key in names else key.removeprefix("text_model."): value for key, value in own.items()}
        )
        tokens = torch.tensor([[*begun, *[END] * (LENGTH - len(begun))] for begun in prompts])
        with torch.no_grad():
            return clip.eval()(tokens).last_hidden_state

    def autoencoder(self) -> Autoencoder:
        """Return the checkpoint's autoencoder, full or tiny. Raises ModelFileError if it has none."""
        own = {
            key.removeprefix(VAE): value.float() for key, value in self.state.items() if key.startswith(VAE)
        }
        if not own:
            raise ModelFileError(f"{self.path} holds no autoencoder (no tensor {VAE}...).", str(self.path))
        return Autoencoder(own)


class Autoencoder:
    """Converts between pictures in -1..1 and latents in the UNet's scale.

    digest: hash of the weights; stored latents of another autoencoder are not used.
    """

    def __init__(self, state: Mapping[str, Tensor]):
        self.digest = _digest(state)
        self.tiny = any(key.startswith("taesd_") for key in state)
        if self.tiny:
            scale = {
                name: float(state.get(f"vae_{name}", default))
                for name, default in (("scale", 1.0), ("shift", 0.0))
            }
            self.factor, self.shift = (
                SCALE / scale["scale"],
                scale["shift"] * SCALE,
            )  # as ComfyUI reads a tiny autoencoder
            self.module = TinyAutoencoder.full()
            self.module.load_state_dict(
                {key: value for key, value in state.items() if key.startswith("taesd_")}
            )
        else:
            self.module = _full(state)
        self.module.eval().requires_grad_(False)

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Encode pictures (F, 3, H, W) in -1..1 to latents (F, 4, H/8, W/8), on the device of the
        pictures.
        """
        self.module.to(pictures.device)
        if self.tiny:
            return self.module.encode(pictures / 2 + 0.5) * self.factor + self.shift
        return self.module.encode(pictures).latent_dist.mean * SCALE

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (F, 4, h, w) to pictures (F, 3, 8 h, 8 w) in -1..1, on the device of the latents."""
        self.module.to(latents.device)
        if self.tiny:
            return self.module.decode((latents - self.shift) / self.factor) * 2 - 1
        return self.module.decode(latents / SCALE).sample


def _full(state: Mapping[str, Tensor]) -> nn.Module:
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    widths = (128, 256, 512, 512)
    module = AutoencoderKL(
        block_out_channels=widths,
        layers_per_block=2,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    )
    module.load_state_dict(
        convert_ldm_vae_checkpoint({VAE + key: value for key, value in state.items()}, dict(module.config))
    )
    return module


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode() + state[key].float().numpy().tobytes()[:4096])
    return digest.hexdigest()[:12]
