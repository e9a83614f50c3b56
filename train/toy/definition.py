"""The networks of the toy model: narrow ones, which are trained on two cores and which `widen` converts
exactly to SD1.5's shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...sk_attention.published_files import ANIMATEDIFF, DRIVE, MOTION, REFERENCE, Part, Shapes, find_part
from ..base import plain_unet
from ..errors import TrainDataError
from ..names import PREFIX, ldm_name, ldm_names
from ..sizes import fitted
from .autoencoder import TinyAutoencoder
from .widen import widened

TIMES = 10  # every width is a tenth of the one that ComfyUI needs
# Channels of the UNet's levels; ComfyUI needs 320 at the first, and accepts 640 at the others.
WIDTHS = (
    32,
    64,
    64,
    64,
)
VERSION, KEY_FRAMES = "v2", "v3"
BASE, FIRST_STAGE = "world_base.safetensors", "first_stage_model."
# Layers of SD1.5 that a toy model does not need. In a file of SD1.5's
# shapes their weights are zero, so they add nothing.
LEFT_OUT = (
    "down_blocks.0.resnets.1", "down_blocks.0.attentions.0", "down_blocks.0.attentions.1",
    "down_blocks.1.resnets.1", "down_blocks.1.attentions.1",
    "down_blocks.2.resnets.1", "down_blocks.2.attentions.1", "down_blocks.3.resnets.1",
    "up_blocks.1.attentions.1", "up_blocks.1.attentions.2", "up_blocks.2.attentions.2",
    "up_blocks.3.attentions.0", "up_blocks.3.attentions.1", "up_blocks.3.attentions.2",
)  # fmt: skip
TEXT_LAYERS = ("attn2", "norm2")  # omitted from every transformer
TEXT_NORM = ".transformer_blocks.0.norm2.weight"


class PassThrough(nn.Module):
    """A residual layer that adds nothing."""

    def __init__(self, attends: bool):
        super().__init__()
        self.attends = attends

    def forward(self, x: Tensor, *_, **__) -> Tensor | tuple[Tensor]:
        return (x,) if self.attends else x  # as diffusers' transformers and ResNet blocks return it


def unet() -> nn.Module:
    """Return diffusers' UNet of SD1.5's topology without the omitted layers.

    It uses SD1.5's timestep and no text.
    """
    net = plain_unet(WIDTHS, WIDTHS[0])
    for path in LEFT_OUT:
        blocks, index = path.rsplit(".", 1)
        net.get_submodule(blocks)[int(index)] = PassThrough(attends=blocks.endswith("attentions"))
    for module in net.modules():
        if hasattr(module, "attn2"):
            module.attn2 = module.norm2 = None
    return net


def sizes(part: Part, times: int = 1) -> dict:
    """Return sizes of a part that fit `unet`, or its widened version with `times` as many channels."""
    found = fitted(part, [width * times for width in WIDTHS])
    if part.kind == DRIVE:
        found["widths"][0] = WIDTHS[0] * times
    return found


def parts() -> tuple[Part, ...]:
    """Return the parts that a toy model's folder may contain besides its base: reference adapter, drive
    encoder, temporal modules.
    """
    return (
        find_part(REFERENCE, VERSION),
        find_part(DRIVE, VERSION, "coefficients_drive"),
        find_part(ANIMATEDIFF, VERSION),
    )


def key_frames() -> Part:
    """Return the part for key frames: SK motion. v2 has none, and v3's stays narrow."""
    return find_part(MOTION, KEY_FRAMES)


def repository(part: Part) -> str:
    """Return the official name of a part of the toy model."""
    return part.repositories[VERSION if VERSION in part.versions else KEY_FRAMES]


def file_of(part: Part) -> str:
    """Return the file name of a part in a toy model's folder."""
    return f"{repository(part)}.safetensors"


def read(path: Path) -> dict[str, Tensor]:
    """Read a file of a toy model's folder, in float32."""
    return {key: value.float() for key, value in load_file(path).items()}


def narrow_base(net: nn.Module, autoencoder: TinyAutoencoder) -> dict[str, Tensor]:
    """Return the narrow UNet and autoencoder as one state dict, with a checkpoint's names."""
    own = {FIRST_STAGE + key: value for key, value in autoencoder.state_dict().items()}
    return {key: value.detach().contiguous() for key, value in (ldm_names(net.state_dict()) | own).items()}


def load_base(net: nn.Module, narrow: Mapping[str, Tensor]) -> None:
    """Load the weights of a narrow base into `net`, a `unet()`."""
    net.load_state_dict({key: narrow[ldm_name(key)] for key in net.state_dict()})


def narrow_autoencoder(narrow: Mapping[str, Tensor]) -> TinyAutoencoder:
    """Return the autoencoder of a narrow base."""
    net = TinyAutoencoder.small()
    net.load_state_dict(
        {key.removeprefix(FIRST_STAGE): value for key, value in narrow.items() if key.startswith(FIRST_STAGE)}
    )
    return net


def wide_base(narrow: Mapping[str, Tensor], times: int = TIMES) -> dict[str, Tensor]:
    """Return a checkpoint that ComfyUI recognises as SD1.5, without a text encoder: the text's
    contribution is multiplied by zero.
    """
    widths = [width * times for width in WIDTHS]
    shapes = ldm_names(shapes_of(lambda: plain_unet(widths)))
    own = {key: value for key, value in narrow.items() if key.startswith(PREFIX)}
    small = narrow_autoencoder(narrow).state_dict()
    grown = widened(own, shapes, silent=_silent(shapes, own))
    # Patches of the text attention (FaceID) read the map that norm2 normalises.
    grown |= {key: torch.ones_like(value) for key, value in grown.items() if key.endswith(TEXT_NORM)}
    vae = _wide_autoencoder(small, shapes_of(TinyAutoencoder.full))
    return grown | {FIRST_STAGE + key: value for key, value in vae.items()}


def wide_part(part: Part, narrow: Mapping[str, Tensor], times: int = TIMES) -> dict[str, Tensor]:
    """Return a part of the toy model in the shapes that fit `wide_base`."""
    return widened(narrow, shapes_of(lambda: part.build(sizes(part, times))))


def shapes_of(build: Callable[[], nn.Module]) -> Shapes:
    """Return the names and shapes of the tensors of a network, without allocating it."""
    with torch.device("meta"):
        return Shapes.of(build().state_dict())


def _silent(shapes: Mapping[str, tuple], narrow: Mapping[str, Tensor]) -> set[str]:
    """Return the tensors of the omitted layers, the only ones that may be missing from a file."""
    blocks = {_block(key) for key in narrow}
    return {
        key
        for key in shapes
        if _block(key) not in blocks or any(f".{layer}." in key for layer in TEXT_LAYERS)
    }


def _block(key: str) -> str:
    """Return the block of a tensor's name without prefix, such as "input_blocks.1.1"."""
    return ".".join(key.removeprefix(PREFIX).split(".")[:3])


def _wide_autoencoder(small: Mapping[str, Tensor], shapes) -> dict[str, Tensor]:
    """Return ComfyUI's tiny autoencoder made from the small one.

    Its first convolution passes the picture unchanged in three channels.
    """
    first, half = "taesd_encoder.0.weight", "taesd_encoder.2.weight"
    rest = {key: shape for key, shape in shapes.items() if key not in (first, half)}
    silent = {key for key in rest if key not in small}
    wide = widened({key: value for key, value in small.items() if key != half}, rest, silent)
    wide[first] = torch.zeros(shapes[first])
    wide[first][range(3), range(3), 1, 1] = 1
    wide[half] = torch.zeros(shapes[half])
    wide[half][:, :3] = small[half].repeat_interleave(shapes[half][0] // small[half].shape[0], 0)
    # The UNet uses the autoencoder's own latents: ComfyUI divides by this factor
    # when encoding and multiplies by SD1.5's scale.
    return wide | {"vae_scale": torch.tensor(0.18215)}


def widen_folder(folder: Path, out: Path) -> list[Path]:
    """Write the wide files of a toy model's narrow ones. Raises TrainDataError if the base is missing."""
    if not (folder / BASE).is_file():
        raise TrainDataError(
            f"There is no {BASE} in {folder}: make a world with `python run.py train world --out {folder}`.",
            folder,
        )
    states = {BASE: wide_base(read(folder / BASE))}
    for part in parts():
        if (folder / file_of(part)).is_file():
            states[file_of(part)] = wide_part(part, read(folder / file_of(part)))
    out.mkdir(parents=True, exist_ok=True)
    for name, state in states.items():
        save_file(state, out / name)
    return [out / name for name in states]
