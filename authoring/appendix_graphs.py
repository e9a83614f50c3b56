"""The templates of the paper's appendix A, for which no public weights exist: ControlNetSK, FaceID (SK), SK text."""

from __future__ import annotations

from . import top
from .appendix_blueprints import by_text, from_edges, of_person
from .builder import checkpoint
from .graph_writer import Graph
from .system_graphs import one_blueprint

TRAIN = "**There are no public weights.** Train the file (*python run.py train {}*, in a git checkout)"
TOY = (
    ", or make toy weights, which draw blurred cartoon heads and only show that the graph works: *python run.py bench paper "
    "--comfyui FOLDER* takes some hours on two cores. With these choose *world_paper.ckpt* and, inside the subgraph, *{}*; "
    "set **sampling** to *v_prediction*, **width** and **height** to 128, **cfg** to 1.5."
)
ARCFACE = "https://github.com/deepinsight/insightface/tree/master/model_zoo"


def controlnet_sk(info: dict) -> Graph:
    graph = top.template("controlnet_sk", info)
    return one_blueprint(
        graph, from_edges(info),
        "The picture's edges control the layout, as with a ControlNet, but through SK attention (ControlNetSK, appendix A of the "
        "HelloMeme paper). " + TRAIN.format("controlnet-sk") + TOY.format("world_controlnet_sk_canny"),
        "A picture from edges", "**prompt**, then **strength** (1 = as trained, 0 = off).",
        picture=top.image(graph, "Picture: its edges"), sd15=checkpoint(graph, top.SECOND),
    )  # fmt: skip


def faceid_sk(info: dict) -> Graph:
    graph = top.template("faceid_sk", info)
    return one_blueprint(
        graph, of_person(info),
        "A prompt is drawn with the face of a person: every block attends to a face embedding through SK attention (IPAdapterSK "
        f"FaceID, appendix A). *Face Embedding* needs ArcFace: w600k_r50.onnx in **models/insightface** ([page]({ARCFACE}); for "
        "non-commercial research only). If **source** is a saved embedding, neither ArcFace nor the picture is read. "
        + TRAIN.format("faceid-sk") + TOY.format("world_ipadapter_sk_faceid") + " Also set **source** to *world_person.npy*.",
        "A picture of a person", "**prompt**, then **strength** (1 = as trained, 0 = off).",
        person=top.image(graph, "Person"), sd15=checkpoint(graph, top.SECOND),
    )  # fmt: skip


def sk_text(info: dict) -> Graph:
    graph = top.template("sk_text", info)
    return one_blueprint(
        graph, by_text(info),
        "For experiments: SK cross-attention in place of the text attention (SK_EXP, appendix A). Compare strength 1 with "
        "strength 0, the checkpoint alone. " + TRAIN.format("sk-text") + ". A few steps are enough to try the "
        "template. There are no toy weights: the toy model's text attention reads twelve attributes of a drawn head, not a prompt.",
        "Another text attention", "**strength**, then **prompt**.", sd15=checkpoint(graph, top.SECOND),
    )  # fmt: skip


SHIPPED = (controlnet_sk, faceid_sk, sk_text)
