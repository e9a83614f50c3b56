"""The first template: a moving picture from the shipped examples and
their tracks, before any model is downloaded.
"""

from __future__ import annotations

from ..drawn_heads.examples import NAME, PERSON
from . import top
from .builder import VIDEO
from .graph_writer import Graph
from .notes import note

WHAT = (
    "A drawn portrait acts like a drawn video, with a smile added: press **Run**. The nodes are connected as in the other "
    "templates; only the last step differs. Here **Draw Cartoon Head** draws the result; in the other templates a model "
    "samples it.\n\n"
    "- **Load Face Track** replaces **Track Face in Video**, which would need the face detection model.\n"
    "- **Expression Editor** warps the portrait according to its sliders; the picture in the node is a preview.\n"
    "- **Mix Face Tracks** adds that expression to the expression of the video.\n\n"
    "**Next:** the template **portrait_video** does the same with your own portrait and video. It lists the files that it "
    "needs, and ComfyUI downloads them for you."
)
SIDE = 384  # pixels per side of each half of the result and of the example video
WIDTHS = {0: 245, 1: 210, 2: 210, 3: 230, 4: 210, 5: 220}


def try_it(info: dict) -> Graph:
    """Return the template."""
    graph = Graph("try_it", info)
    graph.widths, graph.gap = WIDTHS, 45
    video = top.video(graph, "Driving video")
    portrait = top.image(graph, "Portrait")
    acted = graph.node("SKPortraitLoadTrack", "Load Face Track: video", 2, file=NAME.format("driver.npz"))
    face = graph.node("SKPortraitLoadTrack", "Load Face Track: portrait", 2, file=NAME.format("portrait.npz"))
    parts = graph.node("GetVideoComponents", "Get Video Components", 2, video=video[0])
    editor = graph.node(
        "SKPortraitExpressionEditor", "Expression Editor", 3, tall=150, portrait=portrait[0], track=face[0], smile=0.6,
    )  # fmt: skip
    mixed = graph.node(
        "SKPortraitMixTracks", "Mix Face Tracks", 4, track=acted[0], other=editor[0], mode="add its expression",
    )  # fmt: skip
    drawn = graph.node(
        "SKPortraitDrawnHead", "Draw Cartoon Head", 4, person=PERSON, size=SIDE, track=mixed[0]
    )
    beside = graph.node("ImageStitch", "Image Stitch", 5, image1=parts[0], image2=drawn[0])
    graph.fold(beside)
    joined = graph.node("CreateVideo", "Create Video", 5, images=beside[0], fps=parts["fps"])
    saved = graph.node(
        "SaveVideo", "Result", 5, tall=VIDEO, video=joined[0], filename_prefix="sk_portrait/try_it"
    )
    graph.group("1 · Your files", video, portrait)
    graph.group("2 · What the faces do", acted, face, parts, editor)
    graph.group("3 · Mix and draw", mixed, drawn)
    graph.group("4 · Result", beside, joined, saved)
    first = "**smile**, or any other slider of the Expression Editor, then Run again. Then load your own video and portrait."
    note(graph, "Try it: no models needed", WHAT, first)
    return graph
