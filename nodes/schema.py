"""Node schemas that old and new versions of ComfyUI accept."""

import inspect

from comfy_api.latest import io

_KNOWN_FIELDS = frozenset(inspect.signature(io.Schema).parameters)
# For inputs that few graphs change, including research switches: the front end hides them under *advanced*.
# ComfyUI 0.3.64 does not know the field.
RARE = {"advanced": True} if "advanced" in inspect.signature(io.Int.Input).parameters else {}

# Names that inputs had in 0.1, by node. They are no longer offered, but graphs saved then may connect them,
# and `execute` accepts them.
OLD_NAMES = {"SKPortraitDrawHeadPose": {"reference"}}


def schema(**fields) -> io.Schema:
    """Return an io.Schema of the fields that this ComfyUI knows: newer ones
    (search_aliases, ...) are dropped on ComfyUI 0.3.64.

    An input without a label is labelled with its name, in words.
    """
    for given in fields.get("inputs", ()):
        given.display_name = given.display_name or given.id.replace("_", " ")
    return io.Schema(**{name: value for name, value in fields.items() if name in _KNOWN_FIELDS})


def patched_model() -> io.Model.Output:
    """Return the output of a node that patches a copy of its MODEL."""
    return io.Model.Output(
        display_name="model",
        tooltip="The patched MODEL, for any sampler. The input MODEL is not changed.",
    )
