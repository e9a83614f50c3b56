"""The demo's graph: the shipped two-stage template with the weights that this project trained, on the real server."""

import shutil

import numpy as np
from PIL import Image

from sk_portrait import material
from sk_portrait.demo import demo, toy_model, tracker, widened
from sk_portrait.face_tools.video import frames
from sk_portrait.host import workflow


def test_a_drawn_head_acts_a_real_clip_by_the_shipped_template(server, info):
    folder = server.base / "input"
    widened.write_for(server.base / "models")
    shutil.copy(material.driver(), folder / "driver.mp4")
    Image.fromarray(toy_model.portrait()).save(folder / demo.PORTRAIT)
    graph = workflow.to_api(workflow.read(demo.WORLD, workflow.TEMPLATES), info)
    found = tracker.find()
    found.copy_models(server.base / "models" / "face_tools")
    widened.use(graph, info, found)
    options = demo.arguments(["--frames", "10", "--steps", "2", "--size", "128"])
    outputs = server.run(demo.prepare(graph, options))
    shown = demo.pictures(server, outputs)
    result = list(frames(server.path(outputs[workflow.node_id(graph, "SaveVideo")]["images"][0])))
    assert len(result) == len(shown["driver"]) == 10
    portrait = shown["portrait"][0].astype(float)
    assert all(
        np.corrcoef(portrait.ravel(), picture.ravel())[0, 1] > 0.6 for picture in result
    )  # of noise it is 0
