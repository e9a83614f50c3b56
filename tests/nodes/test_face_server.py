"""The face nodes in a graph on the real server: a video file in, the same video out of a crop that went back."""

import av
import numpy as np
import pytest

from sk_portrait.testing.talking_head import talking_head
from sk_portrait.testing.videos import write_video

pytest.importorskip(
    "mediapipe.python.solutions.face_mesh", reason="the built-in FaceMesh needs mediapipe 0.10.21"
)

FRAMES = 8
GRAPH = {
    "video": {"class_type": "LoadVideo", "inputs": {"file": "talk.mp4"}},
    "parts": {"class_type": "GetVideoComponents", "inputs": {"video": ["video", 0]}},
    "track": {
        "class_type": "SKPortraitTrackVideo",
        "inputs": {
            "video": ["video", 0], "fps": 0.0, "start": 0.0, "seconds": 0.0, "source": "mediapipe-mesh", "face": "largest",
            "face_number": 1, "on_miss": "stop", "generation": "v5", "factor": 0.0, "size": 256,
        },
    },
    "pose": {
        "class_type": "SKPortraitDrawHeadPose",
        "inputs": {"track": ["track", 1], "reference": ["track", 1], "translation_ratio": 0.0, "size": 256},
    },
    "patches": {"class_type": "SKPortraitFacePatches", "inputs": {"images": ["track", 0], "track": ["track", 1]}},
    "back": {
        "class_type": "SKPortraitPasteBack",
        "inputs": {
            "images": ["parts", 0], "portraits": ["track", 0], "crop": ["track", 2], "feather": 0.1, "colour_match": 0.0,
        },
    },
    "shown": {"class_type": "SaveImage", "inputs": {"images": ["back", 0], "filename_prefix": "back"}},
    "whole": {"class_type": "SaveImage", "inputs": {"images": ["parts", 0], "filename_prefix": "whole"}},
    "boxes": {"class_type": "SaveImage", "inputs": {"images": ["pose", 0], "filename_prefix": "pose"}},
    "mouth": {"class_type": "SaveImage", "inputs": {"images": ["patches", 2], "filename_prefix": "mouth"}},
    "film": {"class_type": "CreateVideo", "inputs": {"images": ["back", 0], "fps": ["track", 5], "audio": ["track", 4]}},
    "saved": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["film", 0], "filename_prefix": "back", "format": "mp4", "codec": "h264"},
    },
}  # fmt: skip


def test_a_video_goes_through_its_crop_and_back(server):
    from PIL import Image

    talking = talking_head()[:FRAMES]
    write_video(server.base / "input" / "talk.mp4", talking, tone_seconds=FRAMES / 25)
    outputs = server.run(GRAPH)
    files = {node: outputs[node]["images"] for node in ("shown", "whole", "boxes", "mouth")}
    assert [len(images) for images in files.values()] == [FRAMES] * 4
    back, whole = (
        np.asarray(Image.open(server.path(files[node][3])).convert("RGB")).astype(int)
        for node in ("shown", "whole")
    )
    assert np.array_equal(back[-1], whole[-1])  # the square ends one row above the frame's edge
    # New hosts read colour at a finer grain than 8-bit RGB, so single pixels at colour edges differ by more than the crop's 2.
    assert np.abs(back - whole).mean() < 2 and not np.array_equal(back, whole)
    with av.open(str(server.path(outputs["saved"]["images"][0]))) as container:
        assert float(container.streams.video[0].average_rate) == 25
        assert container.streams.audio[0].duration * container.streams.audio[0].time_base == pytest.approx(
            FRAMES / 25, abs=0.1
        )
