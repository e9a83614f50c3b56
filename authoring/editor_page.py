"""The Expression Editor in the real front end: a slider is dragged with the mouse, the graph runs, the picture on the node changes."""

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
    """A drawn portrait with its own track, and the editor. info: GET /object_info."""
    graph = Graph("editor", info)
    head = graph.node("SKPortraitDrawnHead", "Portrait", 0, size=SIDE)
    graph.node(EDITOR, "Expression", 1, tall=SIDE // 2, portrait=head[0], track=head[1])
    return graph.saved()


class EditorPage:
    """The editor's workflow, open in the front end and run once, so that the portrait is in ComfyUI's cache."""

    def __init__(self, front: FrontEnd, info: dict):
        self.front = front
        front.load(workflow(info), "editor")
        front.show()
        front.page.evaluate(RUN)

    def drag(self, name: str) -> tuple[float, float]:
        """Press in the middle of a slider, for its left end is a socket, and drag to nine tenths; its value before and after."""
        place, mouse = self.front.page.evaluate(SLIDER, name), self.front.page.mouse
        mouse.move(place["from"], place["y"])
        mouse.down()
        mouse.move(place["to"], place["y"], steps=5)
        mouse.up()
        return place["value"], self.front.page.evaluate(SLIDER, name)["value"]

    def run(self) -> float:
        """Seconds from pressing Run to the new picture on the node."""
        return self.front.page.evaluate(RUN)

    def picture(self) -> list[int]:
        """The picture on the node, 64 x 64 RGBA."""
        return self.front.page.evaluate(PIXELS)
