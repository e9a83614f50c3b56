"""Metadata of the files of appendix A, in the header of a safetensors file: what the keys alone do not say."""

from __future__ import annotations

from collections.abc import Mapping

TYPE = "sk.type"
CONDITION = "sk.condition"
CONTROL, FACE_ID, TEXT = "controlnet_sk", "ipadapter_sk_faceid", "sk_text"


def of_control(condition: str) -> dict[str, str]:
    """ControlNetSK, which v1's reference adapters share their keys with. condition: kind of picture, such as canny.

    The reference pass reads no text: a zero embedding stands in for the prompt.
    """
    return {
        TYPE: CONTROL, "sk.version": "v1", CONDITION: condition, "sk.ref_timestep": "0", "sk.uncond_ref": "zeros",
        "sk.ref_text": "zeros", "sk.base": "sd15",
    }  # fmt: skip


def of_face_id() -> dict[str, str]:
    """IPAdapterSK FaceID: five copies of a normalised ArcFace embedding; zeros are its unconditional embedding."""
    return {
        TYPE: FACE_ID, "sk.insert": "attn2", "sk.embed": "insightface_normed", "sk.tokens": "5", "sk.base": "sd15",
    }  # fmt: skip


def of_text() -> dict[str, str]:
    """SK cross-attention in place of the text attention."""
    return {TYPE: TEXT, "sk.insert": "attn2", "sk.base": "sd15"}


def kind(metadata: Mapping[str, str] | None) -> str:
    """One of CONTROL, FACE_ID and TEXT, or "" for a file without such metadata."""
    return (metadata or {}).get(TYPE, "")
