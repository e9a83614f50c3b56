"""The official versions of HelloMeme, one row each; a version is a row here and nothing else.

Repositories are those of https://huggingface.co/songkey; sampler and scheduler are ComfyUI's names for what the authors use.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGE = "https://huggingface.co/songkey/"


@dataclass(frozen=True)
class Version:
    """One official version.

    reference, coefficients_drive, motion_drive, projection, motion, animatediff, face_motion: its repositories ("" = has none)
    sampler, scheduler: of a single picture; video of v1-v4 uses euler, normal
    black_null:         the null of face motion is what the motion net sees in a black crop (v1, v2), else zeros
    driven_reference:   the reference pass also receives the portrait's own drive (v5c)
    """

    name: str
    reference: str
    coefficients_drive: str
    motion_drive: str
    projection: str = ""
    motion: str = ""
    animatediff: str = ""
    face_motion: str = "pd_fgc_motion"
    sampler: str = "dpmpp_2m_sde"
    scheduler: str = "sgm_uniform"
    black_null: bool = False
    driven_reference: bool = False


_EULER = {"sampler": "euler", "scheduler": "normal", "black_null": True}
_V5 = {"coefficients_drive": "hm5_control_base", "motion_drive": "hm5_control_base", "motion": "hm5_motion"}

VERSIONS = {
    row.name: row
    for row in (
        Version(
            "v1", "hm_reference", "hm_control", "hm_control2", animatediff="hm_animatediff_frame12", **_EULER
        ),
        Version(
            "v2",
            "hm2_reference",
            "hm2_control",
            "hm2_control2",
            animatediff="hm2_animatediff_frame12",
            **_EULER,
        ),
        Version(
            "v3",
            "hm3_reference",
            "hm3_control_mix",
            "hm3_control_mix",
            motion="hm3_motion",
            animatediff="hm3_animatediff",
        ),
        Version(
            "v4",
            "hm4_reference",
            "hm_control_base",
            "hm_control_base",
            "hm4_control_proj",
            "hm4_motion",
            "hm4_animatediff",
        ),
        Version("v5", "hm5_reference", projection="hm5_control_proj", **_V5),
        Version("v5b", "hm5b_reference", projection="hm5_control_proj", **_V5),
        Version("v5c", "hm5c_reference", projection="hm5c_control_proj", driven_reference=True, **_V5),
    )
}
