"""The nodes of SK Portrait: thin schemas over `sk_attention` and `face_tools`."""

from importlib import import_module

from comfy_api.latest import ComfyExtension

# Each module holds one table, NODES.
MODULES = (
    "load",
    "face_track",
    "face_import",
    "face_edit",
    "face_preview",
    "face_pictures",
    "face_motion",
    "encode",
    "apply",
    "motion",
    "two_stage",
)


class SKPortraitExtension(ComfyExtension):
    async def get_node_list(self):
        return [node for module in MODULES for node in import_module(f".{module}", __name__).NODES]
