"""The templates that the pack ships: a few nodes around a blueprint.

`python run.py graphs` writes them all.
"""

from __future__ import annotations

import json

from ..host import installation
from ..host.workflow import BLUEPRINTS, TEMPLATES
from . import appendix_graphs, blueprints, sweep_graph, system_graphs, top, try_it
from .builder import PICTURE, VIDEO, checkpoint, comparison
from .graph_writer import Graph, Subgraph
from .notes import note


def _video(
    name: str, info: dict, inner: Subgraph, title: str, what: str, first: str, film: bool = False
) -> Graph:
    graph = top.template(name, info)
    portrait = top.image(graph, "Portrait")
    video = top.video(graph, "Film" if film else "Driving video")
    model = checkpoint(graph, top.SECOND)
    wires = {
        "model": model["MODEL"],
        "clip": model["CLIP"],
        "vae": model["VAE"],
        "portrait": portrait[0],
        "film" if film else "video": video[0],
    }
    made = graph.subgraph(inner, top.INNER, tall=top.PROMPT, **wires)
    saved = graph.node(
        "SaveVideo", "Result", top.RESULT, tall=VIDEO, video=made[0], filename_prefix=f"sk_portrait/{name}"
    )
    top.groups(graph, [portrait, video, model], made, [saved, comparison(graph, made, top.RESULT)])
    note(graph, title, what, first)
    return graph


def portrait_video(info: dict) -> Graph:
    return _video(
        "portrait_video", info, blueprints.animation(info), "A portrait acts like a video",
        "The person in the picture gets the head pose and expression of the face in the video, with the "
        "video's sound. HelloMeme v5.",
        "**likeness strength** and **performance strength**, then **seconds** (length of the part of the video) and **cfg** (1.2 to 1.5).",
    )  # fmt: skip


def portrait_video_two_stage(info: dict) -> Graph:
    return _video(
        "portrait_video_two_stage", info, blueprints.two_stages(info), "The paper's two stages",
        "HelloMeme v2 as in the paper: stage 1 samples every frame separately, stage 2 all frames together. "
        "Open the subgraph (double-click): on its right, muted, are the same stages built from plain "
        "KSamplers, to study or change.",
        "**seconds**, then **steps**.",
    )  # fmt: skip


def portrait_film(info: dict) -> Graph:
    return _video(
        "portrait_film", info, blueprints.film(info), "Another face in a film",
        "Tracks the face in a part of a film, replaces it by the person in the picture, and pastes it back "
        "with the sound. The film can have any length, because only that part is in memory.",
        "**start** and **seconds** (the part of the film), then **feather** (width of the soft edge).", film=True,
    )  # fmt: skip


def portrait_directed(info: dict) -> Graph:
    return _video(
        "portrait_directed", info, blueprints.directed(info), "A portrait that you direct",
        "The portrait follows a corrected version of the video's performance: calmer, with more or less "
        "blinking and speech, and with an added expression. Open the subgraph to see the corrected curves "
        "(*Preview Face Track*). To use a phone's recording instead of the tracker's expression, choose its "
        "file in *Import Live Link Face* and unmute that node (Ctrl+M). The expression comes from "
        "coefficients only; pictures of eyes and mouth are not used.",
        "**expression** and **amount**, then **edits**, such as *eyeBlink=0 @ 40-44*.",
    )  # fmt: skip


def _image(name: str, info: dict, inner: Subgraph, title: str, what: str, first: str, driver: bool) -> Graph:
    graph = top.template(name, info)
    portrait = top.image(graph, "Portrait")
    files, wires = [portrait], {"portrait": portrait[0]}
    if driver:
        files.append(top.image(graph, "Driver: whose expression", "expression"))
        wires["driver"] = files[-1][0]
    files.append(checkpoint(graph, top.SECOND))
    wires |= dict(zip(("model", "clip", "vae"), files[-1]))
    room = top.PROMPT if driver else top.PROMPT + top.PREVIEW
    made = graph.subgraph(inner, top.INNER, tall=room, **wires)
    prefix = f"sk_portrait/{name}"
    saved = [
        graph.node("SaveImage", "Result", top.RESULT, tall=PICTURE, images=made[0], filename_prefix=prefix)
    ]
    if not driver:
        saved.append(
            graph.node(
                "PreviewImage", "Preview (warped portrait)", top.RESULT, tall=PICTURE, images=made["preview"]
            )
        )
    top.groups(graph, files, made, saved)
    note(graph, title, what, first)
    return graph


def portrait_image(info: dict) -> Graph:
    return _image(
        "portrait_image", info, blueprints.still(info), "A portrait takes an expression",
        "The person in the first picture gets the expression and the head pose of the second. HelloMeme v5.",
        "**performance strength** and **likeness strength**, then **cfg** (1.2 to 1.5).", True,
    )  # fmt: skip


def portrait_pair(info: dict) -> Graph:
    graph = top.template("portrait_pair", info)
    left, right = (top.image(graph, f"{side} portrait") for side in ("Left", "Right"))
    model = checkpoint(graph, top.SECOND)
    driver = top.image(graph, "Driver: whose expression", "expression", top.SECOND)
    wires = {
        "left": left[0],
        "right": right[0],
        "driver": driver[0],
        "model": model["MODEL"],
        "clip": model["CLIP"],
        "vae": model["VAE"],
    }
    made = graph.subgraph(blueprints.pair(info), top.INNER, tall=top.PROMPT, **wires)
    saved = graph.node(
        "SaveImage", "Result", top.RESULT, tall=PICTURE, images=made[0], filename_prefix="sk_portrait/pair"
    )
    top.groups(graph, [left, right, model, driver], made, [saved])
    note(
        graph, "Two portraits", "Two people side by side in one picture. One driver drives both, and each "
        "half has its own mask and strength. To use two drivers, open the subgraph. "
        "HelloMeme v5.",
        "**left strength** and **right strength**.",
    )  # fmt: skip
    return graph


def portrait_expression(info: dict) -> Graph:
    return _image(
        "portrait_expression", info, blueprints.expression(info), "A portrait with sliders",
        "No driver: the sliders set expression and head pose. *Preview* shows the warped "
        "portrait immediately; *Result* is sampled with HelloMeme v5. Open the subgraph for key poses, "
        "which make a clip.",
        "a slider, then **cfg** (1.2 to 1.5).", False,
    )  # fmt: skip


SHIPPED = (
    try_it.try_it, portrait_video, portrait_image, portrait_expression, portrait_directed, portrait_pair, portrait_film,
    portrait_video_two_stage,    sweep_graph.portrait_sweep, *system_graphs.SHIPPED, *appendix_graphs.SHIPPED,
)  # fmt: skip


def write(info: dict) -> None:
    """Write workflows/ and subgraphs/. info: GET /object_info of a host that knows every node."""
    BLUEPRINTS.mkdir(exist_ok=True)
    for make in blueprints.SHIPPED:
        inner = make(info)
        _save(BLUEPRINTS / f"{inner.name}.json", inner.blueprint())
    for make in SHIPPED:
        graph = make(info)
        print(f"{graph.name}: {len(graph.boxes)} nodes and {len(graph.links)} wires at the top")
        _save(TEMPLATES / f"{graph.name}.json", graph.saved())


def _save(path, graph: dict) -> None:
    path.write_text(json.dumps(graph, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run `python run.py graphs`: start ComfyUI for its node definitions,
    write the files, print the size of each top level.
    """
    import tempfile
    from pathlib import Path

    from ..host.server import Server

    comfy = installation.find()
    if comfy is None:
        print(installation.ABSENT)
        return 1
    with tempfile.TemporaryDirectory(prefix="sk-portrait-") as folder, Server(comfy, Path(folder)) as server:
        write(server.object_info())
    return 0
