"""The templates of the pack's other systems: W+ sliders, FreeAnimate, X-Dyna."""

from __future__ import annotations

from .builder import PICTURE, VIDEO, checkpoint, comparison
from .graph_writer import Graph, Subgraph, Wire
from .notes import note
from .recipes import HUB
from .system_blueprints import cleanup, restyle, sliders, whole_person

OPENPOSE = {
    "name": "control_v11p_sd15_openpose_fp16.safetensors",
    "url": f"{HUB}/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/control_v11p_sd15_openpose_fp16.safetensors",
    "directory": "controlnet",
}
SEEN = {
    "freeanimate_restyle": "The preview that is drawn again",
    "xdyna_video": "What S-Face sees: eyes and mouth",
}


def _image(graph: Graph, title: str) -> list[Wire]:
    return graph.node("LoadImage", title, 0, tall=PICTURE, image="portrait.png")


def _video(graph: Graph, title: str, name: str) -> list[Wire]:
    return graph.node("LoadVideo", title, 0, tall=PICTURE, file=name)


def _top(
    graph: Graph, inner: Subgraph, what: str, title: str, first: str, sd15: list[Wire], **files: list[Wire]
) -> Graph:
    """Your files, the blueprint, its video, and beside it the pictures that it also gives."""
    wires = dict(zip(("model", "clip", "vae"), sd15)) | {name: wires[0] for name, wires in files.items()}
    made = graph.subgraph(inner, 1, tall=120, **wires)
    saved = [
        graph.node(
            "SaveVideo", "Result", 2, tall=VIDEO, video=made[0], filename_prefix=f"sk_portrait/{graph.name}"
        )
    ]
    if graph.name in SEEN:
        saved.append(graph.node("PreviewImage", SEEN[graph.name], 2, tall=PICTURE, images=made[1]))
    if "side_by_side" in made.names:
        saved.append(comparison(graph, made, 2))
    graph.group("1 · Your files", sd15, *files.values())
    graph.group("2 · SK Portrait", made)
    graph.group("3 · Result", *saved)
    note(graph, title, what, first, 3)
    return graph


def wplus_sliders(info: dict) -> Graph:
    graph = Graph("wplus_sliders", info)
    return _top(
        graph, sliders(info),
        "A clip from a prompt, without a driver: W+ changes smile and age from frame to frame, and "
        "AnimateDiff adds motion. Open the blueprint for more sliders. To make a portrait smile when its "
        "driver smiles, connect Apply W+ after Animate Portrait and the driver's track to its *track* "
        "input. **The W+ files may not be used commercially.**",
        "Expression sliders", "`smile curve` (frame: lambda, about -0.7 to 0.7), then `age`.", sd15=checkpoint(graph, 0),
    )  # fmt: skip


def freeanimate_restyle(info: dict) -> Graph:
    graph = Graph("freeanimate_restyle", info)
    return _top(
        graph, restyle(info),
        "FreeAnimate, which needs no training. First a preview clip follows the skeletons while every frame "
        "attends to the person. It is then inverted to noise and redrawn in the style of the second prompt, "
        "with the layout and motion of the preview. Instead of the preview you can use any other clip "
        "(*clip_cleanup*), and instead of the pose any other ControlNet.",
        "A pose video in another style", "`drawn as` (the style), then `layout until` (1 = as close to the "
        "preview as possible).",
        person=_image(graph, "Person"), sd15=checkpoint(graph, 0), pose=_video(graph, "Pose video (skeletons)", "pose.mp4"),
        control_net=graph.node("ControlNetLoader", "Pose ControlNet", 0, [OPENPOSE], control_net_name=OPENPOSE["name"]),
    )  # fmt: skip


def clip_cleanup(info: dict) -> Graph:
    graph = Graph("clip_cleanup", info)
    return _top(
        graph, cleanup(info),
        "A result of *portrait_video*, or any other clip of a face, is inverted to noise and redrawn while "
        "every frame attends to the portrait (FreeAnimate): flicker and torn details disappear, pose and "
        "expression stay. The inversion runs first; after that, a step takes about 1.6 times as long as "
        "plain sampling.",
        "Clean up a clip", "`prompt` (a description of the clip), `frames`, then `layout until`.",
        portrait=_image(graph, "Portrait"), sd15=checkpoint(graph, 0), video=_video(graph, "A finished clip", "clip.mp4"),
    )  # fmt: skip


def xdyna_video(info: dict) -> Graph:
    graph = Graph("xdyna_video", info)
    return _top(
        graph, whole_person(info),
        "The person in a picture follows the body pose and the face of a video, and X-Dyna also moves "
        "clothes, hair and background. The pose video shows OpenPose skeletons on black without the points "
        "of the head. Make it from the face video with any pose node, cropped to the same aspect ratio. "
        "Leave the prompts empty: guidance acts through the image tokens.",
        "A person comes to life",
        "`width` and `height` (512 x 896 in the official example), then `pose strength` and `face strength` "
        "(0 = off).",
        person=_image(graph, "Person"), sd15=checkpoint(graph, 0), face=_video(graph, "Face video", "driver.mp4"),
        pose=_video(graph, "Pose video (skeletons)", "pose.mp4"),
    )  # fmt: skip


SHIPPED = (wplus_sliders, freeanimate_restyle, clip_cleanup, xdyna_video)
