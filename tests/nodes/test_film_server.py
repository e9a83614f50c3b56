"""Films whose sound once ended the process, on the real server: they come out with every channel."""

import pytest

from sk_portrait.face_tools.sound import form_of
from sk_portrait.testing.sounds import film_with_sound, packets_of, tones
from sk_portrait.testing.talking_head import talking_head

pytest.importorskip(
    "mediapipe.python.solutions.face_mesh", reason="the built-in FaceMesh needs mediapipe 0.10.21"
)

FRAMES = 5
SAVED = {"format": "auto", "codec": "auto", "format.codec": "auto"}  # as old and as new ComfyUI name it
GRAPH = {
    "film": {"class_type": "LoadVideo", "inputs": {"file": "film.mkv"}},
    "track": {
        "class_type": "SKPortraitTrackVideo",
        "inputs": {
            "video": ["film", 0], "fps": 0.0, "start": 0.0, "seconds": 0.0, "source": "mediapipe-mesh", "face": "largest",
            "face_number": 1, "on_miss": "stop", "generation": "v5", "factor": 0.0, "size": 128,
        },
    },
    "back": {
        "class_type": "SKPortraitPasteBackVideo",
        "inputs": {"video": ["film", 0], "portraits": ["track", 0], "crop": ["track", 2], "feather": 0.1, "colour_match": 0.0},
    },
    "pasted": {"class_type": "SaveVideo", "inputs": {"video": ["back", 0], "filename_prefix": "pasted", **SAVED}},
    "made": {"class_type": "CreateVideo", "inputs": {"images": ["track", 0], "fps": ["track", 5], "audio": ["track", 4]}},
    "cropped": {"class_type": "SaveVideo", "inputs": {"video": ["made", 0], "filename_prefix": "cropped", **SAVED}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "layout", "rate"), [("flac", "7.1", 48000), ("pcm_f32le", "stereo", 192000)]
)
def test_a_film_with_any_sound_leaves_the_server_alive(server, codec, layout, rate):
    wave = tones(layout, rate, FRAMES / 25)
    if codec == "pcm_f32le":
        wave[:, 1000:2000] = float("nan")
    film = film_with_sound(
        server.base / "input" / "film.mkv", codec, wave, layout, rate, pictures=talking_head()[:FRAMES]
    )
    outputs = server.run(GRAPH)
    pasted, cropped = (server.path(outputs[node]["images"][0]) for node in ("pasted", "cropped"))
    assert (form_of(pasted).channels, form_of(pasted).rate) == (len(wave), rate)
    assert packets_of(pasted) == packets_of(film) or codec == "pcm_f32le"  # of which Matroska names no layout
    assert form_of(cropped).layout in ("stereo", "5.1") and form_of(cropped).rate <= 96000
