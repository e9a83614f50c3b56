"""Node schemas that old and new versions of ComfyUI accept."""

import inspect

from comfy_api.latest import io

_KNOWN_FIELDS = frozenset(inspect.signature(io.Schema).parameters)
# For inputs that few graphs change, research switches among them: the front end folds them away under *advanced*. ComfyUI 0.3.64
# does not know the field.
RARE = {"advanced": True} if "advanced" in inspect.signature(io.Int.Input).parameters else {}

# Names that inputs had in 0.1, by node. They are no longer offered, but graphs saved then may connect them,
# and `execute` accepts them.
OLD_NAMES = {"SKPortraitDrawHeadPose": {"reference"}}


def schema(**fields) -> io.Schema:
    """io.Schema of the fields that this host knows: newer ones (search_aliases, ...) are dropped on ComfyUI 0.3.64.

    Inputs without a label of their own are labelled with their name, in words.
    """
    for given in fields.get("inputs", ()):
        given.display_name = given.display_name or given.id.replace("_", " ")
    return io.Schema(**{name: value for name, value in fields.items() if name in _KNOWN_FIELDS})
