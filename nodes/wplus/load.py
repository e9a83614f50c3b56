"""The node Load W+, for the official adapter file."""

from __future__ import annotations

from dataclasses import dataclass

import comfy.ops
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...systems.wplus.adapter import WPlus, WPlusFileError, load
from ..folders import NETWORKS, absent, files, find
from ..schema import schema
from ..types import WPlusType
from ..weights import kept_in, patcher_of, read_state

PAGE = "https://github.com/csxmli2016/w-plus-adapter/releases"


@dataclass(frozen=True, eq=False)
class WPlusNetwork:
    """The loaded adapter, and the ModelPatcher by which ComfyUI loads, offloads and counts it."""

    module: WPlus
    patcher: ModelPatcher


class LoadWPlus(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadWPlus",
            display_name="Load W+",
            category="SK Portrait/load",
            description="Loads the W+ adapter, with which StyleGAN's edit directions (smile, age, ...) "
            "become sliders on SD1.5. Its licence forbids commercial use.",
            search_aliases=["w-plus-adapter", "wplus_adapter", "expression slider", "StyleGAN"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files(NETWORKS),
                    tooltip=f"wplus_adapter.bin or wplus_adapter_stage1.bin in models/sk_portrait, from {PAGE}.",
                )
            ],
            outputs=[WPlusType.Output(display_name="wplus", tooltip="The W+ adapter, for Apply W+.")],
        )

    @classmethod
    def validate_inputs(cls, file):
        return absent(NETWORKS, file, PAGE) or True

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        state = read_state(find(NETWORKS, file, PAGE), file, PAGE, WPlusFileError)
        return io.NodeOutput(
            managed(
                load(
                    state,
                    file,
                    comfy.ops.manual_cast,
                    kept_in(sum(value.numel() for value in state.values())),
                )
            )
        )


def managed(module: WPlus) -> WPlusNetwork:
    """Put a loaded adapter into ComfyUI's memory management."""
    return WPlusNetwork(module, patcher_of(module))


NODES = [LoadWPlus]
