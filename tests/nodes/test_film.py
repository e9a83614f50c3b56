"""Pasting into films: what lies outside the square comes back, with its colours and its sound."""

import numpy as np
import pytest

from sk_portrait.face_tools import video
from sk_portrait.face_tools.pictures.crop import Clip, Crop
from sk_portrait.face_tools.sound import sound
from sk_portrait.testing.colours import CODINGS, HLG, chart, film_in, tags_of
from sk_portrait.testing.sounds import film_with_sound, packets_of, tones

FRAMES = 4
CROP = Crop(21, 15, 49, 49, (160, 96), Clip(25.0, 0.0, FRAMES))


@pytest.fixture
def paste(comfy, tmp_path, monkeypatch):
    """paste(film, portraits, crop, **inputs): path of the film that Paste Portrait Back into Video makes."""
    import folder_paths
    import torch
    from comfy_api.latest import InputImpl

    from sk_portrait.nodes.face.paste import PasteBackVideo

    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path / "temp"))

    def act(film, portraits, crop=CROP, **inputs):
        given = InputImpl.VideoFromFile(str(film)) if not hasattr(film, "get_components") else film
        images = torch.from_numpy(np.stack(portraits)).float()
        made = PasteBackVideo.execute(given, images, crop, **{"feather": 0.1, "colour_match": 0.0, **inputs})
        return made.args[0].get_stream_source()

    return act


def shown(film) -> np.ndarray:
    return np.stack(list(video.frames(film))).astype(int)


def outside(pictures: np.ndarray) -> np.ndarray:
    around = np.ones(pictures.shape[1:3], bool)
    around[CROP.y : CROP.y + CROP.side, CROP.x : CROP.x + CROP.side] = False
    return pictures[:, around]


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize(("quality", "once", "five"), [("lossless", 0, 0), ("high", 1, 2)])
def test_pixels_outside_the_square_come_back(paste, tmp_path, name, quality, once, five):
    film = first = film_in(tmp_path / "film.mkv", CODINGS[name], [chart(shift=k) for k in range(FRAMES)])
    portraits = np.full((FRAMES, 49, 49, 3), (0.7, 0.5, 0.4))
    for k in range(5):
        film = paste(film, portraits, quality=quality)
        off = np.abs(outside(shown(film)) - outside(shown(first)))
        assert np.percentile(off, 99) <= (once if k == 0 else five) and (
            quality != "lossless" or not off.any()
        )
    assert tags_of(film) == CODINGS[name]
    assert np.abs(shown(film)[:, 30:50, 36:56] - 255 * portraits[0, 0, 0]).max() <= 3


def test_an_untouched_crop_changes_nothing_inside_either(paste, tmp_path):
    film = film_in(tmp_path / "film.mkv", CODINGS["BT.709"], [chart(shift=k) for k in range(FRAMES)])
    crops = [CROP.window(frame) / 255 for frame in video.frames(film)]
    assert np.array_equal(shown(paste(film, crops, quality="lossless")), shown(film))


def test_standard_quality_shifts_no_colour(paste, tmp_path):
    film = first = film_in(tmp_path / "film.mkv", CODINGS["BT.709"], [chart(shift=k) for k in range(FRAMES)])
    crops = [CROP.window(frame) / 255 for frame in video.frames(film)]
    for _ in range(5):
        film = paste(film, crops)
    off = outside(shown(film)) - outside(shown(first))
    assert np.abs(off.mean((0, 1))).max() < 0.25 and np.abs(off).mean() < 1


def test_hdr_becomes_sdr_with_a_note(paste, tmp_path, caplog):
    film = film_in(tmp_path / "film.mkv", HLG, [chart()] * FRAMES)
    made = paste(film, [CROP.window(frame) / 255 for frame in video.frames(film)], quality="lossless")
    assert tags_of(made).transfer == 1 and "HDR (HLG)" in caplog.text
    assert np.abs(outside(shown(made)) - outside(shown(film))).mean() < 3


STUDIO = [
    ("ac3", "5.1(side)", 48000, "mkv"),
    ("flac", "7.1", 48000, "mkv"),
    ("pcm_s32le", "stereo", 192000, "mov"),
]


@pytest.mark.parametrize(("codec", "layout", "rate", "container"), STUDIO)
def test_a_pasted_film_keeps_every_channel(paste, tmp_path, codec, layout, rate, container):
    wave = tones(layout, rate, 1.0)
    film = film_with_sound(tmp_path / f"film.{container}", codec, wave, layout, rate)
    portraits = np.full((25, 16, 16, 3), 0.5)
    whole = paste(film, portraits, Crop(8, 8, 16, 16, (64, 48), Clip(25.0, 0.0, 25)))
    assert packets_of(whole) == packets_of(film)
    part = paste(film, portraits[:10], Crop(8, 8, 16, 16, (64, 48), Clip(25.0, 0.2, 10)))
    heard, heard_rate = sound(part, 0.0, 0.4)
    assert heard.shape == (len(wave), round(0.4 * rate)) and heard_rate == rate
    np.testing.assert_allclose(heard.std(1), wave[:, round(0.2 * rate) : round(0.6 * rate)].std(1), rtol=0.1)


@pytest.mark.parametrize(
    ("layout", "rate"), [("7.1", 192000), ("hexadecagonal", 48000), ("2.1", 44100), ("5.1", 48000)]
)
def test_audio_is_what_save_video_writes(comfy, tmp_path, layout, rate):
    """ComfyUI's AUDIO has no layout: Save Video takes mono and stereo, newer ones 5.1, at rates of AAC."""
    from fractions import Fraction

    import torch
    from comfy_api.latest import InputImpl, Types

    from sk_portrait.nodes.face.video_input import open_video

    film = film_with_sound(tmp_path / "film.mkv", "pcm_f32le", tones(layout, rate, 1.0), layout, rate)
    audio = open_video(InputImpl.VideoFromFile(str(film)), 0, 0, 0).audio(25)
    assert audio["waveform"].shape[1] in (2, 6) and audio["sample_rate"] <= 96000
    assert audio["waveform"].shape[2] == audio["sample_rate"]
    parts = Types.VideoComponents(images=torch.zeros(25, 48, 64, 3), audio=audio, frame_rate=Fraction(25))
    InputImpl.VideoFromComponents(parts).save_to(str(tmp_path / "saved.mp4"))
    assert sound(tmp_path / "saved.mp4", 0.0, 1.0)[0].shape[0] == audio["waveform"].shape[1]
