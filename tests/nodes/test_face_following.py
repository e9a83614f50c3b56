"""A real face that walks through a wide picture: cropped, driven and pasted back by the nodes."""

import numpy as np
import pytest

from sk_portrait.face_tools.track_errors import TrackLengthError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.videos import write_video

MESH = "mediapipe.python.solutions.face_mesh"
pytest.importorskip(MESH, reason="the built-in FaceMesh needs mediapipe 0.10.21")
torch = pytest.importorskip("torch")

FRAMES, WIDTH, HEIGHT, HEAD = 16, 640, 240, 230
NOSE = 4


@pytest.fixture(scope="module")
def walk() -> np.ndarray:
    """(16, 240, 640, 3) uint8: the astronaut's head, paler, carried from the left border to the right."""
    from skimage.data import astronaut

    head = astronaut()[:HEAD, 110 : 110 + HEAD] * 0.6 + 50  # bicubic overshoot stays within 0..255
    frames = np.full((FRAMES, HEIGHT, WIDTH, 3), 128, np.uint8)
    for frame, x in zip(frames, np.linspace(0, WIDTH - HEAD, FRAMES).round().astype(int)):
        frame[5 : 5 + HEAD, x : x + HEAD] = head
    return frames


@pytest.fixture(scope="module")
def images(walk):
    return torch.from_numpy(walk).float() / 255


@pytest.fixture(scope="module")
def track(comfy, images):
    from sk_portrait.nodes import folders
    from sk_portrait.nodes.face.track import TrackFace

    folders.register()
    return TrackFace.execute(images, 25.0, "mediapipe-mesh", "largest", 1, "stop").args[0]


def cropped(images, track, crop):
    from sk_portrait.nodes.face.pictures import CropPortrait

    return CropPortrait.execute(images, track, "v1", 0.0, 256, crop).args


def test_the_fixed_square_loses_the_face_and_says_where(images, track):
    _, seen, crop, report = cropped(images, track, "fixed")
    assert not crop.moves and "The face lies outside the cropped square" in report
    assert 'Set crop to "follow"' in report and report.count("counted from 0") == 1
    assert any("outside the cropped square" in note for note in seen.notes)


def test_the_following_square_keeps_the_face(images, track):
    pictures, seen, crop, report = cropped(images, track, "follow")
    assert pictures.shape == (FRAMES, 256, 256, 3) and "outside" not in report
    middle = seen.landmarks[3:-3, NOSE, :2]  # near the borders the square stops and the face goes on
    assert np.ptp(middle, axis=0).max() < 0.05 * 256
    assert ((seen.landmarks[:, NOSE, :2] > 0) & (seen.landmarks[:, NOSE, :2] < 256)).all()


def test_what_is_pasted_into_following_squares_returns_to_its_own_place(images, track):
    from sk_portrait.nodes.face.paste import PasteBack

    pictures, _, crop, _ = cropped(images, track, "follow")
    back, covered = PasteBack.execute(images, pictures, crop, 0.1, 0.0).args
    assert covered.shape == (FRAMES, HEIGHT, WIDTH) and (back - images).abs().max() < 2 / 255
    painted, covered = PasteBack.execute(images, torch.ones_like(pictures), crop, 0.1, 0.0).args
    assert torch.equal(painted[covered == 0], images[covered == 0])
    for k in range(FRAMES):
        x, y = track.landmarks[k, NOSE, :2].round().astype(int)
        assert covered[k, y, x] == 1 and (painted[k, y, x] > 0.999).all()
    with raises(TrackLengthError, frames=1, expected=16):
        PasteBack.execute(images[:1], pictures[:1], crop, 0.1, 0.0)


def test_a_masked_paste_into_following_squares_covers_the_mask_alone(images, track):
    from sk_portrait.nodes.face.paste import PasteBack

    pictures, _, crop, _ = cropped(images, track, "follow")
    mask = torch.zeros(1, 256, 256)
    mask[:, :, :128] = 1
    _, covered = PasteBack.execute(images, torch.ones_like(pictures), crop, 0.0, 0.0, mask).args
    for k in range(FRAMES):
        x, y, side = crop.path[k]
        assert covered[k, int(y + side / 2), int(x + side / 4)] > 0.999
        assert covered[k, int(y + side / 2), int(x + 3 * side / 4)] < 0.001


def test_a_loaded_track_cuts_its_own_squares_again(images, track, tmp_path):
    from sk_portrait.face_tools import track_file

    pictures, seen, crop, _ = cropped(images, track, "follow")
    track_file.save(seen, tmp_path / "walk.npz")
    again, same, where, _ = cropped(images, track_file.load(tmp_path / "walk.npz"), "fixed")
    assert torch.equal(again, pictures) and np.array_equal(where.path, crop.path)
    assert np.array_equal(same.landmarks, seen.landmarks)


def test_a_walk_on_film_is_followed_and_pasted_back_into_the_film(comfy, walk, tmp_path):
    from comfy_api.latest import InputImpl

    from sk_portrait.face_tools import video as reader
    from sk_portrait.nodes.face.paste import PasteBackVideo
    from sk_portrait.nodes.face.track import TrackVideo

    film = InputImpl.VideoFromFile(str(write_video(tmp_path / "walk.mp4", walk, codec="libx264")))
    which = {"source": "mediapipe-mesh", "face": "largest", "face_number": 1, "on_miss": "stop"}
    square = {"generation": "v1", "factor": 0.0, "size": 256, "crop": "follow"}
    images, track, crop, *_, report = TrackVideo.execute(film, 0.0, 0.0, 0.0, **which, **square).args
    assert len(images) == FRAMES and crop.moves and crop.clip.frames == FRAMES and "outside" not in report
    assert np.array_equal(track.crop, crop.path) and track.whole == (WIDTH, HEIGHT)
    (pasted,) = PasteBackVideo.execute(film, images, crop, 0.1, 0.0).args
    original, result = (list(reader.frames(source.get_stream_source())) for source in (film, pasted))
    assert len(result) == FRAMES
    apart = [np.abs(a.astype(float) - b).mean() for a, b in zip(original, result)]
    assert max(apart) < 2


def test_eyes_mouth_and_head_pose_are_made_of_following_squares(images, track):
    from sk_portrait.nodes.face.pictures import DrawHeadPose, FacePatches

    pictures, seen, _, _ = cropped(images, track, "follow")
    left_eye, *_ = FacePatches.execute(pictures, seen).args
    whole, *_ = FacePatches.execute(images, track).args
    assert (left_eye - whole).abs().mean() < 0.02
    (boxes,) = DrawHeadPose.execute(seen, 1.0, 256).args
    for k in range(FRAMES):
        rows, columns = torch.nonzero(boxes[k].sum(-1) > 0, as_tuple=True)
        face = seen.box[k]
        assert face[0] < columns.float().mean() < face[2] and face[1] < rows.float().mean() < face[3]
