"""From where to where in the sampling a patch acts."""

from comfy_api.latest import io

SPAN = [
    io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="Where in the sampling it begins to act."),
    io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Where in the sampling it stops."),
]


def sigmas_of(model, start: float, end: float) -> tuple[float, float] | None:
    """(first, last) noise level of a part of the sampling; None = all of it."""
    if (start, end) == (0.0, 1.0):
        return None
    sampling = model.get_model_object("model_sampling")
    return sampling.percent_to_sigma(start), sampling.percent_to_sigma(end)
