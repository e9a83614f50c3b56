"""The ComfyUI nodes of SK Portrait: schemas and input
checks over the packages below, one folder per system.
"""

from importlib import import_module

from comfy_api.latest import ComfyExtension

# In the order of the node list. Each module defines its node classes in one list, NODES.
MODULES = (
    "hellomeme.load",
    "face.track",
    "face.recordings",
    "face.edit",
    "face.presets",
    "face.preview",
    "face.compare",
    "face.sweep",
    "face.expression",
    "face.bend",
    "face.pictures",
    "face.paste",
    "face.side_by_side",
    "drawn_heads.drawn_head",
    "hellomeme.face_motion",
    "hellomeme.encode",
    "hellomeme.strengths",
    "hellomeme.apply",
    "hellomeme.motion",
    "hellomeme.two_stage",
    "hellomeme.parts",
    "wplus.load",
    "wplus.direction",
    "wplus.apply",
    "freeanimate.anchor",
    "freeanimate.invert",
    "freeanimate.apply_inversion",
    "xdyna.load",
    "xdyna.hints",
    "xdyna.apply",
    "xdyna.start",
    "appendix.control",
    "appendix.face_id",
    "appendix.text",
)


class SKPortraitExtension(ComfyExtension):
    async def get_node_list(self):
        return [node for module in MODULES for node in import_module(f".{module}", __name__).NODES]
