"""The templates of the pack's other systems: W+ sliders, FreeAnimate, X-Dyna."""

from __future__ import annotations

from . import top
from .builder import PICTURE, VIDEO, checkpoint, comparison
from .graph_writer import Graph, Outputs, Subgraph
from .notes import note
from .recipes import HUB
from .system_blueprints import cleanup, restyle, sliders, whole_person

OPENPOSE = {
    "name": "control_v11p_sd15_openpose_fp16.safetensors",
    "url": f"{HUB}/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/control_v11p_sd15_openpose_fp16.safetensors",
    "directory": "controlnet",
}
SEEN = {
    "freeanimate_restyle": "Preview that video-to-video redraws",
    "xdyna_video": "What S-Face sees: eyes and mouth",
    "controlnet_sk": "Edges",
}
# First output of a blueprint -> the node that saves it, its input, and the height of its preview.
SAVED = {"video": ("SaveVideo", "video", VIDEO), "image": ("SaveImage", "images", PICTURE)}


def one_blueprint(
    graph: Graph, inner: Subgraph, what: str, title: str, first: str, **files: Outputs
) -> Graph:
    """Add the user's files, the blueprint, its video or picture, and the pictures that it also returns."""
    made = top.blueprint(graph, inner, files)
    node, name, tall = SAVED[made.names[0]]
    prefix = f"sk_portrait/{graph.name}"
    saved = [graph.node(node, "Result", top.RESULT, tall=tall, filename_prefix=prefix, **{name: made[0]})]
    if "side_by_side" in made.names:
        saved.append(comparison(graph, made, top.RESULT))
        if graph.name in SEEN:
            graph.fold(saved[-1])  # leaves room for the pictures
    if graph.name in SEEN:
        saved.append(graph.node("PreviewImage", SEEN[graph.name], top.RESULT, tall=PICTURE, images=made[1]))
    top.groups(graph, list(files.values()), made, saved)
    note(graph, title, what, first)
    return graph


def wplus_sliders(info: dict) -> Graph:
    graph = top.template("wplus_sliders", info)
    return one_blueprint(
        graph, sliders(info),
        "A clip from a prompt, without a driver: W+ changes smile and age from frame to frame, and "
        "AnimateDiff adds motion. Open the subgraph for more sliders. To make a portrait smile when its "
        "driver smiles, connect Apply W+ after Animate Portrait and the driver's track to its *track* "
        "input. **The W+ files may not be used commercially.**",
        "Expression sliders", "**smile curve** (frame: lambda, about -0.7 to 0.7), then **age**.", sd15=checkpoint(graph, top.SECOND),
    )  # fmt: skip


def freeanimate_restyle(info: dict) -> Graph:
    graph = top.template("freeanimate_restyle", info)
    return one_blueprint(
        graph, restyle(info),
        "FreeAnimate needs no training. First a preview clip follows the skeletons while every frame "
        "attends to the person. It is then inverted to noise and redrawn in the style of the second prompt, "
        "with the layout and motion of the preview. Instead of the preview you can use any other clip "
        "(*clip_cleanup*), and instead of the pose any other ControlNet. Make the video of OpenPose skeletons "
        "with a pose node of another pack.",
        "A pose video in another style", "**drawn as** (the style), then **layout until** (1 = as close to the "
        "preview as possible).",
        person=top.image(graph, "Person"), sd15=checkpoint(graph, top.SECOND), pose=top.video(graph, "Pose video (skeletons)", "pose"),
        control_net=graph.node("ControlNetLoader", "Pose ControlNet", top.SECOND, [OPENPOSE], control_net_name=OPENPOSE["name"]),
    )  # fmt: skip


def clip_cleanup(info: dict) -> Graph:
    graph = top.template("clip_cleanup", info)
    return one_blueprint(
        graph, cleanup(info),
        "A result of *portrait_video*, or any other clip of a face, is inverted to noise and redrawn while "
        "every frame attends to the portrait (FreeAnimate): flicker and torn details disappear, pose and "
        "expression stay. The inversion runs first; after that, a step takes about 1.6 times as long as "
        "plain sampling.",
        "Clean up a clip", "**prompt** (a description of the clip), **frames**, then **layout until**.",
        portrait=top.image(graph, "Portrait"), sd15=checkpoint(graph, top.SECOND), video=top.video(graph, "A finished clip"),
    )  # fmt: skip


def xdyna_video(info: dict) -> Graph:
    graph = top.template("xdyna_video", info)
    return one_blueprint(
        graph, whole_person(info),
        "The person in a picture follows the body pose and the face of a video, and X-Dyna also moves "
        "clothes, hair and background. The pose video shows OpenPose skeletons on black without the points "
        "of the head. Make it from the face video with a pose node of another pack, cropped to the same aspect ratio. "
        "Leave the prompts empty: guidance acts through the image tokens.",
        "A person comes to life",
        "**width** and **height** (512 x 896 in the official example), then **pose strength** and **face strength** "
        "(0 = off).",
        person=top.image(graph, "Person"), sd15=checkpoint(graph, top.SECOND), face=top.video(graph, "Face video", column=top.SECOND),
        pose=top.video(graph, "Pose video (skeletons)", "pose"),
    )  # fmt: skip


SHIPPED = (wplus_sliders, freeanimate_restyle, clip_cleanup, xdyna_video)
