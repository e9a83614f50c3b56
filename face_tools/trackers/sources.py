"""The trackers by name, imported only when chosen, and the choice of "auto"."""

from __future__ import annotations

import logging
import os
from importlib import import_module

from ..track_errors import ChoiceError, UnusableTrackerError
from .faces import ModelFiles, Source

log = logging.getLogger(__name__)

# Each module has `missing(models: ModelFiles) -> str | None`, the reason why it cannot run here
# (cheap: it imports nothing heavy), and `open_source(models: ModelFiles) -> Source`. One that
# sends data has `consent() -> str | None`, the notice that a user must read first; it runs only
# if it is chosen by name and allowed by ALLOWED.
MODULES = {
    "hello-onnx": ".onnx_source",
    "mediapipe-tasks": ".mediapipe_tasks",
    "mediapipe-mesh": ".mediapipe_mesh",
}
ALLOWED = (
    # Set on the user's own machine: a tracker may send the data that its `consent` lists.
    "SK_PORTRAIT_ALLOW_METRICS"
)
AUTO = "auto"  # the order of MODULES: first the official networks' coefficients, then MediaPipe's, then none


def _module(name: str):
    return import_module(MODULES[name], __package__)


def consent(name: str) -> str | None:
    """Return the notice that a user must read before this tracker runs, or None."""
    module = _module(name)
    return module.consent() if hasattr(module, "consent") else None


def available(models: ModelFiles) -> dict[str, str | None]:
    """Return {tracker: reason why it cannot run here, None if it can}."""
    return {name: _module(name).missing(models) for name in MODULES}


def choose(models: ModelFiles) -> str:
    """Return the first tracker that can run here and sends no data.

    Raises TrackError with the missing parts of each tracker.
    """
    reasons = {}
    for name in MODULES:
        reasons[name] = _module(name).missing(models) or consent(name)
        if reasons[name] is None:
            return name
    lacks = " ".join(f"[{name}] {reason}" for name, reason in reasons.items())
    raise UnusableTrackerError(f"No face tracker can be used here. {lacks}", AUTO)


def open_source(name: str, models: ModelFiles) -> Source:
    """Open the tracker `name`, or the one that "auto" selects. Raises TrackError if it cannot run."""
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
