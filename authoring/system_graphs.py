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
        "A clip from a prompt, without any driver: W+ steers smile and age frame by frame, AnimateDiff moves it. Open the blueprint for "
        "more sliders, or put one behind Animate Portrait: the portrait smiles when the driver smiles (its *track* input). **The W+ files "
        "may not be used commercially.**",
        "Expression sliders", "`smile_curve` (frame: lambda, about -0.7 to 0.7), then `age`.", sd15=checkpoint(graph, 0),
    )  # fmt: skip


def freeanimate_restyle(info: dict) -> Graph:
    graph = Graph("freeanimate_restyle", info)
    return _top(
        graph, restyle(info),
        "FreeAnimate, which trains nothing: a preview follows the skeletons while every frame looks at the person, is walked back into "
        "noise, and is drawn again in the style of the second prompt with the layout and the motion of the preview. Any other clip can "
        "stand in for the preview (*clip_cleanup*), any other ControlNet for the pose.",
        "A pose video in another style", "`drawn_as` (the style), then `layout_until` (1: as close to the preview as can be).",
        person=_image(graph, "Person"), sd15=checkpoint(graph, 0), pose=_video(graph, "Pose video (skeletons)", "pose.mp4"),
        control_net=graph.node("ControlNetLoader", "Pose ControlNet", 0, [OPENPOSE], control_net_name=OPENPOSE["name"]),
    )  # fmt: skip


def clip_cleanup(info: dict) -> Graph:
    graph = Graph("clip_cleanup", info)
    return _top(
        graph, cleanup(info),
        "A result of *portrait_video*, or any clip of a face, is walked back into noise and drawn again over itself while every frame "
        "looks at the portrait (FreeAnimate): flicker and torn details go, pose and expression stay. A step takes about 1.6 times as "
        "long as plain sampling, and the way back comes before it.",
        "Clean up a clip", "`prompt` (what the clip shows), `frames`, then `layout_until`.",
        portrait=_image(graph, "Portrait"), sd15=checkpoint(graph, 0), video=_video(graph, "A finished clip", "clip.mp4"),
    )  # fmt: skip


def xdyna_video(info: dict) -> Graph:
    graph = Graph("xdyna_video", info)
    return _top(
        graph, whole_person(info),
        "One picture of a person follows a body and a face, and X-Dyna adds clothes, hair and background. The pose video holds OpenPose "
        "skeletons on black without the head's points: make it with any pose node from the face video, cut to the same shape. Prompts "
        "stay empty: guidance acts through the image tokens.",
        "A person comes to life",
        "`width` and `height` (the official example has 512 x 896), then `pose_strength` and `face_strength` (0: without).",
        person=_image(graph, "Person"), sd15=checkpoint(graph, 0), face=_video(graph, "Face video", "driver.mp4"),
        pose=_video(graph, "Pose video (skeletons)", "pose.mp4"),
    )  # fmt: skip


SHIPPED = (wplus_sliders, freeanimate_restyle, clip_cleanup, xdyna_video)
