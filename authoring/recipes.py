"""The files that graphs use: the published files of a version, their
download addresses, and the authors' settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..sk_attention.versions import VERSIONS, Version

HUB = "https://huggingface.co"
SOURCES = "https://github.com/sk-portrait/sk-portrait/blob/main"  # files of this project
# The front end searches only the titles of blueprints, so they contain the words that artists search for.
ANIMATE = "HelloMeme - Animate Portrait from Video"
COPY = "HelloMeme - Copy Expression to a Portrait"
SLIDERS = "HelloMeme - Portrait with Expression Sliders"
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
    """The version and the settings of a graph.

    face_motion: Read Expression reads the expression; False = it comes from coefficients and patches (CLIP)
    """

    version: Version
    cfg: float = 1.5
    face_motion: bool = True

    @property
    def encoder(self) -> str:
        return self.version.motion_drive if self.face_motion else self.version.coefficients_drive

    @property
    def motions(self) -> list[str]:
        return [name for name in (self.version.motion, self.version.animatediff) if name]

    def sampler(self, video: bool) -> tuple[str, str]:
        """Return ComfyUI's names of the sampler and the scheduler that the authors use."""
        row = self.version
        return (row.video_sampler, row.video_scheduler) if video else (row.sampler, row.scheduler)


V5, V2 = Recipe(VERSIONS["v5"]), Recipe(VERSIONS["v2"], cfg=2.0)


def file(repository: str) -> str:
    """Return the name under which a loader lists the file of a repository."""
    return f"{repository}.safetensors" if repository else "none"


def entry(repository: str) -> dict:
    """Return the entry with which the front end offers the download."""
    url = f"{HUB}/songkey/{repository}/resolve/main/diffusion_pytorch_model.safetensors"
    return {"name": file(repository), "url": url, "directory": "sk_portrait"}
