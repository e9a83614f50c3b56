"""Head pose, box, crop and patches against the official code's own numbers, and against what a mirror does."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_portrait.face_tools.geometry import rotation_angles, rotation_matrix, similarity, transform
from sk_portrait.face_tools.pictures.crop import CROP_RULES, portrait_crop
from sk_portrait.face_tools.pictures.head_pose_raster import box_corners, draw_box, driven_translation
from sk_portrait.face_tools.pictures.patches import (
    REGIONS,
    WINDOW,
    PatchPlan,
    face_matrix,
    motion_matrix,
    plan_patches,
)
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import FrameSizeError, TrackError, TrackSettingError
from sk_portrait.face_tools.trackers.head_pose import FOCAL_512, move_translation, solve
from sk_portrait.face_tools.trackers.schemes import SCHEMES
from sk_portrait.face_tools.trackers.template import RIGID_CM, RIGID_POINTS
from sk_portrait.testing.raised import raises

GOLDEN = Path(__file__).parent.parent / "golden" / "face"
TRUTH = json.loads((GOLDEN / "geometry.json").read_text())
HELLO = SCHEMES["hello222"]
LANDMARKS = np.float32(TRUTH["crop"]["landmarks_in"])


def track_of(landmarks, size, scheme="hello222", translation=(0, 0, -5)) -> FaceTrack:
    landmarks = np.asarray(landmarks, np.float32)
    count, xy = len(landmarks), landmarks[..., :2]
    return FaceTrack(
        "test", scheme, 25.0, size, np.ones(count, bool), np.concatenate([xy.min(1), xy.max(1)], 1), landmarks,
        np.zeros((count, 3), np.float32), np.tile(np.float32(translation), (count, 1)),
    )  # fmt: skip


@pytest.mark.parametrize("case", TRUTH["rects"], ids=lambda case: str(case["angle"]))
def test_box_corners_are_the_published_ones(case):
    assert np.abs(box_corners(case["angle"], case["trans"]) - case["rect"]).max() < 1e-4


def test_the_raster_is_the_published_one_pixel_for_pixel():
    case = TRUTH["rects"][4]
    published = cv2.imread(str(GOLDEN / "heatmap_rect4_bgr.png"))[..., ::-1]
    assert np.array_equal(draw_box(case["angle"], case["trans"]), published)


def test_the_box_scales_with_the_picture():
    case = TRUTH["rects"][4]
    assert np.allclose(box_corners(case["angle"], case["trans"], (1024, 1024)), 2 * np.array(case["rect"]))
    wide = box_corners(case["angle"], case["trans"], (768, 512))
    assert np.allclose(wide - [128, 0], case["rect"])


def test_a_box_behind_the_camera_is_an_error():
    with raises(TrackSettingError, setting="translation", value=-0.5):
        draw_box(np.radians([0, 90, 0]), [0, 0, -0.5])


def test_the_head_stays_with_the_reference_unless_asked():
    driver = track_of(np.zeros((3, 222, 2)), (512, 512)).replace(
        translation=np.float32([[0, 0, -5], [0.1, 0, -5], [0.2, 0, -6]])
    )
    reference = track_of(np.zeros((1, 222, 2)), (512, 512), translation=(0.03, 0.01, -4))
    assert np.allclose(driven_translation(driver, reference), [[0.03, 0.01, -4]] * 3)
    assert np.allclose(driven_translation(driver, reference, 0.5)[2], [0.13, 0.01, -4.5])
    with pytest.raises(
        TrackError, match="different sources, 'test' and 'other'|different sources, 'other' and 'test'"
    ):
        driven_translation(driver.replace(source="other"), reference)


def test_the_crop_is_the_published_one():
    crop = portrait_crop(track_of([LANDMARKS], tuple(TRUTH["crop"]["in_size"])), CROP_RULES["v5"])
    assert np.abs(crop.points(LANDMARKS)[:5] - TRUTH["crop"]["out0"]).max() < 1e-4


def test_translation_moves_between_pictures_as_published():
    # 0.7 crop pixels a frame pixel, crop centred at (210, 190) of a 512 px frame; both with the focal length of 512 px.
    centre = (256 + 0.7 * (256 - 210), 256 + 0.7 * (256 - 190))
    moved = move_translation([0.02, -0.03, -6.0], 1 / 0.7, centre, (512, 512), (512, 512))
    assert np.abs(moved - TRUTH["crop_transl"]).max() < 1e-4


def test_a_cropped_track_draws_the_box_where_the_whole_frame_has_it():
    track = track_of([LANDMARKS], (800, 600), translation=(0.05, -0.02, -5.0))
    crop = portrait_crop(track, CROP_RULES["v2"], 640)
    cropped = crop.track(track)

    def centre(t):
        return box_corners([0, 0, 0], t.translation[0], t.size).mean(0)

    assert np.allclose(crop.points(centre(track)), centre(cropped), atol=1e-2)
    widths = [np.ptp(box_corners([0, 0, 0], t.translation[0], t.size)[:, 0]) for t in (track, cropped)]
    assert widths[1] / widths[0] == pytest.approx(crop.scale, rel=1e-4)


def test_patch_warps_are_the_published_ones():
    assert np.abs(face_matrix(LANDMARKS, HELLO, (512, 512)) - TRUTH["umeyama_faceparts_M"]).max() < 1e-4
    assert np.abs(motion_matrix(LANDMARKS, HELLO) - TRUTH["umeyama_pdfgc_M"]).max() < 1e-4


def test_one_window_a_region_holds_its_landmarks_in_every_frame():
    rng = np.random.default_rng(0)
    clip = LANDMARKS + rng.normal(0, 3, (6, 222, 2))
    plan = plan_patches(track_of(clip, (512, 512)))
    for region in REGIONS:
        points = np.stack([transform(m, row) for m, row in zip(plan.face, clip)])[
            :, list(getattr(HELLO, region))
        ]
        inside = transform(plan.windows[region], points)
        assert inside.min() > 0 and inside.max() < WINDOW
        assert np.ptp(inside, axis=(0, 1)).max() == pytest.approx(WINDOW / 1.2, rel=1e-6)


@pytest.mark.parametrize("x, y", [(500, 300), (30, 20), (1250, 700)])
def test_patches_in_one_warp_are_the_published_ones_by_way_of_the_upright_face(x, y):
    """Up to OpenCV's rounding of places to 1/32 pixel; also where the face hangs over the frame's border."""
    frame = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8), (9, 9), 0)

    def upright(scale: float, to: float) -> np.ndarray:
        turn = scale * rotation_matrix((0, 0, 0.2))[:2, :2]
        return np.column_stack([turn, to - turn @ (x, y)])[None]

    corners = dict(zip(REGIONS, ((200, 200), (380, 210), (280, 420)), strict=True))
    windows = {
        name: np.array([[1.6, 0, -1.6 * left], [0, 1.6, -1.6 * top]]) for name, (left, top) in corners.items()
    }
    plan = PatchPlan((1280, 720), upright(1.9, 360), upright(0.6, 112), windows)
    pictures = plan.cut(frame, 0)
    assert frame[plan.part(0)].size < frame.size / 2
    upright = cv2.warpAffine(frame, plan.face[0], (720, 720), borderMode=cv2.BORDER_REPLICATE)
    for name, window in plan.windows.items():
        whole = cv2.warpAffine(upright, window, (WINDOW, WINDOW), borderMode=cv2.BORDER_REPLICATE)
        whole = cv2.resize(cv2.GaussianBlur(whole, (5, 5), 0), (224, 224), interpolation=cv2.INTER_CUBIC)
        assert (
            np.abs(pictures[name].astype(int) - whole).max() <= 3
            and np.abs(pictures[name].astype(int) - whole).mean() < 0.2
        )
    whole = cv2.warpAffine(
        frame, plan.motion[0], (224, 224), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    assert np.abs(pictures["motion_crop"].astype(int) - whole).max() <= 6
    with raises(FrameSizeError, size=(640, 360), expected=(1280, 720)):
        plan.cut(frame[::2, ::2], 0)


angles = st.tuples(st.floats(-3, 3), st.floats(-1.4, 1.4), st.floats(-3, 3))


@given(angles)
def test_rotations_round_trip(values):
    matrix = rotation_matrix(values)
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert np.allclose(rotation_matrix(rotation_angles(matrix)), matrix)


def head(rotation, translation, size) -> np.ndarray:
    """(478, 3) landmarks of the template's head as a distant camera sees it."""
    pixels = -FOCAL_512 * min(size) / 512 / translation[2]  # per metre
    camera = (RIGID_CM / 100 @ rotation_matrix(rotation).T + [*translation[:2], 0]) * pixels
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[list(RIGID_POINTS)] = camera * [1, -1, -1] + [size[0] / 2, size[1] / 2, 0]
    return landmarks


@given(
    st.tuples(*[st.floats(-1, 1)] * 3),
    st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(-9, -2)),
)
def test_the_pose_of_the_template_itself_is_exact(rotation, translation):
    size = (800, 512)
    found_rotation, found_translation, _ = solve(head(rotation, translation, size), "mediapipe478", size)
    assert np.allclose(found_rotation, rotation, atol=1e-3) and np.allclose(
        found_translation, translation, atol=1e-3
    )


def test_signs_of_the_angles():
    """Positive pitch: nose down. Positive yaw: nose to the right of the picture. Positive roll: counter-clockwise."""
    nose = RIGID_POINTS.index(4)
    still = RIGID_CM[nose]
    down, right = (RIGID_CM @ rotation_matrix(a).T for a in ([0.3, 0, 0], [0, 0.3, 0]))
    assert down[nose, 1] < still[1] - 1 and right[nose, 0] > still[0] + 1
    assert (rotation_matrix([0, 0, 0.3]) @ [1, 0, 0])[1] > 0


def test_a_similarity_fit_never_mirrors():
    points = np.random.default_rng(1).normal(size=(12, 3))
    _, rotation, _ = similarity(points, points * [-1, 1, 1], np.ones(12))
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_the_template_is_symmetric_and_has_its_stated_scale():
    pairs = {(-x, y, z) for x, y, z in map(tuple, RIGID_CM)}
    assert pairs == {tuple(row) for row in RIGID_CM * 1.0} and len(RIGID_POINTS) == 33
    left, right = (RIGID_CM[RIGID_POINTS.index(k)] for k in (33, 263))
    assert right[0] - left[0] == pytest.approx(8.89)
