"""The Expression Editor's parts: poses in words, key poses, and a portrait that is bent smoothly."""

import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, State, draw, truth
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.editing import poses
from sk_portrait.face_tools.pictures.puppet import Puppet
from sk_portrait.face_tools.track_errors import SchemeError, TrackTextError
from sk_portrait.testing.raised import raises

SIZE = 256
# Mouth corners, inner lips, the subject's left lids, tip of the nose.
CORNERS, LIPS, LIDS, TIP = [61, 291], (13, 14), (386, 374), 4


@pytest.fixture(scope="module")
def puppet():
    who, rest = Identity.of(5), State()
    return Puppet(draw(who, rest, SIZE), truth(who, [rest], SIZE))


def moved(puppet, **pose):
    return puppet.moved(poses.coefficients(pose), poses.turn(pose))


def gap(landmarks, pair):
    return float(np.linalg.norm(landmarks[pair[0], :2] - landmarks[pair[1], :2]))


def test_words_ask_for_arkits_shapes_on_the_right_side():
    asked = {
        ARKIT_51[k]: v
        for k, v in enumerate(poses.coefficients({"blink_left": 1.0, "smile": -0.5, "look_sideways": 1.0}))
        if v
    }
    wanted = {
        "eyeBlinkLeft": 1.0,
        "mouthFrownLeft": 0.5,
        "mouthFrownRight": 0.5,
        "eyeLookOutLeft": 1.0,
        "eyeLookInRight": 1.0,
    }
    assert asked == pytest.approx(wanted)


def test_nothing_asked_for_changes_nothing(puppet):
    assert np.allclose(moved(puppet), puppet.landmarks, atol=0.05)
    assert np.array_equal(puppet.draw(poses.coefficients({}), poses.turn({})), puppet.picture)


def test_the_face_does_what_the_words_say(puppet):
    rest = moved(puppet)
    assert (moved(puppet, smile=1.0)[CORNERS, 1] < rest[CORNERS, 1] - 3).all()
    assert gap(moved(puppet, jaw=1.0), LIPS) > gap(rest, LIPS) + 5
    closed = moved(puppet, blink_left=1.0)
    assert gap(closed, LIDS) < 0.3 * gap(rest, LIDS) and gap(closed, (159, 145)) == pytest.approx(
        gap(rest, (159, 145)), abs=0.1
    )
    assert moved(puppet, yaw=15.0)[TIP, 0] > rest[TIP, 0] + 3
    assert moved(puppet, pitch=15.0)[TIP, 1] > rest[TIP, 1] + 2


def test_the_skin_follows_the_lips_and_the_corners_of_the_picture_stay(puppet):
    smile = moved(puppet, smile=1.0)
    cheek = 205  # between the corner of the mouth and the eye, in no blend shape
    assert 0.2 < np.linalg.norm((smile - moved(puppet))[cheek]) < np.linalg.norm((smile - moved(puppet))[61])
    drawn = puppet.draw(poses.coefficients({"smile": 1.0}), poses.turn({"yaw": 10.0}))
    assert np.array_equal(drawn[0, 0], puppet.picture[0, 0]) and np.array_equal(
        drawn[-1, -1], puppet.picture[-1, -1]
    )


def test_a_portrait_of_other_landmarks_is_refused():
    who, rest = Identity.of(5), State()
    track = truth(who, [rest], SIZE)
    other = track.replace(scheme="hello222", landmarks=track.landmarks[:, :222])
    with raises(SchemeError, scheme="hello222"):
        Puppet(draw(who, rest, SIZE), other)


def test_a_turned_head_can_be_turned_back_but_hardly_further():
    own = np.radians([0.0, 25.0, 0.0])
    asked = np.stack([poses.turn({"yaw": yaw}) for yaw in (30.0, -30.0, 10.0)])
    np.testing.assert_allclose(np.degrees(poses.reachable(asked, own))[:, 1], [15, -30, 10], atol=1e-4)
    assert poses.shortfalls(asked[1:], own) == []
    (said,) = poses.shortfalls(asked, own)
    assert said.startswith("The portrait has yaw +25 degrees already: +30 was limited to +15")
    far = np.radians([0.0, 50.0, 0.0])  # beyond the limit as it is
    np.testing.assert_allclose(np.degrees(poses.reachable(asked, far))[:, 1], [0, -30, 0], atol=1e-4)


def test_key_poses_ease_and_loop():
    keys = poses.key_poses("0.4： smile＝1 yaw=10\n0: smile=0")  # full-width: from a Chinese keyboard
    clip = poses.clip({"jaw": 0.2, "yaw": 4.0}, keys, 10.0, loop=False)
    smiles = [pose["smile"] for pose in clip]
    assert len(clip) == 5 and smiles[0] == 0 and smiles[-1] == 1 and smiles[2] == pytest.approx(0.5)
    assert smiles[1] < 0.25  # eased: slow at first
    assert clip[0]["yaw"] == 4.0 and clip[-1]["yaw"] == 10.0 and {pose["jaw"] for pose in clip} == {0.2}
    again = poses.clip({}, keys, 10.0, loop=True)
    assert (
        len(again) == 8
        and again[0]["smile"] == 0
        and again[4]["smile"] == 1
        and again[5]["smile"] == again[3]["smile"]
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0.5 smile=1", "is no key pose"),
        ("0.5: smile", "is no key pose"),
        ("0.5: grin=1", "there is no grin; a pose knows pitch, yaw"),
        ("-1: smile=1", "at least 0 seconds"),
        ("1: smile=1\n1: jaw=1", "Two key poses stand at the same time: 1, 1 s"),
    ],
)
def test_a_wrong_line_is_quoted(text, sentence):
    with pytest.raises(TrackTextError, match=sentence):
        poses.key_poses(text)
