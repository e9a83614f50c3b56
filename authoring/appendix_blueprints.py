"""The blueprints of the paper's appendix A: a picture from edges, of a person, and by the SK text attention."""

from __future__ import annotations

from .graph_writer import Outputs, Subgraph, Wire
from .recipes import LANDMARKER, SOURCES
from .system_blueprints import NEGATIVE, SIZE, Base

CONTROL, FACE_ID, TEXT = (
    {"name": f"{name}.safetensors", "url": f"{SOURCES}/docs/models.md#appendix-a-of-the-paper", "directory": "sk_portrait"}
    for name in ("controlnet_sk_canny", "ipadapter_sk_faceid", "sk_text")
)  # fmt: skip
UNPUBLISHED = tuple(entry["name"] for entry in (CONTROL, FACE_ID, TEXT))
PROMPT = "photo of a person, head and shoulders, looking at the viewer, soft light"


class Still:
    """The parts that the three blueprints share. last: the column of the sampler."""

    def __init__(self, name: str, description: str, info: dict, last: int):
        self.base, self.last = Base.of(name, description, info), last
        self.graph = self.base.graph
        self.positive = self.base.text("Prompt", 0, PROMPT)
        self.negative = self.base.text("Negative prompt", 0, NEGATIVE)
        # Checkpoints of SD1.5 predict noise; the toy model that can be trained here predicts velocity.
        self.sampling = self.graph.node(
            "ModelSamplingDiscrete",
            "Model Sampling Discrete",
            last - 2,
            model=self.base.model,
            sampling="eps",
        )

    def latent(self, **size: Wire) -> Outputs:
        sides = {"width": SIZE, "height": SIZE, "batch_size": 1} | size
        return self.graph.node("EmptyLatentImage", "Empty Latent Image", self.last - 1, **sides)

    def finish(self, model: Wire, latent: Wire, sized: Outputs, *promoted: tuple[str, Outputs, str]) -> None:
        """Add the sampler and the picture; promote the given widgets between the prompt and the sampler's.

        sized: the node with the width and the height
        """
        sampler = self.graph.node(
            "KSampler", "KSampler", self.last, model=model, positive=self.positive[0], negative=self.negative[0],
            latent_image=latent, seed=1, steps=25, cfg=7.5, sampler_name="euler", scheduler="normal",
        )  # fmt: skip
        self.base.promote(
            ("prompt", self.positive, "text"), *promoted, ("width", sized, "width"), ("height", sized, "height"),
            ("sampling", self.sampling, "sampling"), ("steps", sampler, "steps"), ("cfg", sampler, "cfg"), ("seed", sampler, "seed"),
        )  # fmt: skip
        self.graph.out("image", self.base.decoded(sampler[0], "VAE Decode", self.last + 1))


def from_edges(info: dict) -> Subgraph:
    """Return the blueprint that draws a picture along the edges of another one."""
    text = "Draws a picture along the edges of another one, through SK attention (ControlNetSK)."
    still = Still("ControlNetSK from Edges", text, info, 4)
    graph = still.graph
    sized = still.base.sized(graph.given("picture", "IMAGE"), "condition", 0)
    edges = graph.node("Canny", "Canny", 1, image=sized[0], low_threshold=0.1, high_threshold=0.3)
    size = graph.node("GetImageSize", "Get Image Size", 2, image=edges[0])
    adapter = graph.node(
        "SKPortraitLoadAdapter", "Load HelloMeme Reference Model", 2, [CONTROL], file=CONTROL["name"]
    )
    applied = graph.node(
        "SKPortraitApplyControlNetSK", "Apply ControlNetSK", 3, model=still.sampling[0], adapter=adapter[0],
        vae=still.base.vae, image=edges[0],
    )  # fmt: skip
    latent = still.latent(**dict(zip(("width", "height", "batch_size"), size)))
    still.finish(applied[0], latent[0], sized, ("strength", applied, "strength"))
    graph.out("edges", edges[0])
    return graph


def of_person(info: dict) -> Subgraph:
    """Return the blueprint that draws the person of a face embedding."""
    text = "Draws the person of a picture, or of a saved face embedding, from a prompt (FaceID, SK)."
    still = Still("FaceID (SK) from a Face", text, info, 5)
    graph, person = still.graph, still.graph.given("person", "IMAGE")
    landmarker = graph.node(
        "LoadMediaPipeFaceLandmarker", "Load Face Detection Model", 0, [LANDMARKER], model_name=LANDMARKER["name"]
    )  # fmt: skip
    found = graph.node(
        "MediaPipeFaceLandmarker", "Detect Face", 1, face_detection_model=landmarker[0], image=person, num_faces=0
    )  # fmt: skip
    track = graph.node(
        "SKPortraitTrackFromLandmarks", "Track Face from Landmarks", 2, face_landmarks=found[0], images=person
    )
    embedding = graph.node(
        "SKPortraitFaceEmbedding", "Face Embedding", 3, source="ArcFace", images=person, track=track[0]
    )
    network = graph.node("SKPortraitLoadFaceIDSK", "Load FaceID (SK)", 3, [FACE_ID], file=FACE_ID["name"])
    applied = graph.node(
        "SKPortraitApplyFaceIDSK", "Apply FaceID (SK)", 4, model=still.sampling[0], face_id=network[0],
        embedding=embedding[0],
    )  # fmt: skip
    latent = still.latent()
    promoted = ("source", embedding, "source"), ("strength", applied, "strength")
    still.finish(applied[0], latent[0], latent, *promoted)
    return graph


def by_text(info: dict) -> Subgraph:
    """Return the blueprint that draws a prompt with another text attention."""
    text = "Draws a prompt with SK cross-attention in place of the text attention (SK_EXP)."
    still = Still("SK Text Attention from a Prompt", text, info, 2)
    graph = still.graph
    applied = graph.node(
        "SKPortraitApplySKText", "Apply SK Text Attention", 1, [TEXT], model=still.sampling[0], file=TEXT["name"]
    )  # fmt: skip
    latent = still.latent()
    still.finish(applied[0], latent[0], latent, ("strength", applied, "strength"))
    return graph
