"""The node Lock Frames to Reference: reference-anchored self-attention."""

from __future__ import annotations

import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy_api.latest import io

from ...errors import MissingInputError
from ...systems.freeanimate.attention import AnchoredAttention
from ...systems.freeanimate.reference_items import AnchorItems
from ...systems.freeanimate.trajectory import Trajectory, in_unet_scale
from ...unet.hosts import comfy_attention, extra_items
from ..checks import require_one_picture, require_sd15
from ..percent_range import PERCENT_RANGE, range_of
from ..schema import RARE, patched_model, schema
from ..types import TrajectoryType

FIRST_LEVEL = io.Int.Input(
    "first_level",
    default=0,
    min=0,
    max=3,
    tooltip="Lowest UNet level at which frames attend to the reference: 0 = all levels. 1 skips the largest "
    "attention maps, which cost the most (as in FateZero); 2 and 3 skip more.",
    **RARE,
)


class AnchorFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitAnchorFrames",
            display_name="Lock Frames to Reference (RA-SA)",
            category="SK Portrait",
            description="Lets every frame attend to one reference picture as well as to itself "
            "(FreeAnimate's reference-anchored self-attention), so that colours, clothes and face stay "
            "those of the reference. It needs no weights and works with ControlNet, AnimateDiff and "
            "HelloMeme.",
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
                    tooltip="The reference picture as a latent, at the sampled size. It gets the same noise "
                    "level as the frames.",
                ),
                TrajectoryType.Input(
                    "trajectory",
                    optional=True,
                    tooltip="From Clip to Noise with a reference; use it instead of the reference input to "
                    "follow the picture more closely. Sample with the same sigmas and with euler.",
                ),
                FIRST_LEVEL,
                *PERCENT_RANGE,
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Seed of the noise that is added to the reference.",
                ),
            ],
            outputs=[patched_model()],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        first_level: int,
        start_percent: float,
        end_percent: float,
        seed: int,
        reference: io.Latent.Type | None = None,
        trajectory: Trajectory | None = None,
    ) -> io.NodeOutput:
        require_sd15(model)
        if (reference is None) == (trajectory is None):
            raise MissingInputError(
                "Lock Frames to Reference takes a reference latent or a trajectory: connect one of the two.",
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
    """Add the extra items, and the attention patch that reads them, to a freshly cloned MODEL.

    node: class that names the system.
    """
    comfy_attention.bind(model, [AnchoredAttention(first_level, **options)], optimized_attention)
    extra_items.attach(model, rows, node.define_schema().display_name, rows.seen)


def one(latent: dict) -> torch.Tensor:
    """Return the samples (1, 4, h, w) of a latent with one picture. Raises SingleInputError for a batch."""
    require_one_picture(latent["samples"])
    return latent["samples"]


def noised(model, samples: torch.Tensor, seed: int):
    """Return a function: noise level -> the reference
    with its own noise at that level, in the UNet's scale.
    """
    clean = model.model.process_latent_in(samples.float())
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return lambda sigma: in_unet_scale(clean + sigma * noise, sigma)


def inverted(trajectory):
    """Return a function: noise level -> the inverted reference.

    Raises MissingInputError if the trajectory has no reference.
    """
    if trajectory.anchor is None:
        raise MissingInputError(
            "This trajectory holds no reference: connect one to Clip to Noise.", ("reference",)
        )
    return lambda sigma: trajectory.anchor_at(trajectory.level(sigma))


NODES = [AnchorFrames]
