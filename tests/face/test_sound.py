"""The sound of any film is read, mixed by FFmpeg's rules, and comes into a written film as it was."""

import itertools

import av
import numpy as np
import pytest

from sk_portrait.face_tools import soundtrack
from sk_portrait.face_tools.sound import Carrier, Form, form_of, sound
from sk_portrait.face_tools.video_file import write
from sk_portrait.testing.sounds import film_with_sound, packets_of, tones
from sk_portrait.testing.videos import numbered

LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1")
AUDIO = Carrier(("mono", "stereo"), (44100, 48000, 96000))
# codec, layout, rate, sample format, container: what cameras, broadcasters, studios and phones write
SOUNDTRACKS = [
    *((codec, layout, 48000, "", "mkv") for codec in ("aac", "pcm_s16le") for layout in LAYOUTS),
    *(("flac", layout, 48000, "s16", "mkv") for layout in ("2.1", "5.1", "6.1", "7.1")),
    *(("libopus", layout, 48000, "", "mkv") for layout in ("quad", "5.1", "7.1")),
    *((codec, "5.1(side)", 48000, "", "mkv") for codec in ("ac3", "eac3")),
    *(("ac3", "5.1(side)", 48000, "", container) for container in ("ts", "mp4")),
    *(("pcm_s32le", "stereo", rate, "", "mov") for rate in (8000, 96000, 176400, 192000)),
    *((codec, "stereo", 48000, "", "mov") for codec in ("pcm_s24le", "pcm_f32le", "alac")),
    ("pcm_u8", "mono", 8000, "", "avi"),
    ("libmp3lame", "stereo", 44100, "", "mp4"),
    ("pcm_f32le", "7.1", 192000, "", "mkv"),
    ("pcm_s16le", "hexadecagonal", 48000, "", "mkv"),
]


def levels(waveform: np.ndarray) -> np.ndarray:
    """RMS of every channel, without the first and last tenth, where codecs fade."""
    edge = waveform.shape[1] // 10
    return np.sqrt((waveform[:, edge:-edge] ** 2).mean(1))


def pasted(source, path, start: float, seconds: float, whole: bool):
    """A film with a part of the sound of another one."""
    track = soundtrack.of_film(source, start, seconds, whole)
    write(str(path), (numbered(k % 30) for k in range(round(25 * seconds))), 25.0, track)
    return path


@pytest.mark.parametrize("case", SOUNDTRACKS, ids=lambda case: "-".join(map(str, case)).replace("--", "-"))
def test_any_sound_is_read_and_written_with_every_channel(tmp_path, case):
    codec, layout, rate, form, container = case
    wave = tones(layout, rate, 1.0)
    source = film_with_sound(tmp_path / f"film.{container}", codec, wave, layout, rate, form)
    heard, heard_rate = sound(source, 0.0, 1.0)
    assert heard.shape == wave.shape and heard_rate == rate
    np.testing.assert_allclose(levels(heard), levels(wave), rtol=0.06)
    for start, whole in ((0.0, True), (0.2, False)):
        film = pasted(source, tmp_path / "pasted.mp4", start, 1.0 - start, whole)
        again, again_rate = sound(film, 0.0, 1.0 - start)
        if len(wave) <= 8:
            assert again_rate == rate and len(again) == len(wave)
            part = heard[:, round(start * rate) :]
            np.testing.assert_allclose(levels(again), levels(part), rtol=0.06)
        else:
            assert form_of(film).layout == "7.1"  # the most that an .mp4 carries


COPIED = [("aac", "mp4"), ("ac3", "mkv"), ("flac", "mkv"), ("libopus", "mkv"), ("pcm_s24le", "mov")]


@pytest.mark.parametrize(("codec", "container"), COPIED)
def test_the_sound_of_a_whole_film_is_copied_packet_by_packet(tmp_path, codec, container):
    source = film_with_sound(
        tmp_path / f"film.{container}", codec, tones("stereo", 48000, 1.0), "stereo", 48000
    )
    assert packets_of(pasted(source, tmp_path / "pasted.mp4", 0.0, 1.0, True)) == packets_of(source)


def test_lossless_sound_that_is_cut_stays_lossless(tmp_path):
    wave = tones("5.1", 192000, 1.0)
    source = film_with_sound(tmp_path / "film.mov", "pcm_s16le", wave, "5.1", 192000)
    again, rate = sound(pasted(source, tmp_path / "pasted.mp4", 0.2, 0.6, False), 0.0, 0.6)
    assert rate == 192000
    np.testing.assert_allclose(again, wave[:, 38400:153600], atol=1 / 32768)


def test_speech_in_the_centre_of_5_1_is_heard_in_stereo_at_minus_3_db(tmp_path):
    wave = np.zeros((6, 48000), np.float32)
    wave[2] = tones("mono", 48000, 1.0)[0]
    source = film_with_sound(tmp_path / "film.mkv", "flac", wave, "5.1", 48000)
    heard, _ = sound(source, 0.0, 1.0, carrier=AUDIO)
    np.testing.assert_allclose(levels(heard) / levels(wave[2:3]), [0.5**0.5] * 2, rtol=1e-3)


@pytest.mark.parametrize(
    "layout", [*LAYOUTS, "hexadecagonal", "7 channels", "12 channels", "ambisonic 1", "1 channels (LFE)"]
)
@pytest.mark.parametrize("rate", [8000, 192000])
def test_what_is_not_carried_is_mixed_to_what_is(layout, rate):
    nearest = AUDIO.nearest(Form(layout, rate))
    assert nearest.layout == ("mono" if av.AudioLayout(layout).nb_channels == 1 else "stereo")
    assert nearest.rate == (44100 if rate == 8000 else 96000)


def test_samples_that_are_no_numbers_are_silence(tmp_path):
    wave = tones("stereo", 48000, 1.0)
    wave[:, 10000:10100] = np.nan
    wave[:, 20000] = np.inf
    source = film_with_sound(tmp_path / "film.mov", "pcm_f32le", wave, "stereo", 48000)
    heard, _ = sound(source, 0.0, 1.0)
    assert np.isfinite(heard).all() and not heard[:, 10000:10100].any() and (heard[:, 20000] == 1).all()
    for start, whole in itertools.product((0.0, 0.1), (True, False)):
        pasted(source, tmp_path / "pasted.mp4", start, 0.8, whole)
    write(str(tmp_path / "held.mp4"), (numbered(k) for k in range(25)), 25.0, (wave, 48000))
    assert np.isfinite(sound(tmp_path / "held.mp4", 0.0, 1.0)[0]).all()


def test_damaged_packets_are_silence_and_the_rest_stays_in_time(tmp_path):
    wave = tones("mono", 48000, 4.0)
    source = film_with_sound(tmp_path / "film.mkv", "flac", wave, "mono", 48000, frames=100)
    data = bytearray(source.read_bytes())
    _, packets = packets_of(source)
    for packet in packets[10:20]:
        at = data.index(packet)
        data[at : at + len(packet)] = bytes(len(packet))
    source.write_bytes(data)
    heard, _ = sound(source, 0.0, 4.0)
    np.testing.assert_allclose(heard[:, 120_000:], wave[:, 120_000:], atol=1e-3)
    assert not heard[:, 60_000:70_000].any()


def test_picture_and_sound_of_a_written_film_lie_side_by_side(tmp_path):
    """A player that streams a film needs both at hand; before, all of the sound lay at the end."""
    write(
        str(tmp_path / "film.mp4"),
        (numbered(k % 30) for k in range(100)),
        25.0,
        (tones("stereo", 48000, 4.0), 48000),
    )
    with av.open(str(tmp_path / "film.mp4")) as container:
        times = {"video": 0.0, "audio": 0.0}
        for packet in sorted((one for one in container.demux() if one.size), key=lambda one: one.pos):
            times[packet.stream.type] = float(packet.dts * packet.time_base)
            assert abs(times["video"] - times["audio"]) < 2.5
