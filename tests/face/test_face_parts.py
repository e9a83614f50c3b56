"""Expression by part, on drawn heads: only the chosen parts move."""

import re

import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, clip, states_of, truth
from sk_portrait.face_tools import contours
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.editing.edit import merge_expression
from sk_portrait.face_tools.editing.face_parts import PARTS, coefficients_of
from sk_portrait.face_tools.recordings.presets import preset
from sk_portrait.face_tools.track import TrackError
from sk_portrait.face_tools.track_errors import NoCoefficientsError
from sk_portrait.host.environment import ROOT
from sk_portrait.testing.raised import raises

SIZE, FRAMES = 256, 12
WHO = Identity.of(5)
POINTS = {
    "mouth": [*contours.OUTER_UPPER, *contours.OUTER_LOWER, *contours.INNER_UPPER, *contours.INNER_LOWER],
    "eyes": [point for side in ("Left", "Right") for lid in contours.LIDS[side] for point in lid],
    "brows": [*contours.BROWS["Left"], *contours.BROWS["Right"]],
}
OFF = dict.fromkeys(PARTS, 0.0)


@pytest.fixture(scope="module")
def tracks():
    """Two performances, each with motion in every part and in the head."""
    return truth(WHO, clip(1, FRAMES), SIZE), truth(Identity.of(8), clip(2, FRAMES), SIZE)


def drawn(track) -> np.ndarray:
    """(F, 478, 2) landmarks of the head that is drawn after a track, with its head straight."""
    straight = track.replace(rotation=np.zeros_like(track.rotation))
    return truth(WHO, states_of(straight), SIZE).landmarks[..., :2]


def changed(track, own) -> set[str]:
    """The parts of the drawn face that are elsewhere in any frame, and "head" where its angles are."""
    apart = np.linalg.norm(drawn(track) - drawn(own), axis=-1).max(0)
    parts = {part for part, points in POINTS.items() if apart[points].max() > 0.5}
    return parts | ({"head"} if not np.allclose(track.rotation, own.rotation, atol=1e-4) else set())


def test_every_coefficient_belongs_to_exactly_one_part():
    assert sorted(name for part in PARTS for name in coefficients_of(part)) == sorted(ARKIT_51)
    assert {name for name in ARKIT_51 if "Look" in name} <= set(coefficients_of("eyes"))


@pytest.mark.parametrize("page", ["SKPortraitMixTracks.md", "SKPortraitMixTracks/zh.md"])
def test_the_help_says_which_coefficients_belong_to_which_part(page):
    text = (ROOT / "web" / "docs" / page).read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE))
    assert {part: tuple(re.findall(r"`(\w+)`", rows[part])) for part in PARTS} == {
        part: coefficients_of(part) for part in PARTS
    }


@pytest.mark.parametrize(
    "chosen", [{part} for part in PARTS] + [{"mouth", "brows"}, {"eyes", "brows"}, set()]
)
@pytest.mark.parametrize("head", [0.0, 1.0])
def test_only_the_chosen_parts_move(tracks, chosen, head):
    own, other = tracks
    mixed = merge_expression(own, other, parts=OFF | dict.fromkeys(chosen, 1.0), head=head)
    assert changed(mixed, own) == chosen | ({"head"} if head else set())
    for part in PARTS:
        columns = [ARKIT_51.index(name) for name in coefficients_of(part)]
        source = other if part in chosen else own
        np.testing.assert_array_equal(mixed.coefficients[:, columns], source.coefficients[:, columns])
    np.testing.assert_array_equal(mixed.landmarks, own.landmarks)


def test_a_ratio_takes_that_share_of_its_part_and_strength_multiplies_it(tracks):
    own, other = tracks
    mixed = merge_expression(own, other, 0.5, parts=OFF | {"eyes": 0.5})
    blink = ARKIT_51.index("eyeBlinkLeft")
    expected = 0.75 * own.coefficients[:, blink] + 0.25 * other.coefficients[:, blink]
    np.testing.assert_allclose(mixed.coefficients[:, blink], expected, atol=1e-6)


def test_a_photograph_is_held_over_a_video(tracks):
    own, other = tracks
    held = merge_expression(own, other.rows(slice(3, 4)), parts=OFF | {"mouth": 1.0}, head=1.0)
    jaw = held.coefficients[:, ARKIT_51.index("jawOpen")]
    assert (jaw == other.coefficients[3, ARKIT_51.index("jawOpen")]).all() and len(held) == FRAMES
    np.testing.assert_allclose(held.rotation, np.tile(other.rotation[3], (FRAMES, 1)), atol=1e-6)


def test_half_of_a_head_pose_lies_between_both_the_short_way_round(tracks):
    own, other = (
        track.replace(rotation=track.rotation * 0 + angle) for track, angle in zip(tracks, (3.1, -3.1))
    )
    half = merge_expression(own, other, parts=OFF, head=0.5)
    np.testing.assert_allclose(np.abs(half.rotation), np.pi, atol=1e-5)


def test_a_head_pose_alone_needs_no_coefficients(tracks):
    own, other = tracks
    mixed = merge_expression(own, other.replace(coefficients=None), parts=OFF, head=1.0)
    np.testing.assert_array_equal(mixed.coefficients, own.coefficients)
    np.testing.assert_allclose(mixed.rotation, other.rotation, atol=1e-6)
    with raises(NoCoefficientsError):
        merge_expression(own, other.replace(coefficients=None), parts=OFF | {"mouth": 0.1}, head=1.0)


def test_head_poses_of_two_trackers_do_not_mix_but_their_expressions_do(tracks):
    own, other = tracks[0], tracks[1].replace(source="another")
    with pytest.raises(TrackError, match="different sources, 'drawn' and 'another'"):
        merge_expression(own, other, head=0.5)
    assert changed(merge_expression(own, other), own) == set(PARTS)


def test_a_preset_looks_straight_ahead(tracks):
    mixed = merge_expression(tracks[0], preset("smile"), parts=OFF, head=1.0)
    assert not mixed.rotation.any()


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("strength", [-0.7, 0.0, 0.3, 1.0, 1.7])
def test_without_parts_the_numbers_are_those_of_the_first_version(tracks, strength, add):
    own, other = tracks
    first = own.coefficients * (1 if add else 1 - strength) + strength * other.coefficients
    np.testing.assert_array_equal(
        merge_expression(own, other, strength, add).coefficients, first.clip(0, 1).astype(np.float32)
    )
