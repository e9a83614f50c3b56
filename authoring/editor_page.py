"""Runs the Expression Editor in the real front end: drags a slider with the
mouse, runs the graph, reads the node's picture.
"""

from __future__ import annotations

import json

from ..host.browser import FrontEnd
from .graph_writer import Graph

EDITOR, SIDE = "SKPortraitExpressionEditor", 512
FIND = f"const node = window.app.graph._nodes.find(n => n.type === {json.dumps(EDITOR)});"
SLIDER = f"""name => {{
  {FIND}
  const widget = node.widgets.find(w => w.name === name), view = window.app.canvas.ds, margin = 15;
  const frame = window.app.canvas.canvas.getBoundingClientRect(), down = node.pos[1] + widget.y + 10 + view.offset[1];
  const at = share => frame.left + (node.pos[0] + margin + share * (node.size[0] - 2 * margin) + view.offset[0]) * view.scale;
  return {{value: widget.value, from: at(0.5), to: at(0.9), y: frame.top + down * view.scale}};
}}"""
RUN = f"""() => new Promise((resolve, reject) => {{
  {FIND}
  const shown = () => node.imgs?.[0], before = shown()?.src, began = performance.now();
  const look = () => {{
    const now = shown();
    const done = now && now.src !== before && now.complete && now.naturalWidth;
    done ? resolve((performance.now() - began) / 1000) : requestAnimationFrame(look);
  }};
  window.app.api.addEventListener('execution_error', event => reject(new Error(event.detail.exception_message)));
  window.app.queuePrompt(0, 1);
  look();
}})"""
PIXELS = f"""() => {{
  {FIND}
  const [picture] = node.imgs, canvas = Object.assign(document.createElement('canvas'), {{width: 64, height: 64}});
  const drawing = canvas.getContext('2d');
  drawing.drawImage(picture, 0, 0, 64, 64);
  return [...drawing.getImageData(0, 0, 64, 64).data];
}}"""


def workflow(info: dict) -> dict:
    """Return a workflow with a drawn portrait, its track and the editor. info: GET /object_info."""
    graph = Graph("editor", info)
    head = graph.node("SKPortraitDrawnHead", "Portrait", 0, size=SIDE)
    graph.node(EDITOR, "Expression", 1, tall=SIDE // 2, portrait=head[0], track=head[1])
    return graph.saved()


class EditorPage:
    """The editor's workflow, loaded in the front end and run once,
    so that ComfyUI has the portrait in its cache.
    """

    def __init__(self, front: FrontEnd, info: dict):
        self.front = front
        front.load(workflow(info), "editor")
        front.show()
        front.page.evaluate(RUN)

    def drag(self, name: str) -> tuple[float, float]:
        """Press the mouse in the middle of a slider and drag to nine tenths.

        Returns the value before and after.

        The left end of a slider is a socket, so the mouse is not pressed there.
        """
        place, mouse = self.front.page.evaluate(SLIDER, name), self.front.page.mouse
        mouse.move(place["from"], place["y"])
        mouse.down()
        mouse.move(place["to"], place["y"], steps=5)
        mouse.up()
        return place["value"], self.front.page.evaluate(SLIDER, name)["value"]

    def run(self) -> float:
        """Run the graph, and return the seconds from pressing Run until the node has a new picture."""
        return self.front.page.evaluate(RUN)

    def picture(self) -> list[int]:
        """Return the picture on the node as a flat list of 64 x 64 RGBA values."""
        return self.front.page.evaluate(PIXELS)
