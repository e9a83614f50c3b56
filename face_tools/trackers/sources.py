"""The trackers by name, loaded only when chosen, and which one "auto" takes."""

from __future__ import annotations

import logging
import os
from importlib import import_module

from ..track_errors import ChoiceError, UnusableTrackerError
from .faces import ModelFiles, Source

log = logging.getLogger(__name__)

# Each module has `missing(models: ModelFiles) -> str | None`, the sentence that says why it cannot run here (cheap: it imports
# nothing heavy), and `open_source(models: ModelFiles) -> Source`. One that sends something has `consent() -> str | None`, the
# sentence that a user should have read first; it runs only where it is chosen by name and allowed by ALLOWED.
MODULES = {
    "hello-onnx": ".onnx_source",
    "mediapipe-tasks": ".mediapipe_tasks",
    "mediapipe-mesh": ".mediapipe_mesh",
}
ALLOWED = (
    "SK_PORTRAIT_ALLOW_METRICS"  # set on the artist's own machine: a tracker may send what its `consent` says
)
AUTO = "auto"  # the order of MODULES: coefficients of the official nets first, then MediaPipe's, then none


def _module(name: str):
    return import_module(MODULES[name], __package__)


def consent(name: str) -> str | None:
    """The sentence that a user should have read before this tracker runs, or None."""
    module = _module(name)
    return module.consent() if hasattr(module, "consent") else None


def available(models: ModelFiles) -> dict[str, str | None]:
    """For each tracker the sentence that says why it cannot run here, or None where it can."""
    return {name: _module(name).missing(models) for name in MODULES}


def choose(models: ModelFiles) -> str:
    """The first tracker that can run here and sends nothing anywhere. Raises TrackError with the missing parts of each one."""
    reasons = {}
    for name in MODULES:
        reasons[name] = _module(name).missing(models) or consent(name)
        if reasons[name] is None:
            return name
    lacks = " ".join(f"[{name}] {reason}" for name, reason in reasons.items())
    raise UnusableTrackerError(f"No face tracker can be used here. {lacks}", AUTO)


def open_source(name: str, models: ModelFiles) -> Source:
    """The tracker `name`, or the one that "auto" takes. Raises TrackError where it cannot run."""
    if name == AUTO:
        name = choose(models)
    if name not in MODULES:
        raise ChoiceError("face tracker", name, (AUTO, *MODULES))
    module = _module(name)
    if reason := module.missing(models):
        raise UnusableTrackerError(reason, name)
    if sentence := consent(name):
        if os.environ.get(ALLOWED) != "1":
            raise UnusableTrackerError(
                f"{sentence} A workflow cannot allow that: start ComfyUI with {ALLOWED}=1 in its environment if you do.",
                name,
            )
        log.warning("%s", sentence)
    return module.open_source(models)
