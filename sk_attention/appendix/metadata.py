"""Metadata for the files of appendix A, in the header of a safetensors file:
properties that cannot be read from the keys.
"""

from __future__ import annotations

from collections.abc import Mapping

TYPE = "sk.type"
CONDITION = "sk.condition"
CONTROL, FACE_ID, TEXT = "controlnet_sk", "ipadapter_sk_faceid", "sk_text"


def of_control(condition: str) -> dict[str, str]:
    """Metadata of ControlNetSK, which has the keys of v1's reference adapters.

    condition: kind of picture, such as canny. The reference pass uses no text: a
    zero embedding takes the place of the prompt.
    """
    return {
        TYPE: CONTROL, "sk.version": "v1", CONDITION: condition, "sk.ref_timestep": "0", "sk.uncond_ref": "zeros",
        "sk.ref_text": "zeros", "sk.base": "sd15",
    }  # fmt: skip


def of_face_id() -> dict[str, str]:
    """Metadata of IPAdapterSK FaceID: the tokens are five copies of a
    normalised ArcFace embedding, or of zeros for uncond.
    """
    return {
        TYPE: FACE_ID, "sk.insert": "attn2", "sk.embed": "insightface_normed", "sk.tokens": "5", "sk.base": "sd15",
    }  # fmt: skip


def of_text() -> dict[str, str]:
    """Metadata of SK cross-attention that replaces the text attention."""
    return {TYPE: TEXT, "sk.insert": "attn2", "sk.base": "sd15"}


def condition_of(metadata: Mapping[str, str]) -> str:
    """Return the kind of picture in a ControlNetSK's metadata, "" for any other file."""
    return metadata.get(CONDITION, "any picture") if metadata.get(TYPE) == CONTROL else ""
