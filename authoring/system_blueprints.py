"""The blueprints of the pack's other systems: sliders of W+, a person of X-Dyna, clips drawn again."""

from __future__ import annotations

from dataclasses import dataclass

from .builder import side_by_side
from .graph_writer import Subgraph, Wire
from .recipes import CLIP_VISION, HUB, LANDMARKER, V2, entry, file

WPLUS_PAGE, XDYNA_PAGE = "https://github.com/csxmli2016/w-plus-adapter", f"{HUB}/Boese0601/X-Dyna"
WPLUS = {
    "name": "wplus_adapter.bin",
    "url": f"{WPLUS_PAGE}/releases/download/v1/wplus_adapter.bin",
    "directory": "sk_portrait",
}
XDYNA = [
    {
        "name": "unet-checkpoint-epoch-5.ckpt",
        "url": f"{XDYNA_PAGE}/resolve/main/unet/unet-checkpoint-epoch-5.ckpt",
        "directory": "sk_portrait",
    },
    {
        "name": "ip-adapter-plus_sd15.safetensors",
        "url": f"{HUB}/h94/IP-Adapter/resolve/main/models/ip-adapter-plus_sd15.safetensors",
        "directory": "sk_portrait",
    },
]
CONTROLS = {
    "pose": ("controlnet", "controlnet-checkpoint-epoch-5.ckpt"),
    "face": ("controlnet_face", "controlnet-face-checkpoint-epoch-2.ckpt"),
}
SIZE, FRAMES, FPS = 512, 16, 8.0
SLIDERS = {
    "smile": (1.0, "0: -0.7, 8: 0.7, 15: -0.7"),
    "age": (0.0, ""),
}  # direction -> lambda, and its key frames
NEGATIVE = "monochrome, lowres, bad anatomy, worst quality, low quality"


def direction(name: str) -> dict:
    """Return the entry with which the front end finds a direction of InterFaceGAN."""
    url = f"{WPLUS_PAGE}/raw/main/w_direction/interfacegan_directions/{name}.pt"
    return {"name": f"{name}.pt", "url": url, "directory": "wplus_directions"}


def control(kind: str) -> dict:
    """Return the entry with which the front end offers one of X-Dyna's ControlNets."""
    folder, name = CONTROLS[kind]
    return {"name": name, "url": f"{XDYNA_PAGE}/resolve/main/{folder}/{name}", "directory": "controlnet"}


@dataclass
class Base:
    """The checkpoint and the prompts of a blueprint."""

    graph: Subgraph
    model: Wire
    clip: Wire
    vae: Wire

    @classmethod
    def of(cls, name: str, description: str, info: dict) -> Base:
        graph = Subgraph(name, description, info)
        return cls(
            graph,
            *(
                graph.given(given, kind)
                for given, kind in (("model", "MODEL"), ("clip", "CLIP"), ("vae", "VAE"))
            ),
        )

    def text(self, title: str, column: int, text: str) -> list[Wire]:
        return self.graph.node("CLIPTextEncode", title, column, tall=50, clip=self.clip, text=text)

    def encoded(self, pictures: Wire, title: str, column: int) -> Wire:
        return self.graph.node("VAEEncode", title, column, pixels=pictures, vae=self.vae)[0]

    def decoded(self, samples: Wire, title: str, column: int) -> Wire:
        return self.graph.node("VAEDecode", title, column, samples=samples, vae=self.vae)[0]

    def first_frames(self, video: Wire, what: str) -> tuple[list[Wire], list[Wire], list[Wire]]:
        """Return the components of a VIDEO, its first frames, and these frames at the sampled size."""
        parts = self.graph.node("GetVideoComponents", f"Get Video Components: {what}", 0, video=video)
        some = self.graph.node(
            "ImageFromBatch",
            f"Image From Batch: {what}",
            1,
            image=parts["images"],
            batch_index=0,
            length=FRAMES,
        )
        return parts, some, self.sized(some[0], what, 2)

    def sized(self, pictures: Wire, what: str, column: int, **size: Wire) -> list[Wire]:
        """Crop and scale pictures to the sampled size."""
        sides = {"width": SIZE, "height": SIZE} | size
        return self.graph.node(
            "ImageScale", f"Scale Image: {what}", column, image=pictures, upscale_method="lanczos", crop="center", **sides
        )  # fmt: skip

    def sides(self, pictures: Wire, title: str, column: int) -> dict[str, Wire]:
        """Return the width and height of pictures."""
        size = self.graph.node("GetImageSize", title, column, image=pictures)
        return {name: size[name] for name in ("width", "height")}

    def promote(self, *shown: tuple[str, list[Wire], str]) -> None:
        for name, node, widget in shown:
            self.graph.promote(name, node, widget)


def sliders(info: dict) -> Subgraph:
    """Return the blueprint of an AnimateDiff clip with two sliders; the first varies over the frames."""
    base = Base.of(
        "Expression Sliders",
        "A clip from a prompt. Sliders set smile and age, frame by frame (W+).",
        info,
    )
    graph = base.graph
    positive = base.text(
        "Prompt", 0, "photo of a woman, head and shoulders, looking at the viewer, soft light"
    )
    negative = base.text("Negative prompt", 0, NEGATIVE)
    empty = graph.node(
        "EmptyLatentImage", "Empty Latent Image", 0, width=SIZE, height=SIZE, batch_size=FRAMES
    )
    frames = V2.version.animatediff
    motion = graph.node(
        "SKPortraitLoadMotion", "Load HelloMeme Motion Module", 0, [entry(frames)], file=file(frames)
    )
    adapter = graph.node("SKPortraitLoadWPlus", "Load W+", 0, [WPLUS], file=WPLUS["name"])
    model = graph.node(
        "SKPortraitApplyMotion", "Apply HelloMeme Motion Module", 1, model=base.model, motion=motion[0]
    )[0]
    steered = {}
    for column, (name, (strength, curve)) in enumerate(SLIDERS.items(), 2):
        edit = graph.node(
            "SKPortraitWPlusDirection",
            f"W+ Direction: {name}",
            column - 1,
            [direction(name)],
            file=f"{name}.pt",
        )
        steered[name] = graph.node(
            "SKPortraitApplyWPlus", f"Apply W+: {name}", column, tall=60, model=model, wplus=adapter[0], w=edit[0], strength=strength,
            curve=curve,
        )  # fmt: skip
        model = steered[name][0]
    sampler = graph.node(
        "KSampler", "KSampler", 4, model=model, positive=positive[0], negative=negative[0], latent_image=empty[0], seed=1,
        steps=25, cfg=7.5, sampler_name="euler", scheduler="normal",
    )  # fmt: skip
    video = graph.node(
        "CreateVideo", "Create Video", 5, images=base.decoded(sampler[0], "VAE Decode", 5), fps=FPS
    )
    base.promote(
        ("prompt", positive, "text"), ("smile_curve", steered["smile"], "curve"), ("smile", steered["smile"], "strength"),
        ("age", steered["age"], "strength"), ("frames", empty, "batch_size"), ("steps", sampler, "steps"), ("cfg", sampler, "cfg"),
        ("seed", sampler, "seed"),
    )  # fmt: skip
    graph.out("video", video[0])
    return graph


def redrawn(
    base: Base, clip: dict[str, Wire], reference: Wire, shows: Wire, drawn_as: dict[str, Wire], **until: float
) -> tuple[list[Wire], list[Wire], list[Wire], Wire]:
    """Invert a clip and draw it again.

    Returns (the steps, Redraw Clip from Noise, the sampler, the pictures).

    clip: wires into Clip to Noise; shows: prompt of the clip as it is; drawn_as: positive and negative
    conditioning of the new clip; until: self_until and cross_until
    """
    graph = base.graph
    steps = graph.node(
        "BasicScheduler", "Basic Scheduler", 5, model=base.model, scheduler="normal", steps=25, denoise=1.0
    )
    path = graph.node(
        "SKPortraitInvertFrames", "Clip to Noise", 6, model=base.model, positive=shows, sigmas=steps[0], reference=reference, **clip
    )  # fmt: skip
    boosted = graph.node(
        "SKPortraitApplyInversion",
        "Redraw Clip from Noise",
        7,
        model=base.model,
        trajectory=path["trajectory"],
        **until,
    )
    euler = graph.node("KSamplerSelect", "KSampler Select: euler", 7, sampler_name="euler")
    sampler = graph.node(
        "SamplerCustom", "Sampler Custom", 8, model=boosted[0], add_noise=False, cfg=7.5, sampler=euler[0], sigmas=steps[0],
        latent_image=path["latent"], **drawn_as,
    )  # fmt: skip
    return steps, boosted, sampler, base.decoded(sampler[0], "VAE Decode", 9)


def restyle(info: dict) -> Subgraph:
    """Return the blueprint of FreeAnimate: a preview is inverted, then drawn in another style."""
    text = (
        "A person follows a pose video in any style, without training (FreeAnimate): first a preview, "
        "then the clip with the preview's layout and motion."
    )
    base = Base.of("Pose Restyle", text, info)
    graph = base.graph
    picture, pose, net = (
        graph.given(*given)
        for given in (("person", "IMAGE"), ("pose", "VIDEO"), ("control_net", "CONTROL_NET"))
    )
    graph.bands = (0, 6)
    parts, some, skeletons = base.first_frames(pose, "pose")
    scaled = base.sized(picture, "person", 4, **base.sides(skeletons[0], "Get Image Size", 3))
    reference = base.encoded(scaled[0], "VAE Encode: person", 5)
    shows = base.text("What the person looks like", 2, "photo of a person dancing, full body")
    styled = base.text(
        "What is drawn", 2, "oil painting of a person dancing, full body, visible brush strokes"
    )
    negative = base.text("Negative prompt", 2, NEGATIVE)
    controlled = [
        graph.node(
            "ControlNetApplyAdvanced",
            f"Apply ControlNet: {what}",
            3,
            positive=text[0],
            negative=negative[0],
            control_net=net,
            image=skeletons[0],
        )
        for what, text in (("preview", shows), ("drawn", styled))
    ]
    anchored = graph.node(
        "SKPortraitAnchorFrames", "Lock Frames to Reference", 6, model=base.model, reference=reference
    )
    blank = base.encoded(skeletons[0], "VAE Encode: frames", 3)
    preview = graph.node(
        "KSampler", "KSampler: preview", 7, model=anchored[0], positive=controlled[0]["positive"],
        negative=controlled[0]["negative"], latent_image=blank, seed=1, steps=15, cfg=7.5, sampler_name="euler", scheduler="normal",
    )  # fmt: skip
    ends = dict(zip(("positive", "negative"), controlled[1]))
    steps, boosted, sampler, pictures = redrawn(
        base, {"frames": preview[0]}, reference, shows[0], ends, self_until=0.6, cross_until=0.0
    )  # fmt: skip
    video = graph.node("CreateVideo", "Create Video", 10, images=pictures, fps=parts["fps"])
    base.promote(
        ("prompt", shows, "text"), ("drawn_as", styled, "text"), ("frames", some, "length"), ("width", skeletons, "width"),
        ("height", skeletons, "height"), ("layout_until", boosted, "self_until"), ("steps", steps, "steps"), ("cfg", sampler, "cfg"),
        ("seed", preview, "seed"),
    )  # fmt: skip
    graph.out("video", video[0])
    graph.out("preview", base.decoded(preview[0], "VAE Decode: preview", 8))
    side_by_side(graph, video[0], None, skeletons[0], 11)
    return graph


def cleanup(info: dict) -> Subgraph:
    """Return the blueprint that inverts a finished clip and draws it again, with the portrait as the
    reference of every frame.
    """
    text = (
        "Redraws a finished clip with its own layout and motion: flicker and torn details disappear, "
        "pose and expression stay."
    )
    base = Base.of("Clip Clean-up", text, info)
    graph = base.graph
    portrait, video = graph.given("portrait", "IMAGE"), graph.given("video", "VIDEO")
    graph.bands = (0, 6)
    parts, some, frames = base.first_frames(video, "clip")
    scaled = base.sized(portrait, "portrait", 4, **base.sides(frames[0], "Get Image Size", 3))
    reference = base.encoded(scaled[0], "VAE Encode: portrait", 5)
    prompt = base.text(
        "Prompt", 2, "photo of a person, head and shoulders, sharp focus, realistic skin texture"
    )
    ends = {"positive": prompt[0], "negative": base.text("Negative prompt", 2, NEGATIVE)[0]}
    steps, boosted, sampler, pictures = redrawn(
        base, {"images": frames[0], "vae": base.vae}, reference, prompt[0], ends, self_until=0.6, cross_until=0.8
    )  # fmt: skip
    made = graph.node(
        "CreateVideo", "Create Video", 10, images=pictures, fps=parts["fps"], audio=parts["audio"]
    )
    base.promote(
        ("prompt", prompt, "text"), ("first_frame", some, "batch_index"), ("frames", some, "length"), ("width", frames, "width"),
        ("height", frames, "height"), ("layout_until", boosted, "self_until"), ("words_until", boosted, "cross_until"),
        ("steps", steps, "steps"), ("cfg", sampler, "cfg"),
    )  # fmt: skip
    graph.out("video", made[0])
    side_by_side(graph, made[0], frames[0], None, 11)
    return graph


def whole_person(info: dict) -> Subgraph:
    """Return the blueprint of X-Dyna, from a picture of a person, a video of a face and a video of
    skeletons.
    """
    base = Base.of(
        "X-Dyna Animation", "One picture of a person follows a face video and a pose video (X-Dyna).", info
    )
    graph = base.graph
    picture, face, pose = (
        graph.given(*given) for given in (("person", "IMAGE"), ("face", "VIDEO"), ("pose", "VIDEO"))
    )
    graph.bands = (0, 5)
    person = base.sized(picture, "person", 1)
    sides = base.sides(person[0], "Get Image Size: person", 2)
    parts = graph.node("GetVideoComponents", "Get Video Components: face", 0, video=face)
    some = graph.node(
        "ImageFromBatch", "Image From Batch: face", 1, image=parts["images"], batch_index=0, length=2 * FRAMES
    )
    count = graph.node("GetImageSize", "Get Image Size: frames", 2, image=some[0])
    bones = graph.node("GetVideoComponents", "Get Video Components: pose", 0, video=pose)
    first = graph.node(
        "ImageFromBatch",
        "Image From Batch: pose",
        3,
        image=bones["images"],
        batch_index=0,
        length=count["batch_size"],
    )
    skeletons = base.sized(first[0], "pose", 4, **sides)
    landmarker = graph.node(
        "LoadMediaPipeFaceLandmarker", "Load Face Detection Model", 1, [LANDMARKER], model_name=LANDMARKER["name"]
    )  # fmt: skip
    found = graph.node(
        "MediaPipeFaceLandmarker", "Detect Face", 2, face_detection_model=landmarker[0], image=some[0], num_faces=0
    )  # fmt: skip
    track = graph.node(
        "SKPortraitTrackFromLandmarks", "Track Face from Landmarks", 3, face_landmarks=found[0], images=some[0], fps=parts["fps"]
    )  # fmt: skip
    crops = graph.node("SKPortraitSFaceCrop", "X-Dyna Face Crop", 4, images=some[0], track=track[0], **sides)
    controls = {
        kind: graph.node("SKPortraitLoadXDynaControl", title, 4, [control(kind)], file=control(kind)["name"])[
            0
        ]
        for kind, title in (("pose", "Pose ControlNet"), ("face", "S-Face ControlNet"))
    }
    positive, negative = (base.text(f"{what} (empty as published)", 0, "") for what in ("Prompt", "Negative"))
    hints = graph.node(
        "SKPortraitXDynaHints", "Apply X-Dyna ControlNet", 5, positive=positive[0], negative=negative[0], pose_control=controls["pose"],
        pose=skeletons[0], face_control=controls["face"], local=crops["eyes and mouth"], whole=crops["whole face"],
    )  # fmt: skip
    network = graph.node(
        "SKPortraitLoadXDyna",
        "Load X-Dyna",
        3,
        XDYNA,
        **dict(zip(("file", "image_tokens"), (one["name"] for one in XDYNA))),
    )
    vision = graph.node(
        "CLIPVisionLoader", "Load CLIP Vision", 3, [CLIP_VISION], clip_name=CLIP_VISION["name"]
    )
    tokens = graph.node(
        "SKPortraitXDynaTokens",
        "Encode X-Dyna Image",
        5,
        xdyna=network[0],
        clip_vision=vision[0],
        image=person[0],
    )
    reference = base.encoded(person[0], "VAE Encode: person", 3)
    alive = graph.node(
        "SKPortraitXDynaApply",
        "Apply X-Dyna",
        6,
        model=base.model,
        xdyna=network[0],
        reference=reference,
        tokens=tokens[0],
    )
    start = graph.node(
        "SKPortraitBlurredStart",
        "X-Dyna Start Latents",
        6,
        reference=reference,
        frames=count["batch_size"],
        seed=40,
    )
    steps = graph.node("SKPortraitXDynaSteps", "X-Dyna Scheduler", 6, steps=25)
    euler = graph.node("KSamplerSelect", "KSampler Select: euler", 6, sampler_name="euler")
    sampler = graph.node(
        "SamplerCustom", "Sampler Custom", 7, model=alive[0], positive=hints["positive"], negative=hints["negative"],
        sampler=euler[0], sigmas=steps[0], latent_image=start[0], add_noise=True, noise_seed=40, cfg=7.5,
    )  # fmt: skip
    video = graph.node(
        "CreateVideo",
        "Create Video",
        8,
        images=base.decoded(sampler[0], "VAE Decode", 8),
        fps=parts["fps"],
        audio=parts["audio"],
    )
    base.promote(
        ("frames", some, "length"), ("width", person, "width"), ("height", person, "height"), ("pose_strength", hints, "pose_strength"),
        ("face_strength", hints, "face_strength"), ("steps", steps, "steps"), ("cfg", sampler, "cfg"), ("seed", sampler, "noise_seed"),
    )  # fmt: skip
    graph.out("video", video[0])
    graph.out("seen", crops["eyes and mouth"])
    side_by_side(graph, video[0], some[0], skeletons[0], 9)
    return graph
