"""Apply SK Text Attention: replaces the text attention by SK cross-attention, for experiments."""

from __future__ import annotations

from comfy.ldm.modules.attention import optimized_attention
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...sk_attention.appendix.cross import TextAdapter
from ...sk_attention.appendix.patch import TextPatch
from ...sk_attention.checkpoint import CheckpointError
from ...unet.hosts import comfy_attention
from ..checks import require_sd15
from ..folders import NETWORKS, absent, files
from ..percent_range import PERCENT_RANGE, range_of
from ..schema import patched_model, schema
from .networks import PAGE, CrossNetwork, open_cross, require_fit


class ApplySKText(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApplySKText",
            display_name="Apply SK Text Attention",
            category="SK Portrait",
            description="For experiments: replaces the text attention of a MODEL by SK cross-attention "
            "(SK_EXP in appendix A of the HelloMeme paper). There are no public weights: train your own "
            "with `python run.py train sk-text`.",
            search_aliases=["SK_EXP", "SK cross-attention", "text attention", "attn2"],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 MODEL, with LoRAs and patches as you like."),
                io.Combo.Input(
                    "file",
                    options=files(NETWORKS),
                    tooltip="A file in models/sk_portrait, written by `python run.py train sk-text`.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="1 = SK cross-attention replaces the MODEL's text attention, 0 = off; values in "
                    "between mix both.",
                ),
                *PERCENT_RANGE,
            ],
            outputs=[patched_model()],
        )

    @classmethod
    def validate_inputs(cls, file):
        return absent(NETWORKS, file, PAGE) or True

    @classmethod
    def execute(
        cls, model: io.Model.Type, file: str, strength: float, start_percent: float, end_percent: float
    ) -> io.NodeOutput:
        require_sd15(model)
        patched = model.clone()
        if not strength or start_percent >= end_percent:
            return io.NodeOutput(patched)
        network = open_cross(file, TextAdapter)
        require_fit(model, network)
        reads = model.model.model_config.unet_config["context_dim"]
        if network.module.context_dim != reads:
            raise CheckpointError(
                f"{file} reads a text of width {network.module.context_dim}, and this MODEL has one of {reads}: "
                "train it on an SD1.5 checkpoint.",
                file,
            )
        replace_text(patched, network, strength, range_of(start_percent, end_percent))
        return io.NodeOutput(patched)


def replace_text(
    model: ModelPatcher,
    network: CrossNetwork[TextAdapter],
    strength: float,
    percent_range: tuple[float, float] | None = None,
) -> None:
    """Replace the text attention of a newly cloned MODEL."""
    patch = TextPatch(network.module, strength, percent_range)
    comfy_attention.bind(model, [patch], optimized_attention, [network.patcher])


NODES = [ApplySKText]
