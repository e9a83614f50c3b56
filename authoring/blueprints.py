"""The blueprints that the pack ships: each is one node on the outside and the full graph within."""

from __future__ import annotations

from dataclasses import dataclass

from ..sk_attention.versions import GENERATIONS, Generation
from .graph_writer import Graph, Outputs, Subgraph, Wire

HUB = "https://huggingface.co"
PROMPT = (
    "(best quality), highly detailed, ultra-detailed, headshot, person, well-placed five sense organs, looking at the viewer, "
    "centered composition, sharp focus, realistic skin texture"
)
LANDMARKER = {
    "name": "mediapipe_face_fp32.safetensors",
    "url": f"{HUB}/Comfy-Org/mediapipe/resolve/main/detection/mediapipe_face_fp32.safetensors",
    "directory": "detection",
}  # as in ComfyUI's own blueprints
FACE_MOTION = "pd_fgc_motion"
CLIP_VISION = {
    "name": "clip_vision_vit_h.safetensors",
    "url": f"{HUB}/lllyasviel/misc/resolve/main/clip_vision_vit_h.safetensors",
    "directory": "clip_vision",
}


@dataclass(frozen=True)
class Recipe:
    """What a graph is made with. face_motion: the expression is read by Face Motion, else from coefficients and patches (CLIP)."""

    generation: Generation
    cfg: float = 1.5
    face_motion: bool = True

    @property
    def encoder(self) -> str:
        return self.generation.motion_drive if self.face_motion else self.generation.coefficients_drive

    @property
    def motions(self) -> list[str]:
        return [name for name in (self.generation.motion, self.generation.animatediff) if name]

    def sampler(self, video: bool) -> tuple[str, str]:
        """ComfyUI's names of the authors' sampler and scheduler; up to v4 a video is sampled with another one than a picture."""
        row = self.generation
        return ("euler", "normal") if video and row.animatediff else (row.sampler, row.scheduler)


V5, V2 = Recipe(GENERATIONS["v5"]), Recipe(GENERATIONS["v2"], cfg=2.0)


def file(repository: str) -> str:
    """How a loader lists the file of a repository."""
    return f"{repository}.safetensors" if repository else "none"


def entry(repository: str) -> dict:
    """What the front end needs in order to offer the download."""
    url = f"{HUB}/songkey/{repository}/resolve/main/diffusion_pytorch_model.safetensors"
    return {"name": file(repository), "url": url, "directory": "sk_portrait"}


STAGES = (("1 · Find and crop the faces", 0, 3), ("2 · Read what they do", 4, 6), ("3 · Draw it", 7, 11))


class Builder:
    """The parts that every portrait graph has. Each takes and gives wires, and remembers its nodes for the groups' frames."""

    def __init__(self, graph: Subgraph, recipe: Recipe):
        self.graph, self.recipe, self.crop = graph, recipe, recipe.generation.name
        graph.stages = STAGES
        self.ends = {name: graph.given(name, kind) for name, kind in (("model", "MODEL"), ("clip", "CLIP"), ("vae", "VAE"))}
        self.landmarker = graph.node("LoadMediaPipeFaceLandmarker", "Face landmarker", 0, [LANDMARKER], model_name=LANDMARKER["name"])

    def tracked(self, picture: Wire, what: str, **values) -> list[Wire]:
        """A picture's face by ComfyUI's own landmarker -> its track."""
        found = self.graph.node(
            "MediaPipeFaceLandmarker", f"Find {what}", 1, face_detection_model=self.landmarker[0], image=picture, num_faces=0
        )
        return self.graph.node("SKPortraitTrackFromLandmarks", f"Track {what}", 2, face_landmarks=found[0], images=picture, **values)

    def cropped(self, picture: Wire, what: str) -> Outputs:
        """A picture cropped to its face -> images, track, crop, report."""
        track = self.tracked(picture, what)
        return self.graph.node("SKPortraitCropPortrait", f"Crop {what}", 3, images=picture, track=track[0], generation=self.crop)

    def video(self, video: Wire, title: str = "Track driver", **wires: Wire) -> Outputs:
        """A driving video, streamed -> images, track, crop, measured, audio, fps, report."""
        return self.graph.node(
            "SKPortraitTrackVideo", title, 2, video=video, fps=15.0, seconds=2.0, on_miss="interpolate",
            generation=self.crop, face_detection_model=self.landmarker[0], **wires,
        )  # fmt: skip

    def read(self, images: Wire, track: Wire, portrait_track: Wire, what: str = "") -> dict[str, Wire]:
        """What the drive encoder reads of a clip: head pose and expression."""
        pose = self.graph.node("SKPortraitDrawHeadPose", f"Head pose{what}", 4, track=track, portrait_track=portrait_track)
        self.patches = patches = self.graph.node("SKPortraitFacePatches", f"Eyes, mouth, face{what}", 4, images=images, track=track)
        if not self.recipe.face_motion:
            vision = self.graph.node("CLIPVisionLoader", f"CLIP ViT-H{what}", 5, [CLIP_VISION], clip_name=CLIP_VISION["name"])
            return {"head_pose": pose[0], "track": track, "patches": patches["patches"], "clip_vision": vision[0]}
        motion = self.graph.node(
            "SKPortraitFaceMotion", f"Face motion{what}", 5, [entry(FACE_MOTION)], PICTURE, file=file(FACE_MOTION),
            motion_crop=patches["motion_crop"],
        )  # fmt: skip
        return {"head_pose": pose[0], "track": track, "face_motion": motion[0]}

    def prompts(self) -> None:
        """Prompt and negative prompt."""
        clip = self.ends["clip"]
        self.positive = self.graph.node("CLIPTextEncode", "Prompt", 3, tall=120, clip=clip, text=PROMPT)
        self.negative = self.graph.node("CLIPTextEncode", "Negative prompt", 3, tall=80, clip=clip, text="")

    def encoder(self) -> Wire:
        """The drive encoder."""
        both = self.recipe.encoder, self.recipe.generation.projection
        names, chosen = filter(None, both), dict(zip(("file", "projection"), map(file, both)))
        return self.graph.node("SKPortraitLoadDriveEncoder", "HelloMeme drive encoder", 5, [entry(name) for name in names], **chosen)[0]

    def drive(self, encoder: Wire, read: dict[str, Wire], what: str = "") -> Wire:
        return self.graph.node("SKPortraitEncodeDrive", f"Encode drive{what}", 6, drive_encoder=encoder, **read)[0]

    def reference(self, picture: Wire, track: Wire, encoder: Wire) -> Wire:
        """The portrait, seen once; with its own drive where the version wants it (v5c)."""
        name, drive = self.recipe.generation.reference, {}
        if self.recipe.generation.driven_reference:
            what = " of the portrait"
            drive["drive"] = self.drive(encoder, self.read(picture, track, track, what), what)
        adapter = self.graph.node("SKPortraitLoadAdapter", "HelloMeme adapter", 4, [entry(name)], file=file(name))
        latent = self.graph.node("VAEEncode", "Encode portrait", 4, pixels=picture, vae=self.ends["vae"])
        return self.graph.node(
            "SKPortraitEncodeReference", "Encode reference", 6, model=self.ends["model"], adapter=adapter[0],
            positive=self.positive[0], negative=self.negative[0], latent=latent[0], **drive,
        )[0]  # fmt: skip

    def applied(self, reference: Wire, drive: Wire) -> list[Wire]:
        return self.graph.node("SKPortraitApply", "Apply portrait", 7, model=self.ends["model"], reference=reference, drive=drive)

    def still(self, model: Wire, drive: Wire) -> tuple[list[Wire], list[Wire]]:
        """Pictures by ComfyUI's KSampler -> the sampler, the pictures."""
        latents = self.graph.node("SKPortraitSharedNoise", "Empty latents", 7, drive=drive)
        name, scheduler = self.recipe.sampler(video=False)
        sampler = self.graph.node(
            "KSampler", "Sample", 8, model=model, positive=self.positive[0], negative=self.negative[0], seed=1, steps=25,
            cfg=self.recipe.cfg, sampler_name=name, scheduler=scheduler, latent_image=latents[0],
        )  # fmt: skip
        return sampler, self.graph.node("VAEDecode", "Decode", 9, samples=sampler[0], vae=self.ends["vae"])

    def motions(self) -> list[list[Wire]]:
        """The motion files of the version."""
        return [
            self.graph.node("SKPortraitLoadMotion", "HelloMeme motion", 7, [entry(name)], file=file(name)) for name in self.recipe.motions
        ]

    def clip(self, model: Wire, drive: Wire) -> dict[str, list[Wire]]:
        """A whole video by the Two-Stage Sampler -> its parts by name, `pictures` at last."""
        graph, (sampler, scheduler) = self.graph, self.recipe.sampler(video=True)
        motions = dict(zip(("motion", "motion_2"), self.motions()))
        latents = graph.node("SKPortraitSharedNoise", "Empty latents", 7, drive=drive)
        made = {
            "noise": graph.node("RandomNoise", "Noise", 8, noise_seed=1),
            "guider": graph.node(
                "CFGGuider", "Guidance", 8, model=model, positive=self.positive[0], negative=self.negative[0], cfg=self.recipe.cfg
            ),
            "sampler": graph.node("KSamplerSelect", "Sampler", 8, sampler_name=sampler),
            "sigmas": graph.node("BasicScheduler", "Steps", 8, model=model, scheduler=scheduler, steps=25, denoise=1.0),
        }
        wires = {name: wires[0] for name, wires in (made | motions).items()}
        video = graph.node("SKPortraitTwoStageSampler", "Sample the clip", 9, latent_image=latents[0], **wires)
        pictures = graph.node("VAEDecode", "Decode", 10, samples=video[0], vae=self.ends["vae"])
        return made | motions | {"latents": latents, "pictures": pictures}

    def plain(self, model: Wire, latents: Wire, motion: Wire, driver: list[Wire]) -> None:
        """The paper's two stages by ComfyUI's own KSampler, the second time over Apply Portrait Motion: muted, to take apart."""
        graph, (sampler, scheduler) = self.graph, self.recipe.sampler(video=True)
        common = {"positive": self.positive[0], "negative": self.negative[0], "cfg": self.recipe.cfg}
        common |= {"sampler_name": sampler, "scheduler": scheduler}
        first = graph.node("KSampler", "Stage 1: every frame alone", 12, model=model, latent_image=latents, seed=1, steps=10, **common)
        moving = graph.node("SKPortraitApplyMotion", "Apply motion", 12, model=model, motion=motion)
        second = graph.node("KSampler", "Stage 2: all of them", 13, model=moving[0], latent_image=first[0], seed=2, steps=25, **common)
        pictures = graph.node("VAEDecode", "Decode", 14, samples=second[0], vae=self.ends["vae"])
        video = graph.node("CreateVideo", "Video", 15, images=pictures[0], fps=driver["fps"], audio=driver["audio"])
        parts = first, moving, second, pictures, video
        for made in parts:
            graph.mute(made)
        graph.group("The same from plain nodes: select all, Ctrl+M, and wire its video into the output", *parts)


PICTURE, SMALL_PICTURE = 260, 220  # heights of a picture in a node: of any, and the least that the front end gives a still one
VIDEO = 330  # of a square video with its buttons
SIDE = 512  # of each of two portraits in one picture


def animation(info: dict, recipe: Recipe = V5, name: str = "Portrait Animation", plain: bool = False) -> Subgraph:
    """A portrait and a VIDEO -> a VIDEO, by the Two-Stage Sampler. plain: beside it, muted, the same from ComfyUI's own nodes."""
    how = "the paper's two stages" if recipe.generation.name in ("v1", "v2") else "key frames first, then everything between them"
    graph = Subgraph(name, f"One portrait acts like the face in a video (HelloMeme {recipe.generation.name}: {how}).", info)
    build, crop, driver, apply, drive = acted(graph, recipe)
    made = build.clip(apply[0], drive)
    result = graph.node("CreateVideo", "Video", 11, images=made["pictures"][0], fps=driver["fps"], audio=driver["audio"])
    if plain:
        build.plain(apply[0], made["latents"][0], made["motion"][0], driver)
    for promoted, node, widget in (
        ("prompt", build.positive, "text"), ("start", driver, "start"), ("seconds", driver, "seconds"), ("fps", driver, "fps"),
        ("size", crop, "size"), ("steps", made["sigmas"], "steps"), ("cfg", made["guider"], "cfg"), ("seed", made["noise"], "noise_seed"),
    ):  # fmt: skip
        graph.promote(promoted, node, widget)
    graph.out("video", result[0])
    return graph


def two_stages(info: dict) -> Subgraph:
    return animation(info, V2, "Portrait in Two Stages", plain=True)


def film(info: dict) -> Subgraph:
    """A stretch of a film with another face: tracked, cropped, sampled, pasted back."""
    graph = Subgraph("Portrait in a Film", "Gives the person in a stretch of a film another face, and pastes it back with the sound.", info)
    portrait, video = graph.given("portrait", "IMAGE"), graph.given("film", "VIDEO")
    build = Builder(graph, V5)
    crop = build.cropped(portrait, "portrait")
    images, track = crop["images"], crop["track"]
    driver = build.video(video, "Track the face in the film")
    build.prompts()
    read = build.read(driver["images"], driver["track"], driver["track"])
    graph.node("SKPortraitPreviewPatches", "Look at eyes and mouth", 5, tall=PICTURE, patches=build.patches["patches"])
    encoder = build.encoder()
    drive = build.drive(encoder, read)
    apply = build.applied(build.reference(images, track, encoder), drive)
    made = build.clip(apply[0], drive)
    pasted = graph.node(
        "SKPortraitPasteBackVideo", "Paste back", 11, video=video, portraits=made["pictures"][0], crop=driver["crop"], colour_match=0.5
    )
    for promoted, node, widget in (
        ("prompt", build.positive, "text"), ("start", driver, "start"), ("seconds", driver, "seconds"), ("fps", driver, "fps"),
        ("feather", pasted, "feather"), ("steps", made["sigmas"], "steps"), ("cfg", made["guider"], "cfg"),
        ("seed", made["noise"], "noise_seed"),
    ):  # fmt: skip
        graph.promote(promoted, node, widget)
    graph.out("video", pasted[0])
    return graph


def directed(info: dict) -> Subgraph:
    """A video's performance, corrected by hand: its coefficients are edited and mixed, so they drive instead of Face Motion."""
    graph = Subgraph("Portrait Directed", "A portrait acts like a video whose expression was corrected: smoothed, scaled, mixed.", info)
    portrait, video = graph.given("portrait", "IMAGE"), graph.given("video", "VIDEO")
    build = Builder(graph, Recipe(V5.generation, V5.cfg, face_motion=False))
    crop = build.cropped(portrait, "portrait")
    images, track = crop["images"], crop["track"]
    recording = graph.node("SKPortraitImportLiveLinkFace", "A phone's recording (unmute: Ctrl+M)", 1, file="take.csv")
    graph.mute(recording)
    driver = build.video(video, coefficients=recording[0])
    edited = graph.node("SKPortraitEditTrack", "Edit the track", 3, track=driver["track"], smooth_pose=1.0, smooth_expression=0.5)
    preset = graph.node("SKPortraitPresetExpression", "An expression to add", 3, preset="smile")
    mixed = graph.node("SKPortraitMixTracks", "Add it", 4, track=edited[0], other=preset[0], mode="add its expression", strength=0.3)
    graph.node("SKPortraitPreviewTrack", "Look at it", 5, tall=PICTURE, track=mixed[0], images=driver["images"])
    build.prompts()
    pose = graph.node("SKPortraitDrawHeadPose", "Head pose", 5, track=mixed[0], portrait_track=track)
    encoder = build.encoder()
    drive = build.drive(encoder, {"head_pose": pose[0], "track": mixed[0]})
    apply = build.applied(build.reference(images, track, encoder), drive)
    made = build.clip(apply[0], drive)
    result = graph.node("CreateVideo", "Video", 11, images=made["pictures"][0], fps=driver["fps"], audio=driver["audio"])
    for promoted, node, widget in (
        ("smooth_pose", edited, "smooth_pose"), ("blink", edited, "blink"), ("jaw", edited, "jaw"), ("edits", edited, "edits"),
        ("expression", preset, "preset"), ("amount", mixed, "strength"), ("seconds", driver, "seconds"), ("fps", driver, "fps"),
        ("size", crop, "size"), ("steps", made["sigmas"], "steps"), ("cfg", made["guider"], "cfg"), ("seed", made["noise"], "noise_seed"),
    ):  # fmt: skip
        graph.promote(promoted, node, widget)
    graph.out("video", result[0])
    return graph


def still(info: dict, recipe: Recipe = V5, name: str = "Portrait Still") -> Subgraph:
    """A portrait and a picture -> a picture, by ComfyUI's KSampler."""
    text = f"One portrait takes the expression and the head pose of a picture (HelloMeme {recipe.generation.name})."
    graph = Subgraph(name, text, info)
    build, crop, _, apply, drive = acted(graph, recipe, "driver")
    sampler, pictures = build.still(apply[0], drive)
    _promote_still(graph, build, crop, sampler)
    graph.promote("reference_strength", apply, "reference_strength")
    graph.promote("drive_strength", apply, "drive_strength")
    graph.out("image", pictures[0])
    return graph


def pair(info: dict) -> Subgraph:
    """Two portraits side by side in one picture, each masked to its half, both with the expression of one driver."""
    graph = Subgraph("Two Portraits", "Two portraits in one picture, each with the head pose and the expression of the driver.", info)
    left, right, picture = (graph.given(name, "IMAGE") for name in ("left", "right", "driver"))
    build = Builder(graph, V5)
    halves = [build.cropped(half, what)["images"] for half, what in ((left, "left portrait"), (right, "right portrait"))]
    canvas = graph.node("ImageStitch", "Side by side", 3, image1=halves[0], image2=halves[1])[0]
    driver = build.cropped(picture, "driver")
    build.prompts()
    encoder = build.encoder()
    found = {
        "left": build.tracked(canvas, "left face", face="by number", face_number=1)[0],
        "right": build.tracked(canvas, "right face", face="by number", face_number=2)[0],
    }
    apply = graph.node(
        "SKPortraitApply", "Both faces", 7, model=build.ends["model"], reference=build.reference(canvas, found["left"], encoder)
    )
    white = graph.node("SolidMask", "One half", 6, value=1.0, width=SIDE, height=SIDE)[0]
    black = graph.node("SolidMask", "Nothing", 6, value=0.0, width=2 * SIDE, height=SIDE)[0]
    for place, (what, track) in enumerate(found.items()):
        read = build.read(driver["images"], driver["track"], track, f", {what}")
        drive = build.drive(encoder, read, f", {what}")
        mask = graph.node("MaskComposite", f"The {what} half", 7, destination=black, source=white, x=place * SIDE, operation="add")[0]
        apply = graph.node("SKPortraitApply", f"Act, {what}", 8, model=apply[0], drive=drive, mask=mask)
        graph.promote(f"{what}_strength", apply, "drive_strength")
    sampler, pictures = build.still(apply[0], drive)
    for name, node, widget in (
        ("prompt", build.positive, "text"), ("steps", sampler, "steps"), ("cfg", sampler, "cfg"), ("seed", sampler, "seed"),
    ):  # fmt: skip
        graph.promote(name, node, widget)
    graph.out("image", pictures[0])
    return graph


def expression(info: dict) -> Subgraph:
    graph = Subgraph("Portrait Expression", "One portrait with the expression of the sliders (HelloMeme v5); no video.", info)
    portrait = graph.given("portrait", "IMAGE")
    build = Builder(graph, V5)
    crop = build.cropped(portrait, "portrait")
    images, track = crop["images"], crop["track"]
    editor = graph.node("SKPortraitExpressionEditor", "Expression", 4, tall=PICTURE, portrait=images, track=track)
    build.prompts()
    read = build.read(editor["preview"], editor["track"], track)
    encoder = build.encoder()
    drive = build.drive(encoder, read)
    apply = build.applied(build.reference(images, track, encoder), drive)
    sampler, pictures = build.still(apply[0], drive)
    for slider in SLIDERS:
        graph.promote(slider, editor, slider)
    _promote_still(graph, build, crop, sampler)
    graph.out("image", pictures[0])
    graph.out("preview", editor[1])
    return graph


def _promote_still(graph: Subgraph, build: Builder, crop: list[Wire], sampler: list[Wire]) -> None:
    for name, node, widget in (
        ("prompt", build.positive, "text"), ("size", crop, "size"), ("steps", sampler, "steps"), ("cfg", sampler, "cfg"),
        ("seed", sampler, "seed"),
    ):  # fmt: skip
        graph.promote(name, node, widget)


SLIDERS = ("pitch", "yaw", "roll", "blink_left", "blink_right", "look_sideways", "look_up", "brows", "jaw", "smile", "pucker")
SHIPPED = (animation, still, expression)  # in the front end's list of blueprints


def checkpoint(graph: Graph, column: int) -> list[Wire]:
    """The SD1.5 checkpoint of every template -> MODEL, CLIP, VAE."""
    name = "v1-5-pruned-emaonly-fp16.safetensors"
    url = f"{HUB}/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/{name}"
    model = {"name": name, "url": url, "directory": "checkpoints"}
    return graph.node("CheckpointLoaderSimple", "SD1.5 checkpoint", column, [model], ckpt_name=name)


def acted(graph: Subgraph, recipe: Recipe, picture: str = "") -> tuple[Builder, list[Wire], list[Wire], list[Wire], Wire]:
    """The way from a portrait and a VIDEO (or a picture of that name) to the patched MODEL.

    Returns the builder, the nodes that crop the portrait, read the driver and apply, and the drive.
    """
    portrait = graph.given("portrait", "IMAGE")
    given = graph.given(picture or "video", "IMAGE" if picture else "VIDEO")
    build = Builder(graph, recipe)
    crop = build.cropped(portrait, "portrait")
    images, track = crop["images"], crop["track"]
    driver = build.cropped(given, picture) if picture else build.video(given)
    build.prompts()
    encoder = build.encoder()
    drive = build.drive(encoder, build.read(driver["images"], driver["track"], track))
    apply = build.applied(build.reference(images, track, encoder), drive)
    return build, crop, driver, apply, drive
