"""The identity of a synthetic head: about twenty numbers from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]  # RGB, 0..255

SKINS: tuple[Colour, ...] = (
    (250, 222, 200),
    (243, 204, 172),
    (229, 180, 142),
    (205, 148, 108),
    (163, 108, 74),
    (116, 74, 52),
)
HAIRS: tuple[Colour, ...] = (
    (42, 34, 36), (78, 50, 36), (128, 80, 46), (196, 140, 68), (232, 198, 120), (182, 74, 38), (176, 176, 182), (92, 60, 120),
)  # fmt: skip
EYES: tuple[Colour, ...] = ((84, 52, 34), (60, 108, 168), (64, 128, 84), (120, 104, 60), (96, 116, 132))
LIPS: tuple[Colour, ...] = ((204, 96, 96), (186, 76, 84), (214, 120, 112), (160, 62, 74))
CLOTHES: tuple[Colour, ...] = (
    (54, 92, 148), (190, 62, 66), (60, 130, 110), (238, 226, 206), (232, 172, 62), (72, 70, 88), (146, 96, 160), (120, 158, 196),
)  # fmt: skip
BACKGROUNDS: tuple[Colour, ...] = (
    (196, 214, 224), (224, 208, 190), (200, 216, 196), (212, 200, 220), (232, 222, 190), (150, 172, 186), (184, 160, 150),
)  # fmt: skip
HAIR_STYLES = ("bald", "short", "parted", "fringe", "long", "bob", "curly", "bun")
BEARDS = ("none", "stubble", "full", "moustache")
GLASSES = ("none", "round", "square")


@dataclass(frozen=True)
class Identity:
    """A synthetic person.

    Sizes are factors of the average (1.0); colours are RGB 0..255; tilts are in -1..1.
    """

    skin: Colour
    hair: Colour
    eye: Colour
    lips: Colour
    shirt: Colour
    background: Colour
    style: str
    beard: str
    glasses: str
    face_width: float
    face_height: float
    eye_size: float
    eye_spacing: float
    brow_thickness: float
    brow_tilt: float
    nose_size: float
    mouth_width: float
    lip_fullness: float
    ear_size: float
    neck_width: float
    age: float
    freckles: float

    @classmethod
    def of(cls, seed: int) -> "Identity":
        """Return the person of a seed. It is the same in every version of NumPy's PCG64."""
        draw = np.random.Generator(np.random.PCG64([seed, 0x4EAD]))

        def among(colours: tuple[Colour, ...]) -> Colour:
            """Return a colour of the palette with a small random deviation."""
            base = np.array(colours[int(draw.integers(len(colours)))])
            return tuple(int(c) for c in np.clip(base + draw.normal(0, 7, 3), 8, 252))

        def about(low: float, high: float) -> float:
            return float(np.round(draw.uniform(low, high), 4))

        age = about(0, 1) ** 1.5
        hair = HAIRS[6:7] if age > 0.72 else HAIRS
        return cls(
            skin=among(SKINS), hair=among(hair), eye=among(EYES), lips=among(LIPS), shirt=among(CLOTHES), background=among(BACKGROUNDS),
            style=str(draw.choice(HAIR_STYLES, p=(0.06, 0.18, 0.16, 0.13, 0.16, 0.12, 0.11, 0.08))),
            beard=str(draw.choice(BEARDS, p=(0.7, 0.1, 0.1, 0.1))),
            glasses=str(draw.choice(GLASSES, p=(0.7, 0.16, 0.14))),
            face_width=about(0.9, 1.1), face_height=about(0.93, 1.08), eye_size=about(0.88, 1.14), eye_spacing=about(0.94, 1.06),
            brow_thickness=about(0.65, 1.45), brow_tilt=about(-1, 1), nose_size=about(0.8, 1.25), mouth_width=about(0.88, 1.16),
            lip_fullness=about(0.75, 1.35), ear_size=about(0.85, 1.25), neck_width=about(0.85, 1.2), age=age,
            freckles=about(0, 1) if draw.random() < 0.2 else 0.0,
        )  # fmt: skip
