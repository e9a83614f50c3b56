"""Contours of the 478-point face mesh (`mediapipe478`). Right and left are the subject's."""

from __future__ import annotations

SIDES = {"Right": -1.0, "Left": 1.0}  # sign of x in head coordinates
# Upper and lower lid from the outer to the inner corner.
LIDS = {
    "Right": ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133)),
    "Left": ((263, 466, 388, 387, 386, 385, 384, 398, 362), (263, 249, 390, 373, 374, 380, 381, 382, 362)),
}
# Centre, then four points of the rim: on the nose's side or away from it, top, the other side, bottom.
IRIS = {"Right": (468, 469, 470, 471, 472), "Left": (473, 474, 475, 476, 477)}
BROWS = {
    "Right": (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    "Left": (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
}
# Lips from the right corner of the mouth to the left one.
OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
CORNERS = {"Right": 61, "Left": 291}
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
