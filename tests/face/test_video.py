"""Reading videos: every frame at its time, upright, with its sound, and one clear sentence for what is not a video."""

import gc
import io
from itertools import islice

import av
import numpy as np
import pytest

from sk_portrait.face_tools import video
from sk_portrait.face_tools.sound import sound
from sk_portrait.face_tools.video import VideoError
from sk_portrait.testing.videos import number_of, numbered, write_audio_only, write_video


def numbers(path, **options) -> list[int]:
    return [number_of(frame) for frame in video.frames(path, **options)]


def test_every_frame_once_at_its_own_rate(tmp_path):
    path = write_video(tmp_path / "plain.mp4", [numbered(k) for k in range(25)])
    assert numbers(path) == list(range(25))
    clip = video.probe(path)
    assert (clip.fps, clip.size, clip.audio) == (25, (64, 48), False) and clip.seconds == pytest.approx(1)
    assert numbers(io.BytesIO(path.read_bytes())) == list(range(25))


@pytest.mark.parametrize("fps, expected", [(12.5, range(0, 25, 2)), (50, [k // 2 for k in range(50)])])
def test_another_rate_samples_and_holds(tmp_path, fps, expected):
    path = write_video(tmp_path / "plain.mp4", [numbered(k) for k in range(25)])
    assert numbers(path, fps=fps) == list(expected)


def test_a_part_of_a_clip(tmp_path):
    path = write_video(tmp_path / "plain.mp4", [numbered(k) for k in range(25)])
    assert numbers(path, start=0.4, seconds=0.2) == [10, 11, 12, 13, 14]


def test_a_variable_rate_keeps_its_timing(tmp_path):
    # Frame 1 stays for 0.4 s, frame 4 for 0.3 s.
    path = write_video(
        tmp_path / "vfr.mkv", [numbered(3 * k) for k in range(6)], [0, 100, 500, 600, 700, 1000]
    )
    assert [n // 3 for n in numbers(path, fps=10)][:11] == [0, 1, 1, 1, 1, 2, 3, 4, 4, 4, 5]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_phone_video_comes_upright(tmp_path, rotation):
    """A file says by how much a viewer must turn it; the top of the upright picture is the bright half."""
    upright = np.zeros((64, 48, 3), np.uint8)
    upright[:32] = 200
    stored = np.rot90(upright, -rotation // 90)
    path = write_video(tmp_path / "phone.mp4", [stored] * 3, rotation=rotation)
    frame = next(video.frames(path))
    assert frame.shape[:2] == upright.shape[:2] and video.probe(path).size == (48, 64)
    assert frame[:28].mean() > 180 and frame[36:].mean() < 20


def test_sound_is_kept_and_cut_to_the_picture(tmp_path):
    path = write_video(tmp_path / "sound.mp4", [numbered(k) for k in range(25)], tone_seconds=1.0)
    wave, rate = sound(path, 0.0, 0.5)
    assert wave.shape == (1, 8000) and rate == 16000
    crossings = (np.diff(np.sign(wave[0, 2000:6000])) != 0).sum()
    assert crossings == pytest.approx(2 * 440 * 0.25, abs=3)
    assert sound(path, 0.0, 3.0)[0].shape == (1, 48000)
    assert sound(write_video(tmp_path / "silent.mp4", [numbered(0)] * 3), 0.0, 1.0) is None


def test_one_frame(tmp_path):
    assert numbers(write_video(tmp_path / "one.mp4", [numbered(7)])) == [7]


def test_long_clips_stream(tmp_path):
    path = write_video(tmp_path / "long.mp4", [numbered(k % 30) for k in range(2000)])
    assert numbers(path) == [k % 30 for k in range(2000)]
    assert [number_of(frame) for frame in islice(video.frames(path), 3)] == [0, 1, 2]


def test_no_frame_waits_for_the_garbage_collector(tmp_path):
    """Frames that only it would find fill hundreds of MB before it looks."""
    path = write_video(tmp_path / "clip.mp4", [numbered(k) for k in range(40)])
    gc.collect()
    gc.disable()
    try:
        list(video.frames(path))
        assert not [one for one in gc.get_objects() if isinstance(one, av.VideoFrame)]
    finally:
        gc.enable()


def test_files_that_are_no_video_say_so_in_one_sentence(tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    text = tmp_path / "text.mp4"
    text.write_text("<html>not a video</html>" * 100)
    whole = write_video(tmp_path / "whole.mp4", [numbered(k) for k in range(25)]).read_bytes()
    no_index = tmp_path / "no_index.mp4"
    no_index.write_bytes(whole[: len(whole) // 2])
    for path, sentence in [
        (empty, r"empty.mp4 is empty \(0 bytes\)\."),
        (text, "text.mp4 is not a video"),
        (no_index, "no_index.mp4 is not a video, or is incomplete"),
        (write_audio_only(tmp_path / "song.m4a"), r"song.m4a has no picture: it holds audio only\."),
        (tmp_path / "absent.mp4", "There is no file .*absent.mp4"),
    ]:
        for read in (video.probe, lambda file: list(video.frames(file))):
            with pytest.raises(VideoError, match=sentence):
                read(path)


def test_a_file_that_was_cut_short_is_an_error_not_a_shorter_clip(tmp_path):
    import av

    source = write_video(
        tmp_path / "whole.mp4",
        [np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8) for k in range(50)],
    )
    fast = tmp_path / "fast.mp4"
    with av.open(str(source)) as given, av.open(str(fast), "w", options={"movflags": "faststart"}) as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    data = fast.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(VideoError, match="cut.mp4 (was cut short: it announces 2.00 s|is damaged after)"):
        list(video.frames(cut))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two minutes at 25 frames per second with sound, a key frame every half second; its grey level tells the second."""
    frames = [numbered(second % 30) for second in range(120) for _ in range(25)]
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", frames, tone_seconds=120.0)


def test_a_late_part_is_gone_to_and_begins_exactly_there(film):
    decoded = []
    seen = [
        number_of(frame)
        for frame in video.frames(film, start=99.5, seconds=1.0, tick=lambda: decoded.append(1))
    ]
    assert seen == [99 % 30] * 13 + [100 % 30] * 12 and len(decoded) < 100
    decoded.clear()
    wave, rate = sound(film, 100.0, 1.0, tick=lambda: decoded.append(1))
    assert wave.shape == (1, rate) and len(decoded) < 100
    expected = np.sin((100 * 16000 + np.arange(rate)) * 2 * np.pi * 440 / 16000) / 2
    assert np.corrcoef(wave[0], expected)[0, 1] > 0.99


def test_only_the_part_that_is_asked_for_is_decoded_and_kept(film):
    decoded = []
    assert len(numbers(film, seconds=2.0, tick=lambda: decoded.append("picture"))) == 50
    wave, rate = sound(film, 0.0, 2.0, tick=lambda: decoded.append("sound"))
    assert decoded.count("picture") < 60 and decoded.count("sound") < 2 * rate / 1024 + 5
    assert wave.base is None and wave.shape == (1, 2 * rate)
