"""Previews of the clip while the sampler runs, over the real server's websocket."""

import io

import pytest
from PIL import Image

from sk_portrait.testing import clip_graph
from sk_portrait.unet.clip.keyframes import windows

pytestmark = pytest.mark.comfy

FRAMES, STEPS, NODE = 14, 2, "7:video"  # the node lies inside the blueprint that is node 7


@pytest.fixture(scope="module")
def previewing(tmp_path_factory):
    """A server whose user has switched previews on."""
    from sk_portrait.host import installation
    from sk_portrait.host.server import Server

    comfy = installation.find()
    with Server(comfy, tmp_path_factory.mktemp("previews"), "--preview-method", "latent2rgb") as server:
        clip_graph.write_models(server.base / "models")
        yield server


def test_every_window_of_every_step_sends_the_clip_as_it_stands(previewing):
    graph = clip_graph.graph(1, frames=FRAMES, steps=STEPS, sampler=NODE)
    seen = []
    previewing.run(graph, preview=lambda told, file: seen.append((told, Image.open(io.BytesIO(file)))))
    layout = windows(FRAMES, clip_graph.WINDOW, clip_graph.OVERLAP)
    assert len(layout) > 3 and len(seen) >= STEPS * len(layout) + STEPS
    assert {(told["node_id"], told["display_node_id"]) for told, _ in seen} == {(NODE, NODE)}
    assert {max(picture.size) for _, picture in seen} == {512}
    first, last = (picture.convert("L").resize((3, 3)) for picture in (seen[0][1], seen[-1][1]))
    assert min(first.getdata()) < 8 < min(last.getdata())  # cells are empty at first, and full in the end
