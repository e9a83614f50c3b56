"""A result against the track that drove it: drawn heads with known truth, planted faults, and a real clip."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, State, clip, draw, truth
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.comparison import curves, distances, faults, limits, looks, pictures, pixels
from sk_portrait.face_tools.comparison.compare import compare, report
from sk_portrait.face_tools.comparison.evidence import Evidence
from sk_portrait.face_tools.comparison.gather import gather
from sk_portrait.face_tools.track_errors import FrameSizeError, TrackLengthError
from sk_portrait.face_tools.trackers.straight_look import with_zero
from sk_portrait.testing import talking_head
from sk_portrait.testing.raised import raises

FPS, SIZE, FRAMES, MOTION = 15.0, 160, 60, 3
ANN, BEN, DAN, EVE = (Identity.of(seed) for seed in (11, 1, 7, 4))
NO_MESH = "the built-in FaceMesh needs mediapipe 0.10.21"


@cache
def acted(who=BEN) -> tuple[np.ndarray, ...]:
    """One person in the motion that all of them share."""
    return tuple(draw(who, state, SIZE) for state in clip(MOTION, FRAMES, FPS))


def told(states=None, who=BEN, **changes):
    """The exact track of what was drawn."""
    return truth(who, states or clip(MOTION, FRAMES, FPS), SIZE, FPS).replace(**changes)


def judged(frames, result=None, driver=None, driver_frames=None):
    """Compare frames with Ann's motion; without a track of their own they are read without error."""
    asked = driver or told(who=ANN)
    evidence, error = gather(asked, result or told(), lambda: frames, lambda: driver_frames or acted(ANN))
    return compare(evidence, error=error)


def kinds(comparison) -> set[str]:
    return {fault.kind for fault in comparison.faults}


def frames_of(comparison, kind: str) -> tuple[int, ...]:
    return next(fault.frames for fault in comparison.faults if fault.kind == kind)


# A performance that is exactly as asked


def test_another_person_who_acts_exactly_as_asked_is_at_distance_0_and_correlation_1():
    comparison = judged(acted())
    assert comparison.faults == () and comparison.late == 0
    assert comparison.pose_distance == comparison.expression_distance == 0
    assert list(comparison.correlations.values()) == pytest.approx([1] * len(curves.CURVES))
    assert list(comparison.gains.values()) == pytest.approx([1] * len(curves.CURVES))


def test_a_pose_that_is_off_by_a_known_angle_is_measured_in_degrees():
    turned = told().replace(rotation=told().rotation + np.radians([0, 6, 0]).astype(np.float32))
    comparison = judged(acted(), turned)
    assert comparison.pose_distance == pytest.approx(2, abs=1e-3)  # the mean of 0, 6 and 0
    assert comparison.offset == pytest.approx([0, 6, 0], abs=1e-3)
    assert comparison.numbers()["apd"] == pytest.approx(np.radians(2), abs=1e-4)


def test_tracks_of_one_tracker_whose_pitch_counts_from_two_zeros_are_brought_together():
    old = with_zero(told(), np.radians(9))
    assert judged(acted(), old).pose_distance == pytest.approx(0, abs=1e-4)


def test_half_the_movement_is_half_the_gain_at_full_correlation():
    half = told().replace(coefficients=0.5 * told().coefficients)
    comparison = judged(acted(), half)
    assert comparison.gains["jaw"] == pytest.approx(0.5)
    assert comparison.correlations["jaw"] == pytest.approx(1)


def test_a_missed_face_is_named_and_left_out_of_the_means():
    lost = np.arange(FRAMES) == 7
    comparison = judged(acted(), told(valid=~lost))
    assert frames_of(comparison, "missed") == (7,)
    assert np.flatnonzero(np.isnan(comparison.pose)).tolist() == [7]
    assert comparison.pose_distance == 0 and comparison.worst[0] == 7


def test_tracks_of_two_lengths_are_refused_with_both():
    with raises(TrackLengthError, frames=60, expected=59):
        judged(acted()[:-1], told().rows(slice(0, -1)))


# Planted faults


def test_a_frozen_second_is_found():
    frames = [*acted()[:30], *[acted()[30]] * 15, *acted()[45:]]
    comparison = judged(frames)
    assert kinds(comparison) == {"frozen"} and frames_of(comparison, "frozen") == tuple(range(30, 45))
    assert "stands still for 1.0 s" in report(comparison)


def test_a_mirrored_frame_is_found():
    frames = [frame[:, ::-1] if k == 40 else frame for k, frame in enumerate(acted())]
    comparison = judged(frames)
    assert kinds(comparison) == {"mirrored"} and frames_of(comparison, "mirrored") == (40,)


def test_a_jaw_that_never_opens_is_found():
    states = clip(MOTION, FRAMES, FPS)
    others = np.array(ARKIT_51) != "jawOpen"
    shut = [replace(state, coefficients=state.coefficients * others) for state in states]
    comparison = judged([draw(BEN, state, SIZE) for state in shut], told(shut))
    assert kinds(comparison) == {"still jaw"} and "The jaw never opens" in report(comparison)
    assert comparison.gains["jaw"] == 0 and np.isnan(comparison.correlations["jaw"])


@pytest.mark.parametrize("seam", ["a shift", "another brightness"])
def test_a_seam_is_found(seam):
    def changed(frame):
        if seam == "a shift":
            matrix = np.float32([[1, 0, 5], [0, 1, 3]])
            return cv2.warpAffine(frame, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
        return np.clip(frame.astype(int) + 14, 0, 255).astype(np.uint8)

    frames = [frame if k < 38 else changed(frame) for k, frame in enumerate(acted())]
    comparison = judged(frames)
    assert kinds(comparison) == {"seam"} and frames_of(comparison, "seam") == (37, 38)
    assert comparison.seams > 3


def test_2_degrees_of_jitter_are_found():
    noise = np.random.default_rng(0).normal(0, 2, (FRAMES, 3))
    states = clip(MOTION, FRAMES, FPS)
    turns = np.radians(noise).astype(np.float32)
    shaken = [replace(state, rotation=state.rotation + turn) for state, turn in zip(states, turns)]
    comparison = judged([draw(BEN, state, SIZE) for state in shaken], told(shaken))
    assert kinds(comparison) == {"jitter"} and comparison.shakes[1] > 2 > 0.5 > comparison.shakes[0]
    assert comparison.flicker > 1


def test_another_persons_face_is_found():
    frames = [acted(EVE)[k] if 20 <= k < 40 else frame for k, frame in enumerate(acted())]
    comparison = judged(frames)
    assert kinds(comparison) == {"stranger"} and frames_of(comparison, "stranger") == tuple(range(20, 40))


def test_a_mirrored_clip_is_found():
    turned = told().replace(rotation=told().rotation * np.float32([1, -1, -1]))
    assert kinds(judged([frame[:, ::-1] for frame in acted()], turned)) == {"mirrored clip"}


# A real clip


@pytest.fixture(scope="module")
def real():
    """Two seconds of the talking head and its track by the mesh, with estimated coefficients."""
    pytest.importorskip("mediapipe.python.solutions.face_mesh", reason=NO_MESH)
    frames = talking_head.talking_head()[::2]
    return frames, read(frames)


def read(frames):
    from sk_portrait.face_tools.editing.approximate import approximate_coefficients
    from sk_portrait.face_tools.trackers import mediapipe_mesh
    from sk_portrait.face_tools.trackers.faces import ModelFiles
    from sk_portrait.face_tools.trackers.tracking import track_faces

    with mediapipe_mesh.open_source(ModelFiles()) as source:
        return approximate_coefficients(track_faces(frames, source, FPS, on_miss="interpolate"))


def against(real, frames, track=None):
    return judged(frames, track or read(frames), real[1], real[0])


@pytest.fixture(scope="module")
def itself(real):
    return against(real, real[0], real[1])


def test_a_real_clip_against_itself_is_0_and_1(itself):
    assert itself.faults == () and itself.late == 0 and itself.flicker == 0
    assert itself.pose_distance == itself.expression_distance == itself.face_expression == 0
    moving = [value for value in itself.correlations.values() if not np.isnan(value)]
    assert len(moving) >= 5 and moving == pytest.approx([1] * len(moving))


def test_a_real_clip_delayed_by_one_frame_is_late_and_further_away(real, itself):
    late = against(real, (real[0][0], *real[0][:-1]), real[1].rows(np.r_[0, 0 : len(real[1]) - 1]))
    assert late.late == 1 and "late" in kinds(late)
    assert late.pose_distance > itself.pose_distance and late.expression_distance > 0.01
    assert late.correlations["jaw"] < 0.9


def test_a_real_clip_that_is_mirrored_turns_the_other_way(real):
    mirrored = against(real, [np.ascontiguousarray(frame[:, ::-1]) for frame in real[0]])
    assert mirrored.correlations["yaw"] < 0 and mirrored.correlations["pitch"] > 0.8
    assert mirrored.correlations["jaw"] > 0.8


def test_a_real_clip_with_another_face_pasted_in_names_those_frames(real):
    from skimage.data import astronaut

    points, scheme = real[1].landmarks, real[1].scheme
    other = read([astronaut()[:300, 90:390].copy()] * 10)
    face = looks.aligned_face(astronaut()[:300, 90:390], other.landmarks[0], scheme)
    pasted = [paste(frame, face, points[k]) if 20 <= k < 35 else frame for k, frame in enumerate(real[0])]
    comparison = against(real, pasted, real[1])
    assert "stranger" in kinds(comparison) and set(frames_of(comparison, "stranger")) <= set(range(20, 35))
    assert len(frames_of(comparison, "stranger")) > 10


def paste(frame, face, points):
    """The aligned face over that of a frame."""
    from sk_portrait.face_tools.geometry import similarity_matrix
    from sk_portrait.face_tools.trackers.schemes import scheme_of

    five = points[list(scheme_of("mediapipe478").motion), :2].astype(float)
    matrix, size = similarity_matrix(looks.TEMPLATE, five), frame.shape[1::-1]
    inside = cv2.warpAffine(np.ones(face.shape, np.uint8), matrix, size)
    return np.where(inside, cv2.warpAffine(face, matrix, size), frame)


def test_drawn_heads_are_as_far_apart_as_the_tracker_errs():
    """Two drawn people in one motion, read by a real tracker: as near as both are to the truth."""
    pytest.importorskip("mediapipe.python.solutions.face_mesh", reason=NO_MESH)
    states = [replace(state, rotation=state.rotation * np.float32(0.5)) for state in clip(5, 30, FPS)]
    found = [read([draw(who, state, 256) for state in states]) for who in (DAN, EVE)]
    true = [truth(who, states, 256, FPS) for who in (DAN, EVE)]
    errors = [compare(Evidence(*pair)).pose_distance for pair in zip(true, found)]
    assert compare(Evidence(*found)).pose_distance <= sum(errors) and max(errors) < 6


# The measures themselves


def test_psnr_and_ssim_are_those_of_scikit_image():
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    draw_noise = np.random.default_rng(1)
    a = draw(ANN, State(), 96)
    b = np.clip(a + draw_noise.normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    assert pixels.psnr(b, a) == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-9)
    assert pixels.ssim(b, a) == pytest.approx(structural_similarity(a, b, channel_axis=2), abs=1e-9)
    assert pixels.psnr(a, a) == np.inf and pixels.ssim(a, a) == pytest.approx(1)
    with raises(FrameSizeError, size=(64, 64), expected=(96, 96)):
        pixels.psnr(a, draw(ANN, State(), 64))


def test_flicker_is_0_for_a_steady_change_and_seams_show_at_their_borders():
    ramp = [np.full((8, 8, 3), 10 * k, np.uint8) for k in range(20)]
    assert pixels.motion(ramp).mean_flicker == 0 and pixels.motion(ramp).change.tolist() == [10] * 19
    windows = (range(0, 10), range(6, 16), range(10, 20))
    assert pixels.borders(windows, 20) == [5, 9, 15]
    change = np.ones(19)
    change[[5, 9, 15]] = 3
    assert pixels.seam_ratio(change, [5, 9, 15]) == 3


def test_distances_wrap_around_and_have_their_units():
    right, left = np.array([[179.0, 0, 0]]), np.array([[-179.0, 0, 0]])
    assert distances.pose_distance(right, left) == pytest.approx([2 / 3])
    assert distances.expression_distance(np.array([[0.0, 1.0]]), np.ones((1, 2))) == pytest.approx([0.5])


def test_a_face_that_is_only_moved_and_scaled_has_no_face_exp():
    track = told()
    moved = track.replace(landmarks=track.landmarks * 0.5 + 7)
    assert distances.face_expression(track, moved) == pytest.approx(np.zeros(FRAMES), abs=1e-6)


def test_a_trackers_error_is_what_mirroring_changes():
    class Leaning:
        """Reads every head three degrees too far to the right."""

        def glance(self, frame):
            from sk_portrait.face_tools.trackers.faces import Face

            turn = np.radians([0, 3 + (10 if frame[0, 0, 0] else -10), 0])
            return [Face(np.zeros((478, 3), np.float32), turn.astype(np.float32), np.zeros(3, np.float32))]

    frame = np.zeros((4, 4, 3), np.uint8)
    frame[:, 0] = 255
    error = limits.tracker_error(Leaning(), [frame] * 3)
    assert error.pose == pytest.approx(6 / 3 / np.sqrt(2), abs=1e-4) and error.expression is None


def test_what_a_comparison_cannot_say_is_told():
    other = told().replace(source="another tracker", notes=("Approximate: from landmarks.",))
    words = report(judged(acted(), other))
    assert "trust the correlations, not the distances" in words
    assert "result's coefficients are approximate" in words
    bare = report(judged(acted(), told().replace(coefficients=None)))
    assert "expression was not compared" in bare


def test_every_detector_is_named_once():
    assert len({detector.__name__ for detector in faults.DETECTORS}) == len(faults.DETECTORS)


# Pictures


def test_the_plot_and_the_sheet_show_driver_and_result():
    comparison = judged(acted())
    assert pictures.draw_curves(comparison).shape == (800, 1200, 3)
    numbers = pictures.shown_frames(comparison)
    assert numbers == sorted(set(numbers)) and len(numbers) == 5
    results, drivers = ({k: acted(who)[k] for k in numbers} for who in (BEN, ANN))
    sheet = pictures.draw_sheet(comparison, numbers, results, drivers, acted()[0], "drive 1")
    cell, bar = pictures.CELL, pictures.BAR
    assert sheet.shape == (2 * bar + 5 * (cell + bar), 4 * cell, 3)
    drawn = pictures.draw_sheet(comparison, numbers, results, None, None)
    assert drawn.shape == (2 * bar + 5 * (cell + bar), 3 * cell, 3)
