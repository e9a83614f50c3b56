"""Loader nodes for official HelloMeme files, which are recognised by their keys."""

from __future__ import annotations

import comfy.ops
from comfy_api.latest import io

from ...sk_attention.checkpoint import CheckpointError
from ...sk_attention.fuse import fuse
from ...sk_attention.published_files import DRIVE, PROJECTION, REFERENCE
from ...sk_attention.versions import PAGE, VERSIONS, listed
from ..schema import schema
from ..types import AdapterType, DriveEncoderType
from .library import options, page_name, unknown
from .networks import join, open_network

NONE = "none"

RECOGNISED = io.String.Output(
    display_name="recognised_as",
    tooltip="What the file is, recognised by the names and shapes of its tensors.",
)


def first_projection() -> str:
    """Return the preselected projection: the newest one if the preselected drive encoder needs a
    projection, otherwise NONE.
    """
    encoder, projections = next(iter(options(DRIVE)), ""), options(PROJECTION)
    takes_one = any(
        row.projection and page_name(encoder) == row.coefficients_drive for row in VERSIONS.values()
    )
    return projections[0] if projections and takes_one else NONE


class LoadAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadAdapter",
            display_name="Load HelloMeme Reference Model",
            category="SK Portrait/load",
            description="Loads an official HelloMeme reference adapter, which keeps the portrait's "
            "identity. The version is recognised by the file's tensors.",
            search_aliases=["HelloMeme", "hm_reference", "reference adapter", "Load Portrait Adapter"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=options(REFERENCE),
                    tooltip=f"A file in models/sk_portrait: {listed('reference')}. "
                    "A downloaded file may keep its name if you put it into a folder with the name of its "
                    "page.",
                )
            ],
            outputs=[
                AdapterType.Output(
                    display_name="adapter",
                    tooltip="The reference adapter, for Encode Portrait Identity.",
                ),
                RECOGNISED,
            ],
        )

    @classmethod
    def validate_inputs(cls, file):
        return unknown(file) or True

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        network = open_network(file, REFERENCE)
        fuse(network.module, comfy.ops.manual_cast)
        return io.NodeOutput(network, str(network.loaded))


class LoadDriveEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadDriveEncoder",
            display_name="Load HelloMeme Control Model",
            category="SK Portrait/load",
            description="Loads an official HelloMeme drive encoder (HMControlNet), which encodes pose and "
            "expression. v4 and later have two files: base and projection.",
            search_aliases=["HelloMeme", "hm_control", "HMControlNet", "Load Portrait Drive Encoder"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=options(DRIVE),
                    tooltip=f"A file in models/sk_portrait: {listed('coefficients_drive', 'motion_drive')}. "
                    "If a version has two files, the second one is for Read Expression (PD-FGC).",
                ),
                io.Combo.Input(
                    "projection",
                    display_name="projection file (v4 and later)",
                    options=[NONE, *options(PROJECTION)],
                    default=first_projection(),
                    tooltip=f"Only for v4 and later: {listed('projection')}.",
                ),
            ],
            outputs=[
                DriveEncoderType.Output(
                    display_name="drive_encoder",
                    tooltip="The drive encoder, for Encode Performance.",
                ),
                RECOGNISED,
            ],
        )

    @classmethod
    def validate_inputs(cls, file, projection):
        return unknown(file) or (projection != NONE and unknown(projection)) or True

    @classmethod
    def execute(cls, file: str, projection: str) -> io.NodeOutput:
        network = open_network(file, DRIVE, alone="; a projection goes into the other input")
        needed = {VERSIONS[name].projection for name in network.versions} - {""}
        if projection == NONE and needed:
            pages = " or ".join(f"{name} ({PAGE}{name})" for name in sorted(needed))
            raise CheckpointError(
                f"{file} is a {network.loaded}, which needs its projection file beside it: {pages}.", file
            )
        if projection != NONE:
            network = join(network, open_network(projection, PROJECTION))
        return io.NodeOutput(network, str(network.loaded))


NODES = [LoadAdapter, LoadDriveEncoder]
