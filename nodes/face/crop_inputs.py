"""The inputs of every node that crops to the face, and the crop made from them."""

from comfy_api.latest import io

from ...face_tools.pictures.crop import CROP_RULES, Crop, CropRule, portrait_crop
from ...face_tools.pictures.following_crop import FollowingCrop, following_crop
from ...face_tools.track import FaceTrack
from ...sk_attention.versions import VERSIONS, listed
from ..schema import RARE

FIXED, FOLLOW = "fixed", "follow"

CROP_INPUTS = [
    io.Combo.Input(
        "generation",
        display_name="version",
        options=list(VERSIONS),
        default="v5",
        tooltip=f"Sets the side of the square in face sizes: {listed('crop_factor')}. "
        "Today's official code uses 3.0 for all versions.",
    ),
    io.Float.Input(
        "factor",
        display_name="crop margin",
        default=0.0,
        min=0.0,
        max=10.0,
        step=0.05,
        tooltip="Side of the square in face sizes (0 = the value of the HelloMeme version). A smaller value "
        "crops closer.",
        **RARE,
    ),
    io.Int.Input(
        "size",
        default=512,
        min=128,
        max=4096,
        step=8,
        tooltip="Width and height of the cropped pictures in pixels. The size of the portrait is the "
        "sampled size.",
    ),
]
CROP = io.Combo.Input(
    "crop",
    options=[FIXED, FOLLOW],
    default=FIXED,
    optional=True,
    tooltip="fixed: one square for the whole clip. follow: the square moves smoothly with the face; use it "
    "for a person who walks through the picture.",
)


def crop_of(
    track: FaceTrack, version: str, factor: float, size: int, crop: str = FIXED
) -> Crop | FollowingCrop:
    """Return the crop for the values of these inputs. factor: 0 = that of the version."""
    rule = CROP_RULES[version]
    make = following_crop if crop == FOLLOW else portrait_crop
    return make(track, CropRule(factor or rule.factor, rule.lift, rule.lift_of), size)
