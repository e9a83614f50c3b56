"""Loader nodes of X-Dyna: the UNet file, in its parts, and both ControlNets."""

from __future__ import annotations

import comfy.controlnet
from comfy_api.latest import io

from ...systems.xdyna.checkpoint import PAGE, TOKENS_PAGE, XDynaFileError, plain
from ..folders import NETWORKS, absent, files
from ..schema import schema
from ..types import XDynaType
from .networks import MOTION_PAGE, NONE, open_xdyna, read

CONTROLNETS = "controlnet"
# Official name, and the name after conversion to ComfyUI's.
HINTS = (
    "controlnet_cond_embedding.conv_in.weight",
    "input_hint_block.0.weight",
)
KINDS = {3: "pose ControlNet", 6: "S-Face ControlNet"}  # key: channels of its picture


def found(folder: str, *named: tuple[str, str]) -> bool | str:
    """Return True if every (file, page) is in the folder,
    otherwise an error message (for validate_inputs).
    """
    return next((sentence for name, page in named if (sentence := absent(folder, name, page))), True)


class LoadXDyna(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadXDyna",
            display_name="Load X-Dyna",
            category="SK Portrait/load",
            description="Loads X-Dyna, which animates one picture of a person, including clothes, hair and "
            "background. From the UNet file it loads only the layers that X-Dyna adds to SD1.5; all others "
            "stay those of your checkpoint.",
            search_aliases=["X-Dyna", "Dynamics-Adapter", "human animation"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files(NETWORKS),
                    tooltip=f"unet-checkpoint-epoch-5.ckpt of {PAGE}, in models/sk_portrait.",
                ),
                io.Combo.Input(
                    "image_tokens",
                    display_name="IP-Adapter file",
                    options=files(NETWORKS),
                    tooltip=f"ip-adapter-plus_sd15 of {TOKENS_PAGE}, in models/sk_portrait. It encodes the picture, and supplies the "
                    "image attention if the UNet file has none.",
                ),
                io.Combo.Input(
                    "motion",
                    display_name="AnimateDiff file",
                    options=[NONE, *files(NETWORKS)],
                    default=NONE,
                    tooltip="none: uses the motion modules of the UNet file. If that file has none, choose "
                    "mm_sd_v15, an AnimateDiff v1 file.",
                ),
            ],
            outputs=[
                XDynaType.Output(
                    display_name="xdyna",
                    tooltip="X-Dyna's networks, for Encode X-Dyna Image and Apply X-Dyna.",
                ),
                io.String.Output(
                    display_name="recognised_as",
                    tooltip="Which part came from which file, and which parts are missing.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file, image_tokens, motion):
        return found(
            NETWORKS,
            (file, PAGE),
            (image_tokens, TOKENS_PAGE),
            *([(motion, MOTION_PAGE)] if motion != NONE else []),
        )

    @classmethod
    def execute(cls, file: str, image_tokens: str, motion: str) -> io.NodeOutput:
        xdyna = open_xdyna(file, image_tokens, motion)
        return io.NodeOutput(xdyna, xdyna.parts)


class LoadXDynaControl(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadXDynaControl",
            display_name="Load X-Dyna ControlNet",
            category="SK Portrait/load",
            description="Loads X-Dyna's pose or S-Face ControlNet. The published files are training "
            "checkpoints with tensor names that ComfyUI's Load ControlNet does not know.",
            search_aliases=["X-Dyna", "S-Face", "controlnet_face"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files(CONTROLNETS),
                    tooltip="controlnet-checkpoint-epoch-5.ckpt (pose) or "
                    "controlnet-face-checkpoint-epoch-2.ckpt (S-Face), in "
                    "models/controlnet.",
                )
            ],
            outputs=[
                io.ControlNet.Output(
                    display_name="control_net",
                    tooltip="The ControlNet, for Apply X-Dyna ControlNet.",
                ),
                io.String.Output(
                    display_name="recognised_as",
                    tooltip="Pose or S-Face, recognised by the number of input channels.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file):
        return found(CONTROLNETS, (file, PAGE))

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        state = plain(read(CONTROLNETS, file, PAGE))
        channels = next((state[key].shape[1] for key in HINTS if key in state), None)
        if channels not in KINDS:
            told = f"has pictures of {channels} channels" if channels else f"holds no {HINTS[0]!r}"
            raise XDynaFileError(
                f"{file} {told}; X-Dyna's ControlNets take 3 (pose) or 6 (S-Face). Page: {PAGE}.", file
            )
        network = comfy.controlnet.load_controlnet_state_dict(state)
        if network is None:
            raise XDynaFileError(
                f"{file} is no whole ControlNet in diffusers' names. Download it again: {PAGE}.", file
            )
        return io.NodeOutput(network, KINDS[channels])


NODES = [LoadXDyna, LoadXDynaControl]
