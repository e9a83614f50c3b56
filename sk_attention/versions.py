"""Table of the official versions of HelloMeme. All differences between versions are columns of this table.

Repositories are those of https://huggingface.co/songkey. Samplers and schedulers
are ComfyUI's names for those of the authors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

PAGE = "https://huggingface.co/songkey/"
REPOSITORIES = (
    "reference", "coefficients_drive", "motion_drive", "projection", "motion", "animatediff", "face_motion",
)  # fmt: skip


@dataclass(frozen=True)
class Version:
    """One official version.

    One field per entry of REPOSITORIES: the repository of that part ("" = none)
    crop_factor:        side of the portrait's square crop in face sizes, official value;
      face_tools/pictures/crop.py holds the whole rule
    sampler, scheduler: of a single picture
    video_sampler, video_scheduler: of a video
    black_null:         the unconditional face motion is the motion network's output for a black crop;
      otherwise zeros
    driven_reference:   the reference pass also receives the portrait's own drive
    short_prompt:       the official image pipeline adds its short prompt; otherwise the long one
    """

    name: str
    reference: str
    coefficients_drive: str
    motion_drive: str
    projection: str = ""
    motion: str = ""
    animatediff: str = ""
    face_motion: str = "pd_fgc_motion"
    crop_factor: float = 3.0
    sampler: str = "dpmpp_2m_sde"
    scheduler: str = "sgm_uniform"
    video_sampler: str = "euler"
    video_scheduler: str = "normal"
    black_null: bool = False
    driven_reference: bool = False
    short_prompt: bool = False

    @property
    def repositories(self) -> tuple[str, ...]:
        """The repositories of this version, in the order of REPOSITORIES."""
        return tuple(filter(None, (getattr(self, column) for column in REPOSITORIES)))


_EULER: dict[str, Any] = {"sampler": "euler", "scheduler": "normal", "black_null": True}
_V5: dict[str, Any] = {
    "coefficients_drive": "hm5_control_base", "motion_drive": "hm5_control_base", "motion": "hm5_motion",
    "video_sampler": "dpmpp_2m_sde", "video_scheduler": "sgm_uniform",
}  # fmt: skip

VERSIONS = {
    row.name: row
    for row in (
        Version(
            "v1", "hm_reference", "hm_control", "hm_control2",
            animatediff="hm_animatediff_frame12", crop_factor=2.2, **_EULER,
        ),
        Version(
            "v2", "hm2_reference", "hm2_control", "hm2_control2",
            animatediff="hm2_animatediff_frame12", crop_factor=2.3, **_EULER,
        ),
        Version(
            "v3", "hm3_reference", "hm3_control_mix", "hm3_control_mix",
            motion="hm3_motion", animatediff="hm3_animatediff", crop_factor=2.3,
        ),
        Version(
            "v4", "hm4_reference", "hm_control_base", "hm_control_base", "hm4_control_proj",
            motion="hm4_motion", animatediff="hm4_animatediff", crop_factor=2.3,
        ),
        Version("v5", "hm5_reference", projection="hm5_control_proj", **_V5),
        Version("v5b", "hm5b_reference", projection="hm5_control_proj", short_prompt=True, **_V5),
        Version(
            "v5c", "hm5c_reference", projection="hm5c_control_proj",
            driven_reference=True, short_prompt=True, **_V5,
        ),
    )
}  # fmt: skip


def newest_first() -> list[str]:
    """Version names as lists show them: highest number first,
    variants of one number in the order of the table.
    """
    return sorted(VERSIONS, key=lambda name: -int(re.sub(r"\D", "", name)))


def having(column: str) -> tuple[str, ...]:
    """Return the versions that have a value in a column."""
    return tuple(name for name, row in VERSIONS.items() if getattr(row, column))


def listed(*columns: str, between: str = " or ") -> str:
    """Return columns as text, equal versions together:
    "hm4_control_proj (v4), hm5_control_proj (v5, v5b), ...".
    """
    groups: dict[str, list[str]] = {}
    for name, row in VERSIONS.items():
        values = dict.fromkeys(str(getattr(row, column)) for column in columns if getattr(row, column))
        groups.setdefault(between.join(values), []).append(name)
    return ", ".join(f"{values} ({', '.join(names)})" for values, names in groups.items() if values)
