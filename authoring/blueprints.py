"""The blueprints that the pack ships. Each is one node on the outside and holds the full graph."""

from __future__ import annotations

from . import recipes
from .builder import INNER_PICTURE, SIDE, Builder, acted, side_by_side
from .graph_writer import Subgraph, Wire
from .recipes import ANIMATE, COPY, V2, V5, Recipe


def animation(
    info: dict,
    recipe: Recipe = V5,
    name: str = ANIMATE,
    plain: bool = False,
) -> Subgraph:
    """Return the blueprint that animates a portrait as in a VIDEO, with
    the Portrait Video Sampler, and returns a VIDEO.

    plain: add, muted, the same sampling with ComfyUI's own nodes
    """
    how = (
        "the paper's two stages"
        if not recipe.version.motion
        else "key frames first, then the frames between them"
    )
    graph = Subgraph(
        name, f"One portrait acts like the face in a video (HelloMeme {recipe.version.name}: {how}).", info
    )
    build, crop, driver, apply, drive = acted(graph, recipe)
    made = build.clip(apply[0], drive)
    result = graph.node(
        "CreateVideo",
        "Create Video",
        build.at(9),
        images=made["pictures"][0],
        fps=driver["fps"],
        audio=driver["audio"],
    )
    if plain:
        build.plain(apply[0], made["latents"][0], made["motion"][0], driver)
    build.promote_strengths(apply)
    for promoted, node, widget in (
        ("prompt", build.positive, "text"), ("start", driver, "start"), ("seconds", driver, "seconds"), ("fps", driver, "fps"),
        ("size", crop, "size"), ("steps", made["sigmas"], "steps"), ("cfg", made["guider"], "cfg"), ("seed", made["noise"], "noise_seed"),
    ):  # fmt: skip
        graph.promote(promoted, node, widget)
    graph.out("video", result[0])
    side_by_side(graph, result[0], driver["images"], build.pose[0], build.at(10))
    return graph


def two_stages(info: dict) -> Subgraph:
    return animation(info, V2, "Portrait in Two Stages", plain=True)


def film(info: dict) -> Subgraph:
    """Return the blueprint that replaces a face in part
    of a film: it tracks, crops, samples and pastes back.
    """
    graph = Subgraph(
        "Portrait in a Film",
        "Replaces the face of the person in a part of a film, and pastes it back with the sound.",
        info,
    )
    portrait, video = graph.given("portrait", "IMAGE"), graph.given("film", "VIDEO")
    build = Builder(graph, V5)
    crop = build.cropped(portrait, "portrait")
    images, track = crop["images"], crop["track"]
    driver = build.video(video, "Track Face in Video")
    build.prompts()
    read = build.read(driver["images"], driver["track"], driver["track"])
    graph.node(
        "SKPortraitPreviewPatches",
        "Preview Eyes and Mouth",
        6,
        tall=INNER_PICTURE,
        patches=build.patches["patches"],
    )
    encoder = build.encoder()
    drive = build.drive(encoder, read)
    apply = build.applied(build.reference(images, track, encoder), drive)
    made = build.clip(apply[0], drive)
    pasted = graph.node(
        "SKPortraitPasteBackVideo",
        "Paste Portrait Back into Video",
        9,
        video=video,
        portraits=made["pictures"][0],
        crop=driver["crop"],
        colour_match=0.5,
    )
    build.promote_strengths(apply)
    for promoted, node, widget in (
        ("prompt", build.positive, "text"), ("start", driver, "start"), ("seconds", driver, "seconds"), ("fps", driver, "fps"),
        ("feather", pasted, "feather"), ("steps", made["sigmas"], "steps"), ("cfg", made["guider"], "cfg"),
        ("seed", made["noise"], "noise_seed"),
    ):  # fmt: skip
        graph.promote(promoted, node, widget)
    graph.out("video", pasted[0])
    side_by_side(graph, pasted[0], driver["images"], build.pose[0], build.at(10))
    return graph


def directed(info: dict) -> Subgraph:
    """Return the blueprint that edits and mixes a video's coefficients; they
    drive the portrait instead of Read Expression.
    """
    graph = Subgraph(
        "Portrait Directed",
        "A portrait follows the corrected expression of a video: smoothed, scaled, mixed.",
        info,
    )
    portrait, video = graph.given("portrait", "IMAGE"), graph.given("video", "VIDEO")
    build = Builder(graph, Recipe(V5.version, V5.cfg, face_motion=False))
    crop = build.cropped(portrait, "portrait")
    images, track = crop["images"], crop["track"]
    build.begin_later(1, "1 · Faces, prompt and corrections")
    recording = graph.node(
        "SKPortraitImportLiveLinkFace", "Import Live Link Face (unmute: Ctrl+M)", 1, file="take.csv"
    )
    graph.mute(recording)
    driver = build.video(video, coefficients=recording[0])
    edited = graph.node(
        "SKPortraitEditTrack",
        "Edit Face Track",
        3,
        track=driver["track"],
        smooth_pose=1.0,
        smooth_expression=0.5,
    )
    preset = graph.node("SKPortraitPresetExpression", "Preset Expression", 3, preset="smile")
    mixed = graph.node(
        "SKPortraitMixTracks",
        "Mix Face Tracks",
        4,
        track=edited[0],
        other=preset[0],
        mode="add its expression",
        strength=0.3,
    )
    graph.node(
        "SKPortraitPreviewTrack",
        "Preview Face Track",
        4,
        tall=INNER_PICTURE,
        track=mixed[0],
        images=driver["images"],
    )
    build.prompts()
    pose = graph.node("SKPortraitDrawHeadPose", "Draw Head Pose", 5, track=mixed[0], portrait_track=track)
    encoder = build.encoder()
    drive = build.drive(encoder, {"head_pose": pose[0], "track": mixed[0]})
    apply = build.applied(build.reference(images, track, encoder), drive)
    made = build.clip(apply[0], drive)
    result = graph.node(
        "CreateVideo",
        "Create Video",
        build.at(9),
        images=made["pictures"][0],
        fps=driver["fps"],
        audio=driver["audio"],
    )
    build.promote_strengths(apply)
    for promoted, node, widget in (
        ("smooth_pose", edited, "smooth_pose"), ("blink", edited, "blink"), ("jaw", edited, "jaw"), ("edits", edited, "edits"),
        ("expression", preset, "preset"), ("amount", mixed, "strength"), ("seconds", driver, "seconds"), ("fps", driver, "fps"),
        ("size", crop, "size"), ("steps", made["sigmas"], "steps"), ("cfg", made["guider"], "cfg"), ("seed", made["noise"], "noise_seed"),
    ):  # fmt: skip
        graph.promote(promoted, node, widget)
    graph.out("video", result[0])
    side_by_side(graph, result[0], driver["images"], pose[0], build.at(10))
    return graph


def still(info: dict, recipe: Recipe = V5, name: str = COPY) -> Subgraph:
    """Return the blueprint that gives a portrait the
    expression of another picture, with ComfyUI's KSampler.
    """
    text = (
        f"One portrait takes the expression and the head pose of a picture (HelloMeme {recipe.version.name})."
    )
    graph = Subgraph(name, text, info)
    build, crop, _, apply, drive = acted(graph, recipe, "driver")
    sampler, pictures = build.still(apply[0], drive)
    build.promote_strengths(apply)
    for part in ("mouth", "eyes", "brows", "head"):
        graph.promote(part, build.mixed, part)
    _promote_still(graph, build, crop, sampler)
    graph.out("image", pictures[0])
    return graph


def pair(info: dict) -> Subgraph:
    """Return the blueprint that samples two portraits side by side in one picture.

    Each portrait is masked to its half; one driver gives both the expression.
    """
    graph = Subgraph(
        "Two Portraits",
        "Two portraits in one picture, each with the head pose and the expression of the driver.",
        info,
    )
    left, right, picture = (graph.given(name, "IMAGE") for name in ("left", "right", "driver"))
    build = Builder(graph, V5)
    halves = [build.cropped(half, what)["images"] for half, what in ((left, "left"), (right, "right"))]
    build.begin_later(3, "1 · Faces and prompt")
    canvas = graph.node("ImageStitch", "Image Stitch", 4, image1=halves[0], image2=halves[1])[0]
    driver = build.cropped(picture, "driver")
    build.prompts()
    found = {
        "left": build.tracked(canvas, "left face", 5, face="by number", face_number=1)[0],
        "right": build.tracked(canvas, "right face", 5, face="by number", face_number=2)[0],
    }
    # Folded nodes first: the front end reserves the height of the open node below the last one.
    read = {
        what: build.read(driver["images"], driver["track"], track, f": {what}")
        for what, track in found.items()
    }
    for wires in read.values():
        graph.fold([wires["face_motion"]])
    encoder = build.encoder()
    drives = {what: build.drive(encoder, read[what], f": {what}") for what in found}
    apply = graph.node(
        "SKPortraitApply",
        "Animate Portrait: both",
        build.at(7),
        model=build.ends["model"],
        reference=build.reference(canvas, found["left"], encoder),
    )
    white, black = (
        graph.node("SolidMask", f"Solid Mask: {what}", build.at(6), value=value, width=width, height=SIDE)[0]
        for what, value, width in (("one half", 1.0, SIDE), ("nothing", 0.0, 2 * SIDE))
    )
    for place, what in enumerate(found):
        mask = graph.node(
            "MaskComposite",
            f"Mask Composite: {what} half",
            build.at(7),
            destination=black,
            source=white,
            x=place * SIDE,
            operation="add",
        )[0]
        apply = graph.node(
            "SKPortraitApply",
            f"Animate Portrait: {what}",
            build.at(8),
            model=apply[0],
            drive=drives[what],
            mask=mask,
        )
        graph.promote(f"{what}_strength", apply, "drive_strength")
    build.shift += 1
    sampler, pictures = build.still(apply[0], drives["right"])
    for name, node, widget in (
        ("prompt", build.positive, "text"), ("steps", sampler, "steps"), ("cfg", sampler, "cfg"), ("seed", sampler, "seed"),
    ):  # fmt: skip
        graph.promote(name, node, widget)
    graph.out("image", pictures[0])
    return graph


def expression(info: dict) -> Subgraph:
    graph = Subgraph(
        recipes.SLIDERS,
        "One portrait with the expression of the sliders (HelloMeme v5); no video.",
        info,
    )
    portrait = graph.given("portrait", "IMAGE")
    build = Builder(graph, V5)
    crop = build.cropped(portrait, "portrait")
    images, track = crop["images"], crop["track"]
    build.begin_later(1, "1 · Face, prompt and expression")
    editor = graph.node("SKPortraitExpressionEditor", "Expression Editor", 4, portrait=images, track=track)
    build.prompts()
    read = build.read(editor["preview"], editor["track"], track)
    encoder = build.encoder()
    drive = build.drive(encoder, read)
    apply = build.applied(build.reference(images, track, encoder), drive)
    sampler, pictures = build.still(apply[0], drive)
    for slider in SLIDERS:
        graph.promote(slider, editor, slider)
    build.promote_strengths(apply)
    _promote_still(graph, build, crop, sampler)
    graph.out("image", pictures[0])
    graph.out("preview", editor["preview"])
    return graph


def _promote_still(graph: Subgraph, build: Builder, crop: list[Wire], sampler: list[Wire]) -> None:
    for name, node, widget in (
        ("prompt", build.positive, "text"), ("size", crop, "size"), ("steps", sampler, "steps"), ("cfg", sampler, "cfg"),
        ("seed", sampler, "seed"),
    ):  # fmt: skip
        graph.promote(name, node, widget)


SLIDERS = (
    "pitch",
    "yaw",
    "roll",
    "blink_left",
    "blink_right",
    "look_sideways",
    "look_up",
    "brows",
    "jaw",
    "smile",
    "pucker",
)
SHIPPED = (animation, still, expression)  # listed by the front end as blueprints
