"""A tiny SD1.5 in the real ComfyUI, with tiny official networks of deterministic weights, for node tests."""

from __future__ import annotations

import torch

from sk_portrait.sk_attention.drive import Drive
from sk_portrait.sk_attention.published_files import REFERENCE, find_part
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_networks import SIZES
from sk_portrait.testing.rule import draw

WIDTHS = {
    "down_0": 32,
    "down_1": 64,
    "down_2": 128,
    "down_3": 128,
    "up_0": 128,
    "up_1": 128,
    "up_2": 128,
    "up_3": 64,
}
SCALE = {"down_0": 2, "down_1": 4, "down_2": 8, "down_3": 8, "up_0": 8, "up_1": 4, "up_2": 2, "up_3": 1}
DRIVEN = {"v1": ("down_0", "down_1", "down_2"), "v2": ("up_0", "up_1", "up_2", "up_3")}
CELLS = 16  # side of the square latents

torch.set_num_threads(1)  # thousands of tiny operations: a second thread would only wait for the first

GOLDEN = Golden()


def normal(name: str, *shape: int) -> torch.Tensor:
    """Fixed standard normal numbers."""
    return torch.from_numpy(draw("tests", name, shape))


def drive(frames: int, version: str = "v2", cells: int = CELLS) -> Drive:
    """Return a drive of `frames` frames with random features of the UNet's size at each block boundary."""
    boundaries = DRIVEN.get(version, tuple(WIDTHS))

    def features(name: str, rows: int) -> dict[str, torch.Tensor]:
        return {
            s: normal(f"{name} {s}", rows, WIDTHS[s], cells // SCALE[s], cells // SCALE[s]) / 4
            for s in boundaries
        }

    return Drive(features("drive", frames), features("null", 1), (version,))


def prompt(name: str) -> list:
    """Return a CONDITIONING with the tiny text width."""
    return [[normal(name, 1, 7, 64), {}]]


class Host:
    """ComfyUI's MODEL and our nodes. Needs ComfyUI in this process."""

    def __init__(self):
        from sk_portrait.nodes.hellomeme import apply, encode
        from sk_portrait.testing.tiny_comfy import patcher

        self.model = patcher(GOLDEN.unet_weights())
        self.apply_node, self.noise_node = apply.Apply, apply.SharedNoise
        self.encode_node = encode.EncodeReference

    def adapter(self, version: str = "v2"):
        """Return an SK_ADAPTER."""
        import comfy.model_patcher

        from sk_portrait.nodes.hellomeme.networks import Network
        from sk_portrait.testing.tiny_comfy import operations

        loaded = GOLDEN.loaded(
            f"adapter_{version}", find_part(REFERENCE, version), SIZES[version], operations
        )
        device = self.model.load_device
        return Network(
            loaded,
            comfy.model_patcher.ModelPatcher(
                loaded.module, load_device=device, offload_device=torch.device("cpu")
            ),
        )

    def reference(self, version: str = "v2", cells: int = CELLS, model=None, **wires):
        """Return an SK_REFERENCE."""
        latent = {"samples": normal("portrait", 1, 4, cells, cells)}
        model = model or self.model
        return self.encode_node.execute(
            model, self.adapter(version), prompt("+"), prompt("-"), latent, **wires
        )[0]

    def apply(
        self,
        reference=None,
        drive=None,
        model=None,
        strengths=(1.0, 1.0),
        percent_range=(0.0, 1.0),
        mask=None,
    ):
        """Return the patched MODEL."""
        return self.apply_node.execute(
            model or self.model, *strengths, *percent_range, reference, drive, mask
        )[0]

    def sample(
        self,
        model,
        frames: int = 3,
        cells: int = CELLS,
        cfg: float = 2.0,
        steps: int = 2,
        noise=None,
        sampler: str = "euler",
    ):
        """Sample an empty latent batch as ComfyUI's KSampler does."""
        import comfy.sample

        noise = normal("noise", frames, 4, cells, cells) if noise is None else noise
        empty = torch.zeros_like(noise)
        return comfy.sample.sample(
            model,
            noise,
            steps,
            cfg,
            sampler,
            "normal",
            prompt("+"),
            prompt("-"),
            empty,
            disable_pbar=True,
            seed=1,
        )
