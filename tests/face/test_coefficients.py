"""Names and order of the 51 coefficients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_portrait.face_tools.coefficients import (
    ARKIT_51,
    ASSUMED_ORDER,
    LIVE_LINK_51,
    CoefficientOrder,
    canonical_name,
    experimental_note,
    from_network_order,
    network_order,
    to_network_order,
)
from sk_portrait.face_tools.track_errors import TrackError, TrackFileError
from sk_portrait.testing.raised import raises

MEASURED = CoefficientOrder(tuple(reversed(LIVE_LINK_51)), "measured on a clip", True, (0.5,) * 51)


def test_both_tables_hold_the_same_51_names():
    assert len(set(ARKIT_51)) == 51 and sorted(ARKIT_51) == sorted(LIVE_LINK_51)
    assert list(ARKIT_51) == sorted(ARKIT_51)


def test_network_order_puts_each_name_at_its_place():
    named = np.arange(51, dtype=np.float32)[None]
    network = to_network_order(named)
    assert network[0, 0] == ARKIT_51.index("eyeBlinkLeft") and network[0, 17] == ARKIT_51.index("jawOpen")


@given(st.permutations(ARKIT_51))
def test_round_trip_is_the_identity_whatever_the_table(names):
    order = CoefficientOrder(tuple(names), "any")
    values = np.random.default_rng(1).random((4, 51), np.float32)
    np.testing.assert_array_equal(to_network_order(from_network_order(values, order), order), values)
    np.testing.assert_array_equal(from_network_order(to_network_order(values, order), order), values)


def test_an_order_is_written_and_read_back(tmp_path):
    MEASURED.save(tmp_path / "order.json")
    assert network_order(tmp_path / "order.json") == MEASURED
    assert network_order(None) is ASSUMED_ORDER


def test_an_order_with_a_name_missing_is_refused():
    with pytest.raises(TrackError, match="eyeBlinkLeft"):
        CoefficientOrder((*LIVE_LINK_51[1:], "jawOpen"), "broken")


def test_another_json_file_is_refused(tmp_path):
    (tmp_path / "order.json").write_text('{"a": 1}')
    with raises(TrackFileError, file=str(tmp_path / "order.json")):
        network_order(tmp_path / "order.json")


def test_only_an_assumed_order_makes_values_experimental():
    assert "Experimental" in experimental_note(ASSUMED_ORDER)
    assert experimental_note(MEASURED) is None


def test_a_wrong_width_is_named():
    with pytest.raises(TrackError, match="51 coefficients a frame, got 52"):
        to_network_order(np.zeros((3, 52)))


@pytest.mark.parametrize(
    "word", ["EyeBlinkLeft", "eyeBlink_L", "eyeblinkleft", " eyeBlinkLeft ", "EYE_BLINK_LEFT"]
)
def test_spellings_of_one_name(word):
    assert canonical_name(word) == "eyeBlinkLeft"


def test_other_words_are_no_coefficients():
    assert canonical_name("HeadYaw") is None and canonical_name("tongueOut") == "tongueOut"
