"""Load W+: the published adapter file."""

from __future__ import annotations

from dataclasses import dataclass

import comfy.model_management
import comfy.ops
import comfy.utils
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...companions.wplus import WPlus, WPlusFileError, load
from ..folders import NETWORKS, absent, files, find
from ..schema import schema
from ..types import WPlusType

PAGE = "https://github.com/csxmli2016/w-plus-adapter/releases"


@dataclass(frozen=True, eq=False)
class WPlusNetwork:
    """The adapter, and the ModelPatcher by which the host loads, offloads and counts it."""

    module: WPlus
    patcher: ModelPatcher


class LoadWPlus(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadWPlus",
            display_name="Load W+",
            category="SK Portrait/load",
            description="Loads the published W+ adapter, which lets StyleGAN's edit directions (smile, age, ...) steer SD1.5. Its "
            "licence forbids commercial use.",
            search_aliases=["w-plus-adapter", "wplus_adapter", "expression slider", "StyleGAN"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files(NETWORKS),
                    tooltip=f"wplus_adapter.bin or wplus_adapter_stage1.bin in models/sk_portrait, from {PAGE}.",
                )
            ],
            outputs=[WPlusType.Output(display_name="wplus", tooltip="For Apply W+. The host loads and offloads it.")],
        )

    @classmethod
    def validate_inputs(cls, file):
        return absent(NETWORKS, file, PAGE) or True

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        path = find(NETWORKS, file, PAGE)
        try:
            state = comfy.utils.load_torch_file(path, safe_load=True)
        except Exception as error:  # each format has its own for a file that is cut short, or is a web page
            raise WPlusFileError(f"{file} cannot be read: download it again from {PAGE}.") from error
        return io.NodeOutput(managed(load(state, file, comfy.ops.manual_cast, comfy.model_management.unet_dtype())))


def managed(module: WPlus) -> WPlusNetwork:
    """A loaded adapter in the host's memory management."""
    device, offload = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    return WPlusNetwork(module, ModelPatcher(module, load_device=device, offload_device=offload))


NODES = [LoadWPlus]
