"""The template that samples the same second with several values of one setting and compares the results."""

from __future__ import annotations

from . import top
from .builder import PICTURE, acted, checkpoint
from .graph_writer import Graph, Subgraph
from .notes import note
from .recipes import V5

VALUES = "0.5, 1, 1.5"
# Each output of the sweep is connected to the widget of the same name.
SWEPT = (
    "drive_strength",
    "reference_strength",
    "cfg",
    "steps",
)
WHAT = (
    "Samples the same second of video once per value of one setting, with the same noise. The first line of "
    "each contact sheet shows the value and its figures: pose distance (degrees), expression distance, correlation "
    "of the jaw, faults found. To compare two versions, run the templates of both with the same portrait "
    "and video."
)


def sweep(info: dict) -> Subgraph:
    """Return the blueprint that samples a portrait and a VIDEO with several values.

    Its outputs are one picture of all results with their figures, and the reports.
    """
    text = "Samples the same second with several values of one setting, and compares each result with the driver."
    graph = Subgraph("Portrait Sweep", text, info)
    graph.seeds = "fixed"  # the same noise for all values
    build, crop, driver, apply, drive = acted(graph, V5)
    graph.set(driver, "seconds", 1.0)
    for node in (
        build.landmarker,
        build.expression,
    ):  # Compare Performance is tall: the rest makes room for it
        graph.fold(node)
    swept = graph.node("SKPortraitSweepSetting", "Sweep a Setting", 6, values=VALUES, cfg=V5.cfg)
    made = build.clip(apply[0], drive)
    targets = apply, apply, made["guider"], made["sigmas"]
    for wire, node, widget in zip(swept, targets, SWEPT):
        graph.connect(node, widget, wire)
    compared = graph.node(
        "SKPortraitComparePerformance", "Compare Performance", 10, track=driver["track"],
        result=made["pictures"][0], label=swept["label"], portrait=crop["images"], driver_images=driver["images"],
        face_detection_model=build.landmarker[0],
    )  # fmt: skip
    grid = graph.node("SKPortraitComparisonGrid", "Comparison Grid", 10, sheets=compared["sheet"])
    for widget in ("setting", "values", *SWEPT):
        graph.promote(widget, swept, widget)
    for widget in ("start", "seconds", "fps"):
        graph.promote(widget, driver, widget)
    graph.promote("size", crop, "size")
    graph.promote("seed", made["noise"], "noise_seed")
    graph.out("grid", grid[0])
    graph.out("report", compared["report"])
    return graph


def portrait_sweep(info: dict) -> Graph:
    """Return the template."""
    graph = top.template("portrait_sweep", info)
    portrait, video = top.image(graph, "Portrait"), top.video(graph, "Driving video")
    model = checkpoint(graph, top.SECOND)
    wires = {
        "model": model["MODEL"],
        "clip": model["CLIP"],
        "vae": model["VAE"],
        "portrait": portrait[0],
        "video": video[0],
    }
    made = graph.subgraph(sweep(info), top.INNER, tall=0, **wires)
    where = "sk_portrait/sweep"
    saved = graph.node(
        "SaveImage", "All values", top.RESULT, tall=PICTURE, images=made[0], filename_prefix=where
    )
    top.groups(graph, [portrait, video, model], made, [saved])
    first = "**setting** and **values**, then **seconds**. Each value costs a full run."
    note(graph, "Which value is best?", WHAT, first)
    return graph
