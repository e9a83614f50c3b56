"""Lock Frames to Reference: reference-anchored self-attention."""

from __future__ import annotations

import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy_api.latest import io

from ...errors import MissingInputError
from ...systems.freeanimate.attention import AnchoredAttention
from ...systems.freeanimate.reference_items import AnchorItems
from ...systems.freeanimate.trajectory import in_unet_scale
from ...unet.hosts import comfy_attention, extra_items
from ..checks import require_one_picture, require_sd15
from ..percent_range import PERCENT_RANGE, range_of
from ..schema import RARE, schema
from ..types import TrajectoryType

FIRST_LEVEL = io.Int.Input(
    "first_level",
    default=0,
    min=0,
    max=3,
    tooltip="First level of the UNet that reads the reference: 0 everywhere, 1 leaves the largest maps plain (most of the cost, as in "
    "FateZero), 2 and 3 leave more.",
    **RARE,
)


class AnchorFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitAnchorFrames",
            display_name="Lock Frames to Reference (RA-SA)",
            category="SK Portrait",
            description="Lets every frame attend to one reference picture besides itself (reference-anchored self-attention of "
            "FreeAnimate): colours, clothes and faces stay its own. No weights; goes with ControlNet, AnimateDiff, HelloMeme.",
            search_aliases=[
                "RA-SA",
                "FreeAnimate",
                "reference only",
                "consistency",
                "Pix2Video",
                "Anchor Frames",
            ],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 MODEL, with LoRAs and patches as you like."),
                io.Latent.Input(
                    "reference",
                    optional=True,
                    tooltip="The encoded reference picture, at the size that is sampled. It gets noise as the frames do.",
                ),
                TrajectoryType.Input(
                    "trajectory",
                    optional=True,
                    tooltip="Instead of a reference latent: from Clip to Noise with a reference. Its inverted noise is closer to the "
                    "picture; sample with the same sigmas and euler.",
                ),
                FIRST_LEVEL,
                *PERCENT_RANGE,
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Of the reference's noise.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model", tooltip="For any sampler. The MODEL that came in is left as it was."
                )
            ],
        )

    @classmethod
    def execute(
        cls, model, first_level, start_percent, end_percent, seed, reference=None, trajectory=None
    ) -> io.NodeOutput:
        require_sd15(model)
        if (reference is None) == (trajectory is None):
            raise MissingInputError(
                "Lock Frames to Reference takes a reference latent or a trajectory: wire one of the two.",
                ("reference", "trajectory"),
            )
        anchored = model.clone()
        if start_percent >= end_percent:
            return io.NodeOutput(anchored)
        source = inverted(trajectory) if reference is None else noised(model, one(reference), seed)
        attach(
            anchored,
            AnchorItems(source, percent_range=range_of(start_percent, end_percent)),
            first_level,
            cls,
        )
        return io.NodeOutput(anchored)


def attach(model, rows: AnchorItems, first_level: int, node, **options) -> None:
    """Give a freshly cloned MODEL the rows and the attention that reads them."""
    comfy_attention.bind(model, [AnchoredAttention(first_level, **options)], optimized_attention)
    extra_items.attach(model, rows, node.define_schema().display_name, rows.seen)


def one(latent: dict) -> torch.Tensor:
    """The samples of one picture (1, 4, h, w). Raises SingleInputError for a batch."""
    require_one_picture(latent["samples"])
    return latent["samples"]


def noised(model, samples: torch.Tensor, seed: int):
    """Noise level -> the reference with that much of its own noise."""
    clean = model.model.process_latent_in(samples.float())
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return lambda sigma: in_unet_scale(clean + sigma * noise, sigma)


def inverted(trajectory):
    """Noise level -> the reference on its inverted way. Raises MissingInputError where it was inverted without one."""
    if trajectory.anchor is None:
        raise MissingInputError(
            "This trajectory holds no reference: wire one into Clip to Noise.", ("reference",)
        )
    return lambda sigma: trajectory.anchor_at(trajectory.level(sigma))


NODES = [AnchorFrames]
