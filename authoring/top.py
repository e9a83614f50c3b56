"""Builds the top level of every template: a note, the artist's files, the blueprint, the result.

It is opened at a zoom of 65 % or more on a laptop.
"""

from __future__ import annotations

from ..drawn_heads.examples import NAME
from .builder import PICTURE
from .graph_writer import Graph, Outputs, Subgraph

NOTE, FIRST, SECOND, INNER, RESULT = range(5)  # columns; the files are in two of them
WIDTHS = {NOTE: 275, FIRST: 205, SECOND: 205, INNER: 330, RESULT: 260}
TALLEST = 770  # height of a column in pixels
PROMPT, PREVIEW = 80, 100  # height in a closed blueprint for its prompt, and for a picture that it shows


def template(name: str, info: dict) -> Graph:
    """Return an empty graph with the columns of a template."""
    graph = Graph(name, info)
    graph.widths = WIDTHS
    return graph


def image(graph: Graph, title: str, example: str = "portrait", column: int = FIRST) -> Outputs:
    """Add a node with a picture of the artist; the default is an example."""
    return graph.node("LoadImage", title, column, tall=PICTURE, image=NAME.format(f"{example}.png"))


def video(graph: Graph, title: str, example: str = "driver", column: int = FIRST) -> Outputs:
    """Add a node with a video of the artist; the default is an example."""
    return graph.node("LoadVideo", title, column, tall=PICTURE, file=NAME.format(f"{example}.mp4"))


def blueprint(graph: Graph, inner: Subgraph, files: dict[str, Outputs]) -> Outputs:
    """Add the blueprint, connected to the artist's files.

    files: inputs of the blueprint by name; `sd15` is the checkpoint
    """
    sd15 = files["sd15"]
    wires = dict(zip(("model", "clip", "vae"), sd15))
    wires |= {name: outputs[0] for name, outputs in files.items() if outputs is not sd15}
    return graph.subgraph(inner, INNER, tall=PROMPT, **wires)


def groups(graph: Graph, files: list[Outputs], made: Outputs, results: list[Outputs]) -> None:
    """Add the three frames that every template has."""
    graph.group("1 · Your files", *files)
    graph.group("2 · SK Portrait", made)
    graph.group("3 · Result", *results)
