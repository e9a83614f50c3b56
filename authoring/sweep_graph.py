"""The template that samples the same second with several values of one setting, and compares them."""

from __future__ import annotations

from .builder import PICTURE, acted, checkpoint
from .graph_writer import Graph, Subgraph
from .notes import note
from .recipes import V5

VALUES = "0.5, 1, 1.5"
SWEPT = (
    "drive_strength",
    "reference_strength",
    "cfg",
    "steps",
)  # outputs of the sweep, and widgets they drive
WHAT = (
    "Samples the same second of video once per value of one setting, with the same noise. The first line of "
    "each column shows the value and its figures: pose distance (degrees), expression distance, correlation "
    "of the jaw, faults found. To compare two versions, run the templates of both with the same portrait "
    "and video."
)


def sweep(info: dict) -> Subgraph:
    """A portrait and a VIDEO -> one picture of all values with their figures, and the reports."""
    text = "Samples the same second with several values of one setting, and compares each result with the "
    "driver."
    graph = Subgraph("Portrait Sweep", text, info)
    build, crop, driver, apply, drive = acted(graph, V5)
    graph.set(driver, "seconds", 1.0)
    swept = graph.node("SKPortraitSweepSetting", "Sweep", 6, values=VALUES, cfg=V5.cfg)
    made = build.clip(apply[0], drive)
    targets = apply, apply, made["guider"], made["sigmas"]
    for wire, node, widget in zip(swept, targets, SWEPT):
        graph.connect(node, widget, wire)
    compared = graph.node(
        "SKPortraitComparePerformance", "Compare with the driver", 11, tall=PICTURE, track=driver[1],
        result=made["pictures"][0], label=swept[4], portrait=crop[0], driver_images=driver[0],
        face_detection_model=build.landmarker[0],
    )  # fmt: skip
    grid = graph.node("SKPortraitComparisonGrid", "All values", 12, sheets=compared[2])
    for widget in ("setting", "values", *SWEPT):
        graph.promote(widget, swept, widget)
    for widget in ("start", "seconds", "fps"):
        graph.promote(widget, driver, widget)
    graph.promote("size", crop, "size")
    graph.promote("seed", made["noise"], "noise_seed")
    graph.out("grid", grid[0])
    graph.out("report", compared[0])
    return graph


def portrait_sweep(info: dict) -> Graph:
    """The template."""
    graph = Graph("portrait_sweep", info)
    portrait = graph.node("LoadImage", "Portrait", 0, tall=PICTURE, image="portrait.png")
    model = checkpoint(graph, 0)
    video = graph.node("LoadVideo", "Driving video", 0, tall=PICTURE, file="driver.mp4")
    wires = {"model": model[0], "clip": model[1], "vae": model[2], "portrait": portrait[0], "video": video[0]}
    made = graph.subgraph(sweep(info), 1, tall=120, **wires)
    where = "sk_portrait/sweep"
    saved = graph.node("SaveImage", "All values", 2, tall=PICTURE, images=made[0], filename_prefix=where)
    graph.group("1 · Your files", portrait, model, video)
    graph.group("2 · SK Portrait", made)
    graph.group("3 · Result", saved)
    first = "`setting` and `values`, then `seconds`. Each value costs a full run."
    note(graph, "Which value is best?", WHAT, first, 3)
    return graph
