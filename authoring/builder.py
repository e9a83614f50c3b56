"""Builds the parts that every portrait graph has, as nodes and wires."""

from __future__ import annotations

from .graph_writer import Graph, Outputs, Subgraph, Wire
from .recipes import CLIP_VISION, FACE_MOTION, HUB, LANDMARKER, PROMPT, Recipe, entry, file

# Height of a picture and of a square video with its buttons, in a node of the top level.
PICTURE, VIDEO = 210, 250
INNER_PICTURE = 70  # height of a picture in a node within a blueprint
SIDE = 512  # pixels per side of each of two portraits in one picture
STAGES = (("1 · Faces and prompt", 0, 3), ("2 · Read face and performance", 4, 6), ("3 · Sample", 7, 12))
BANDS = (0, 7)  # the last stage is below the others


class Builder:
    """Builds the parts that every portrait graph has.

    Each method adds nodes, takes and returns wires, and keeps the nodes that are later grouped in frames.
    """

    def __init__(self, graph: Subgraph, recipe: Recipe):
        self.graph, self.recipe, self.crop = graph, recipe, recipe.version.name
        graph.stages, graph.bands = STAGES, BANDS
        self.shift = 0  # columns by which the nodes after the crops are moved to the right
        self.ends = {
            name: graph.given(name, kind)
            for name, kind in (("model", "MODEL"), ("clip", "CLIP"), ("vae", "VAE"))
        }
        self.landmarker = graph.node(
            "LoadMediaPipeFaceLandmarker",
            "Load Face Detection Model",
            0,
            [LANDMARKER],
            model_name=LANDMARKER["name"],
        )

    def at(self, column: int) -> int:
        """Return the column of a node of the second or third stage, moved by `shift`."""
        return column + self.shift

    def begin_later(self, columns: int, title: str) -> None:
        """Give the first stage `columns` more columns and
        this title, and move the other stages to the right.
        """
        self.shift = columns
        _, *others = STAGES
        moved = ((name, first + columns, last + columns) for name, first, last in others)
        self.graph.stages = ((title, 0, others[0][1] + columns - 1), *moved)
        self.graph.bands = (0, others[0][1] + columns)

    def promote_strengths(self, apply: Outputs) -> None:
        """Promote the strengths of reference and drive, the settings that an artist changes first."""
        for name in ("reference_strength", "drive_strength"):
            self.graph.promote(name, apply, name)

    def tracked(self, picture: Wire, what: str, column: int = 1, **values) -> list[Wire]:
        """Track the face in a picture with ComfyUI's own landmarker, and return the track."""
        found = self.graph.node(
            "MediaPipeFaceLandmarker",
            f"Detect Face: {what}",
            column,
            face_detection_model=self.landmarker[0],
            image=picture,
            num_faces=0,
        )
        return self.graph.node(
            "SKPortraitTrackFromLandmarks",
            f"Track Face: {what}",
            column + 1,
            face_landmarks=found[0],
            images=picture,
            **values,
        )

    def cropped(self, picture: Wire, what: str) -> Outputs:
        """Crop a picture to its face, and return images, track, crop and report."""
        track = self.tracked(picture, what)
        return self.graph.node(
            "SKPortraitCropPortrait",
            f"Crop Portrait: {what}",
            3,
            images=picture,
            track=track[0],
            generation=self.crop,
        )

    def video(self, video: Wire, title: str = "Track Face in Video", **wires: Wire) -> Outputs:
        """Track the face in a driving video, streamed, and return images,
        track, crop, measured, audio, fps and report.
        """
        return self.graph.node(
            "SKPortraitTrackVideo", title, 2, video=video, fps=15.0, seconds=2.0, on_miss="interpolate",
            generation=self.crop, face_detection_model=self.landmarker[0], **wires,
        )  # fmt: skip

    def read(
        self, images: Wire, track: Wire, portrait_track: Wire, what: str = "", mixed: Wire | None = None
    ) -> dict[str, Wire]:
        """Return the wires that the drive encoder takes from a clip: head pose and expression.

        mixed: track of the head pose and the expression, None =
        `track`; `track` always says where the face is
        """
        acted = track if mixed is None else mixed
        self.pose = pose = self.graph.node(
            "SKPortraitDrawHeadPose",
            f"Draw Head Pose{what}",
            self.at(4),
            track=acted,
            portrait_track=portrait_track,
        )
        self.patches = patches = self.graph.node(
            "SKPortraitFacePatches", f"Crop Eyes and Mouth{what}", self.at(4), images=images, track=track
        )
        if not self.recipe.face_motion:
            vision = self.graph.node(
                "CLIPVisionLoader",
                f"Load CLIP Vision{what}",
                self.at(5),
                [CLIP_VISION],
                clip_name=CLIP_VISION["name"],
            )
            return {
                "head_pose": pose[0],
                "track": acted,
                "patches": patches["patches"],
                "clip_vision": vision[0],
            }
        self.expression = motion = self.graph.node(
            "SKPortraitFaceMotion", f"Read Expression (PD-FGC){what}", self.at(5), [entry(FACE_MOTION)], INNER_PICTURE,
            file=file(FACE_MOTION), motion_crop=patches["motion_crop"],
        )  # fmt: skip
        return {"head_pose": pose[0], "track": acted, "face_motion": motion[0]}

    def read_by_part(self, driver: Outputs, portrait_track: Wire) -> dict[str, Wire]:
        """Return what `read` returns, for some parts of the driver only: mouth, eyes, brows, head pose."""
        self.mixed = self.graph.node(
            "SKPortraitMixTracks", "Mix Face Tracks: parts", 4, track=portrait_track, other=driver["track"], head=1.0,
        )  # fmt: skip
        bent = self.graph.node(
            "SKPortraitBendPictures", "Bend Pictures to Track: parts", 4, images=driver["images"], track=driver["track"],
            expression=self.mixed[0],
        )  # fmt: skip
        return self.read(bent["images"], bent["track"], portrait_track, mixed=self.mixed[0])

    def prompts(self) -> None:
        """Add the prompt and the negative prompt."""
        clip = self.ends["clip"]
        self.positive = self.graph.node("CLIPTextEncode", "Prompt", 0, tall=60, clip=clip, text=PROMPT)
        self.negative = self.graph.node("CLIPTextEncode", "Negative prompt", 0, tall=30, clip=clip, text="")

    def encoder(self) -> Wire:
        """Add the drive encoder, and return its wire."""
        both = self.recipe.encoder, self.recipe.version.projection
        names, chosen = filter(None, both), dict(zip(("file", "projection"), map(file, both)))
        return self.graph.node(
            "SKPortraitLoadDriveEncoder",
            "Load HelloMeme Control Model",
            self.at(5),
            [entry(name) for name in names],
            **chosen,
        )[0]

    def drive(self, encoder: Wire, read: dict[str, Wire], what: str = "") -> Wire:
        return self.graph.node(
            "SKPortraitEncodeDrive", f"Encode Performance{what}", self.at(6), drive_encoder=encoder, **read
        )[0]

    def reference(self, picture: Wire, track: Wire, encoder: Wire) -> Wire:
        """Encode the portrait as a reference, and return its wire;
        v5c also takes the drive of the portrait itself.
        """
        name, drive = self.recipe.version.reference, {}
        if self.recipe.version.driven_reference:
            what = ": portrait"
            drive["drive"] = self.drive(encoder, self.read(picture, track, track, what), what)
        adapter = self.graph.node(
            "SKPortraitLoadAdapter",
            "Load HelloMeme Reference Model",
            self.at(4),
            [entry(name)],
            file=file(name),
        )
        latent = self.graph.node(
            "VAEEncode", "VAE Encode: portrait", self.at(5), pixels=picture, vae=self.ends["vae"]
        )
        return self.graph.node(
            "SKPortraitEncodeReference", "Encode Portrait Identity", self.at(6), model=self.ends["model"], adapter=adapter[0],
            positive=self.positive[0], negative=self.negative[0], latent=latent[0], **drive,
        )[0]  # fmt: skip

    def applied(self, reference: Wire, drive: Wire) -> list[Wire]:
        return self.graph.node(
            "SKPortraitApply",
            "Animate Portrait",
            self.at(7),
            model=self.ends["model"],
            reference=reference,
            drive=drive,
        )

    def still(self, model: Wire, drive: Wire) -> tuple[list[Wire], list[Wire]]:
        """Sample pictures with ComfyUI's KSampler. Returns (the sampler, the pictures)."""
        latents = self.graph.node("SKPortraitSharedNoise", "Portrait Latents", self.at(7), drive=drive)
        name, scheduler = self.recipe.sampler(video=False)
        sampler = self.graph.node(
            "KSampler", "KSampler", self.at(8), model=model, positive=self.positive[0], negative=self.negative[0], seed=1, steps=25,
            cfg=self.recipe.cfg, sampler_name=name, scheduler=scheduler, latent_image=latents[0],
        )  # fmt: skip
        return sampler, self.graph.node(
            "VAEDecode", "VAE Decode", self.at(8), samples=sampler[0], vae=self.ends["vae"]
        )

    def motions(self) -> list[list[Wire]]:
        """Load the motion files of the version, and return their wires."""
        return [
            self.graph.node(
                "SKPortraitLoadMotion",
                "Load HelloMeme Motion Module",
                self.at(8),
                [entry(name)],
                file=file(name),
            )
            for name in self.recipe.motions
        ]

    def clip(self, model: Wire, drive: Wire) -> dict[str, list[Wire]]:
        """Sample a whole video with the Portrait Video Sampler.

        Returns the nodes by name; the last is `pictures`.
        """
        graph, (sampler, scheduler) = self.graph, self.recipe.sampler(video=True)
        latents = graph.node("SKPortraitSharedNoise", "Portrait Latents", self.at(7), drive=drive)
        made = {
            "noise": graph.node("RandomNoise", "Random Noise", self.at(8), noise_seed=1),
            "guider": graph.node(
                "CFGGuider",
                "CFG Guider",
                self.at(8),
                model=model,
                positive=self.positive[0],
                negative=self.negative[0],
                cfg=self.recipe.cfg,
            ),
            "sampler": graph.node("KSamplerSelect", "KSampler Select", self.at(8), sampler_name=sampler),
            "sigmas": graph.node(
                "BasicScheduler",
                "Basic Scheduler",
                self.at(8),
                model=model,
                scheduler=scheduler,
                steps=25,
                denoise=1.0,
            ),
        }
        motions = dict(zip(("motion", "motion_2"), self.motions()))
        wires = {name: wires[0] for name, wires in (made | motions).items()}
        video = graph.node(
            "SKPortraitTwoStageSampler",
            "Portrait Video Sampler",
            self.at(9),
            latent_image=latents[0],
            **wires,
        )
        pictures = graph.node("VAEDecode", "VAE Decode", self.at(9), samples=video[0], vae=self.ends["vae"])
        return made | motions | {"latents": latents, "pictures": pictures}

    def plain(self, model: Wire, latents: Wire, motion: Wire, driver: list[Wire]) -> None:
        """Add, muted, the paper's two stages with ComfyUI's own KSampler,
        the second with Apply HelloMeme Motion Module.

        Artists can take this part of the graph apart.
        """
        graph, (sampler, scheduler) = self.graph, self.recipe.sampler(video=True)
        common = {"positive": self.positive[0], "negative": self.negative[0], "cfg": self.recipe.cfg}
        common |= {"sampler_name": sampler, "scheduler": scheduler}
        first = graph.node(
            "KSampler",
            "KSampler: stage 1, frames alone",
            11,
            model=model,
            latent_image=latents,
            seed=1,
            steps=10,
            **common,
        )
        moving = graph.node(
            "SKPortraitApplyMotion", "Apply HelloMeme Motion Module", 11, model=model, motion=motion
        )
        second = graph.node(
            "KSampler",
            "KSampler: stage 2, all frames",
            11,
            model=moving[0],
            latent_image=first[0],
            seed=2,
            steps=25,
            **common,
        )
        pictures = graph.node("VAEDecode", "VAE Decode", 12, samples=second[0], vae=self.ends["vae"])
        video = graph.node(
            "CreateVideo", "Create Video", 12, images=pictures[0], fps=driver["fps"], audio=driver["audio"]
        )
        parts = first, moving, second, pictures, video
        for made in parts:
            graph.mute(made)
        graph.group(
            "The same from plain nodes: select all, Ctrl+M, and wire its video into the output", *parts
        )


def side_by_side(
    graph: Subgraph, result: Wire, driver: Wire | None, pose: Wire | None, column: int = 12
) -> None:
    """Add a second output to a blueprint: its video beside the driver.

    It is computed only if it is connected.
    """
    shown = graph.node(
        "SKPortraitSideBySide", "Side by Side Video", column, result=result, driver=driver, pose=pose
    )
    graph.out("side_by_side", shown[0])


def comparison(graph: Graph, made: Outputs, column: int) -> list[Wire]:
    """Add the node that saves the second output of a blueprint, muted."""
    saved = graph.node(
        "SaveVideo", "Side by side (unmute: Ctrl+M)", column, video=made["side_by_side"],
        filename_prefix=f"sk_portrait/{graph.name}_side_by_side",
    )  # fmt: skip
    graph.mute(saved)
    return saved


def checkpoint(graph: Graph, column: int) -> list[Wire]:
    """Add the SD1.5 checkpoint of every template, and return its MODEL, CLIP and VAE."""
    name = "v1-5-pruned-emaonly-fp16.safetensors"
    url = f"{HUB}/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/{name}"
    model = {"name": name, "url": url, "directory": "checkpoints"}
    return graph.node("CheckpointLoaderSimple", "SD1.5 checkpoint", column, [model], ckpt_name=name)


def acted(
    graph: Subgraph, recipe: Recipe, picture: str = ""
) -> tuple[Builder, list[Wire], list[Wire], list[Wire], Wire]:
    """Build the part of the graph from a portrait and a VIDEO to the patched MODEL.

    picture: name of a picture input that replaces the VIDEO, or "" for the VIDEO; only some parts of the
    picture's expression may then be taken. Returns (builder, nodes that crop the portrait, nodes that read
    the driver, nodes that apply, wire of the drive).
    """
    portrait = graph.given("portrait", "IMAGE")
    given = graph.given(picture or "video", "IMAGE" if picture else "VIDEO")
    build = Builder(graph, recipe)
    if picture:
        build.begin_later(1, "1 · Faces, prompt and parts")
    crop = build.cropped(portrait, "portrait")
    images, track = crop["images"], crop["track"]
    driver = build.cropped(given, picture) if picture else build.video(given)
    build.prompts()
    encoder = build.encoder()
    read = (
        build.read_by_part(driver, track) if picture else build.read(driver["images"], driver["track"], track)
    )
    drive = build.drive(encoder, read)
    apply = build.applied(build.reference(images, track, encoder), drive)
    return build, crop, driver, apply, drive
