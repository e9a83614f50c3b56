"""Colours of films: read exactly by matrix, range and transfer, and kept where nothing is pasted."""

from dataclasses import replace

import av
import numpy as np
import pytest

from sk_portrait.face_tools import video
from sk_portrait.face_tools.colour import Colour
from sk_portrait.face_tools.hdr import to_sdr
from sk_portrait.face_tools.video_file import write
from sk_portrait.testing.colours import CODINGS, HLG, PQ, chart, film_in, tags_of

PICTURES = [chart(shift=k) for k in range(3)]


def inside(picture: np.ndarray) -> np.ndarray:
    """Pixels in the middle of the chart's patches, where chroma of half the size says nothing else."""
    height, width = picture.shape[:2]
    across, down = np.arange(width) % 16, np.arange(height) % 16
    return picture[(2 < down) & (down < 13)][:, (2 < across) & (across < 13)]


def shown(path) -> np.ndarray:
    return np.stack(list(video.frames(path))).astype(int)


@pytest.mark.parametrize("name", CODINGS)
def test_a_film_is_read_by_its_matrix_and_range(tmp_path, name):
    film = film_in(tmp_path / "film.mkv", CODINGS[name], [chart()])
    off = inside(shown(film)[0] - chart())
    assert np.abs(off).max() <= 2 and np.abs(off.mean((0, 1))).max() < 0.2  # 8 bits of luma and chroma


@pytest.mark.parametrize(("height", "name"), [(480, "BT.601"), (720, "BT.709"), (1080, "BT.709")])
def test_a_film_that_names_no_matrix_is_read_as_players_do(tmp_path, height, name):
    picture = chart(64, height)
    film = film_in(tmp_path / "film.mkv", CODINGS[name], [picture], tagged=False)
    assert np.abs(inside(shown(film)[0] - picture)).max() <= 2


FORMATS = (
    "nv12",
    "yuyv422",
    "yuv422p",
    "yuv444p",
    "yuv420p10le",
    "yuv422p10le",
    "p010le",
    "yuv411p",
    "gray",
    "yuva420p",
)


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_every_pixel_format_is_read(pixel_format):
    """FFmpeg converts the chart to the format; what is read of that is the chart again."""
    from sk_portrait.face_tools.display_transform import shown as read

    context = av.CodecContext.create("rawvideo", "w")
    frame = av.VideoFrame.from_ndarray(np.full((96, 160, 3), (120, 90, 60), np.uint8), format="rgb24")
    frame = frame.reformat(format=pixel_format, dst_colorspace="ITU709")
    frame.colorspace = 1
    pixels = read(frame, 1.0, context).rgb()
    expected = (120, 90, 60) if pixel_format != "gray" else (96, 96, 96)
    assert pixels.shape == (96, 160, 3) and np.abs(pixels.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize(("quality", "once", "five"), [("lossless", 0, 0), ("high", 2, 2)])
def test_five_rounds_keep_the_colours_and_their_tags(tmp_path, name, quality, once, five):
    film = first = film_in(tmp_path / "film.mkv", CODINGS[name], PICTURES)
    for k in range(5):
        written = tmp_path / f"{k}.mp4"
        write(str(written), video.pictures(film), 25.0, quality=quality)
        film = written
        off = np.abs(shown(film) - shown(first))
        assert off.max() <= (once if k == 0 else five) and np.percentile(off, 99) <= 1
    assert tags_of(film) == CODINGS[name]


def test_the_standard_quality_shifts_no_colour(tmp_path):
    film = first = film_in(tmp_path / "film.mkv", CODINGS["BT.709"], PICTURES)
    for k in range(5):
        write(str(tmp_path / f"{k}.mp4"), video.pictures(film), 25.0)
        film = tmp_path / f"{k}.mp4"
    off = shown(film) - shown(first)
    assert np.abs(off.mean((0, 1, 2))).max() < 0.1 and np.abs(off).mean() < 0.5


def test_a_709_film_of_720_lines_stays_709(tmp_path):
    picture = chart(64, 720)
    film = film_in(tmp_path / "film.mkv", CODINGS["BT.709"], [picture], tagged=False)
    write(str(tmp_path / "written.mp4"), video.pictures(film), 25.0)
    assert tags_of(tmp_path / "written.mp4").matrix == 1
    assert np.abs(inside(shown(tmp_path / "written.mp4")[0] - picture)).max() <= 3


def test_pictures_are_written_as_bt709_and_say_so(tmp_path):
    write(str(tmp_path / "film.mp4"), iter([chart()]), 25.0, quality="lossless")
    assert tags_of(tmp_path / "film.mp4") == Colour()
    assert np.abs(inside(shown(tmp_path / "film.mp4")[0] - chart())).max() <= 2


@pytest.mark.parametrize("full", [False, True])
def test_ten_bits_become_eight_by_rounding(tmp_path, full):
    coding = replace(CODINGS["BT.709"], bits=10, full=full)
    film = film_in(tmp_path / "film.mkv", coding, [chart()])
    assert np.abs(inside(shown(film)[0] - chart())).max() <= 1
    write(str(tmp_path / "written.mp4"), video.pictures(film), 25.0, quality="lossless")
    assert np.abs(inside(shown(tmp_path / "written.mp4")[0] - chart())).max() <= 2


@pytest.mark.parametrize("coding", [HLG, PQ], ids=lambda coding: coding.hdr)
def test_hdr_is_tone_mapped_and_says_so(tmp_path, coding):
    film = film_in(tmp_path / "film.mkv", coding, [chart()])
    assert video.probe(film).hdr == coding.hdr
    write(str(tmp_path / "written.mp4"), video.pictures(film), 25.0, quality="lossless")
    assert tags_of(tmp_path / "written.mp4") == Colour() and video.probe(tmp_path / "written.mp4").hdr is None
    assert np.abs(inside((shown(tmp_path / "written.mp4") - shown(film))[0])).max() <= 2


@pytest.mark.parametrize(("transfer", "white"), [("HLG", 0.75), ("PQ", 0.58)])
def test_tone_mapping_keeps_grey_grey_and_leaves_room_for_highlights(transfer, white):
    ramp = np.repeat(np.linspace(0, 1, 101, dtype=np.float32)[None, :, None], 3, -1)
    grey = to_sdr(ramp, transfer)[0]
    assert np.ptp(grey, axis=-1).max() < 2e-3 and np.diff(grey[:, 0]).min() > -1e-6 and grey.max() <= 1
    at_white = np.interp(white, ramp[0, :, 0], grey[:, 0])
    assert 0.8 < at_white < 0.95  # diffuse white of BT.2408 is bright, and less than full
