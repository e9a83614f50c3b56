"""Mix Face Tracks by part, and the pictures that are bent after the mix, on drawn heads."""

import numpy as np
import pytest
import torch

from sk_portrait.drawn_heads import Identity, State, draw, truth
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.contours import INNER_LOWER, INNER_UPPER, LIDS

SIZE, WHO = 256, Identity.of(5)
ACTING = {"jawOpen": 0.7, "eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5, "browInnerUp": 0.8}
TAKE = "take its expression"


@pytest.fixture
def nodes(comfy):
    from sk_portrait.nodes.face.bend import BendPictures
    from sk_portrait.nodes.face.edit import MixTracks

    return MixTracks, BendPictures


def head(who=WHO, degrees=(0.0, 0.0, 0.0), **values):
    """A picture of one drawn head, and its track."""
    state = State.named(degrees, **values)
    picture = torch.from_numpy(draw(who, state, SIZE).astype(np.float32) / 255)[None]
    return picture, truth(who, [state], SIZE)


def opening(track, upper: int, lower: int) -> float:
    """Pixels between two landmarks."""
    return float(np.linalg.norm(track.landmarks[0, upper, :2] - track.landmarks[0, lower, :2]))


def eye_and_mouth(track) -> tuple[float, float]:
    upper, lower = LIDS["Left"]
    middle = len(upper) // 2, len(INNER_UPPER) // 2
    return (
        opening(track, upper[middle[0]], lower[middle[0]]),
        opening(track, INNER_UPPER[middle[1]], INNER_LOWER[middle[1]]),
    )


def near(picture, other, track, points, reach=14) -> float:
    """Mean difference of grey levels round some landmarks."""
    low = np.floor(track.landmarks[0, points, :2].min(0)).astype(int) - reach
    high = np.ceil(track.landmarks[0, points, :2].max(0)).astype(int) + reach
    part = slice(low[1], high[1]), slice(low[0], high[0])
    return float((picture[0][part] - other[0][part]).abs().mean() * 255)


def test_only_the_mouth_of_a_photograph(nodes):
    mix, bend = nodes
    (portrait, own), (driver, other) = head(), head(**ACTING)
    (mixed,) = mix.execute(own, other, TAKE, 1.0, 8, eyes=0.0, brows=0.0).args
    named = {name: v for name, v in zip(ARKIT_51, mixed.coefficients[0]) if v}
    assert named == pytest.approx({"jawOpen": 0.7})
    bent, track = bend.execute(driver, other, mixed).args
    exact = head(jawOpen=0.7)[1]
    (eye, mouth), (was, _), (open_, lips_apart) = map(eye_and_mouth, (track, other, exact))
    assert mouth == pytest.approx(lips_apart, abs=1.5) and eye > was + 0.3 * (open_ - was)
    lids, lips = [*LIDS["Left"][0], *LIDS["Left"][1]], [*INNER_UPPER, *INNER_LOWER]
    assert near(bent, driver, other, lids) > 3 * near(bent, driver, other, lips)
    assert near(bent, driver, other, lips) < 0.25 * near(portrait, driver, other, lips)


def test_an_open_mouth_closes(nodes):
    _, bend = nodes
    driver, other = head(**ACTING)
    _, track = bend.execute(driver, other, head()[1]).args
    rest, was, now = (eye_and_mouth(one)[1] for one in (head()[1], other, track))
    assert now < rest + 0.2 * (was - rest)
    np.testing.assert_array_equal(track.rotation, other.rotation)


def test_pictures_that_have_the_expression_stay_bit_identical(nodes):
    mix, bend = nodes
    (_, own), (driver, other) = head(Identity.of(8)), head(**ACTING)
    (mixed,) = mix.execute(own, other, TAKE, 1.0, 8, head=1.0).args
    bent, track = bend.execute(driver, other, mixed).args
    assert torch.equal(bent, driver)
    np.testing.assert_array_equal(track.landmarks, other.landmarks)
    np.testing.assert_array_equal(mixed.rotation, other.rotation)


def test_only_the_head_pose(nodes):
    mix, _ = nodes
    own, other = head(jawOpen=0.2)[1], head(degrees=(5.0, 20.0, -8.0), **ACTING)[1]
    (mixed,) = mix.execute(own, other, TAKE, 1.0, 8, mouth=0.0, eyes=0.0, brows=0.0, head=1.0).args
    np.testing.assert_allclose(np.degrees(mixed.rotation[0]), (5, 20, -8), atol=1e-3)
    np.testing.assert_array_equal(mixed.coefficients, own.coefficients)


def test_a_graph_of_an_older_version_mixes_as_before(nodes):
    mix, _ = nodes
    own, other = head(jawOpen=0.2, eyeBlinkLeft=0.5)[1], head(**ACTING)[1]
    (mixed,) = mix.execute(own, other, TAKE, 0.6, 8).args
    expected = (own.coefficients * (1 - 0.6) + 0.6 * other.coefficients).clip(0, 1)
    np.testing.assert_array_equal(mixed.coefficients, expected)
    np.testing.assert_array_equal(mixed.rotation, own.rotation)
