"""The pack's own types of node inputs and outputs."""

from comfy_api.latest import io

FaceTrackType = io.Custom("FACE_TRACK")
AdapterType = io.Custom("SK_ADAPTER")
DriveEncoderType = io.Custom("SK_DRIVE_ENCODER")
MotionType = io.Custom("SK_MOTION")
ReferenceType = io.Custom("SK_REFERENCE")
DriveType = io.Custom("SK_DRIVE")
StrengthsType = io.Custom("SK_STRENGTHS")
FacePatchesType = io.Custom("SK_FACE_PATCHES")
CropType = io.Custom("SK_CROP")
FaceMotionType = io.Custom("SK_FACE_MOTION")
WPlusType = io.Custom("SK_WPLUS")
WPlusCodeType = io.Custom("SK_WPLUS_CODE")
FloatsType = io.Custom("FLOATS")
TrajectoryType = io.Custom("SK_TRAJECTORY")
XDynaType = io.Custom("SK_XDYNA")
XDynaTokensType = io.Custom("SK_XDYNA_TOKENS")
ClipPartType = io.Custom("SK_CLIP_PART")
FaceIDType = io.Custom("SK_FACE_ID")
FaceEmbeddingType = io.Custom("SK_FACE_EMBEDDING")
ClipPartsType = io.Custom("SK_CLIP_PARTS")
