"""The two landmark schemes: which landmarks are used for crops and patches."""

from __future__ import annotations

from dataclasses import dataclass

from ..track_errors import SchemeError


@dataclass(frozen=True)
class Scheme:
    """Indices into the landmarks of one tracker. Left and right are the picture's.

    face:       points whose box is the face in the fixed crop: chin to brow, no forehead
    parts:      the five points of the patch template: nasion, left and right outer eye corner, right and left
      mouth corner
    motion:     the five points of the PD-FGC template: left and right pupil, nose tip, left and right mouth
      corner
    left_eye, right_eye, mouth: points whose box is the patch; the eyes include their brow
    eyes:       left and right eye without its brow
    eye_line:   left and right outer eye corner
    outline:    polylines to draw over a picture
    """

    name: str
    face: tuple[int, ...]
    parts: tuple[int, ...]
    motion: tuple[int, ...]
    left_eye: tuple[int, ...]
    right_eye: tuple[int, ...]
    mouth: tuple[int, ...]
    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    outline: tuple[tuple[int, ...], ...]

    @property
    def eye_line(self) -> tuple[int, int]:
        return self.parts[1], self.parts[2]


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


# FaceMesh's contours in drawing order; in its own names the picture's left side is the subject's right.
_LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
_RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
_LEFT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
_RIGHT_BROW = (336, 296, 334, 293, 300, 276, 283, 282, 295, 285)
_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_JAW = (
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
)

SCHEMES = {
    # 222 points of hello_face_landmark.onnx; groups and substitutes
    # from the official face-part and PD-FGC crops.
    "hello222": Scheme(
        name="hello222",
        face=_span(0, 221),
        parts=(33, 74, 96, 133, 149),
        motion=(182, 202, 36, 149, 133),
        left_eye=(*_span(48, 59), *_span(74, 94)),
        right_eye=(*_span(61, 72), *_span(96, 116)),
        mouth=_span(118, 148),
        eyes=(_span(74, 94), _span(96, 116)),
        outline=(_span(0, 32), _span(33, 47), _span(48, 60), _span(61, 73), _span(74, 95), _span(96, 117), _span(118, 148)),
    ),
    # 478 points of MediaPipe's mesh with irises: the points nearest to those above.
    "mediapipe478": Scheme(
        name="mediapipe478",
        face=(*_JAW, *_LEFT_BROW, *_RIGHT_BROW),
        parts=(168, 33, 263, 291, 61),
        motion=(468, 473, 4, 61, 291),
        left_eye=_LEFT_EYE + _LEFT_BROW,
        right_eye=_RIGHT_EYE + _RIGHT_BROW,
        mouth=_LIPS,
        eyes=(_LEFT_EYE, _RIGHT_EYE),
        outline=(
            _JAW, (*_LEFT_EYE, 33), (*_RIGHT_EYE, 263), (*_LEFT_BROW, 70), (*_RIGHT_BROW, 336), (*_LIPS, 61),
            (168, 6, 197, 195, 5, 4), (98, 97, 2, 326, 327),
        ),
    ),
}  # fmt: skip


def scheme_of(name: str) -> Scheme:
    """Return the scheme called `name`.

    Raises TrackError for a track without landmarks, and for an unknown name.
    """
    if name == "none":
        raise SchemeError(
            "This track has no landmarks: a recording or a preset comes without a picture. Track a video or a picture, and wire the "
            "recording into the coefficients input of that node, or mix it in with Mix Tracks.",
            name,
        )
    if name not in SCHEMES:
        raise SchemeError(f"Landmark scheme {name!r} is unknown; this pack knows {', '.join(SCHEMES)}.", name)
    return SCHEMES[name]
