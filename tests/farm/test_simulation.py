"""The simulated farm, where arithmetic says what must come out."""

import dataclasses

import pytest

from sk_portrait.bench.cost.farm_simulation import Costs, Farm, Weather, simulate

PLAIN = Costs(window=1.0, request=0.0, taken=0.0, join=0.0, start=10.0, bytes=1e6, wire=1e15)


def test_workers_share_a_step_evenly():
    alone, four = (simulate(Farm(count, PLAIN), [64] * 5, 4) for count in (1, 4))
    assert alone.seconds == pytest.approx(10 + 320) and four.seconds == pytest.approx(10 + 80)
    assert four.bytes == 2 * 64 * 5 * 1e6 and four.idle == pytest.approx(10 / 90)


def test_the_wire_is_a_limit():
    slow = dataclasses.replace(PLAIN, wire=10e6)
    assert simulate(Farm(1000, slow), [1000], 1).seconds >= 10 + 1000 * 1e6 / 10e6


def test_losses_cost_time_and_no_windows():
    calm, rough = (
        simulate(Farm(8, PLAIN, weather), [100] * 20, 8) for weather in (Weather(), Weather(lost=60.0))
    )
    assert rough.seconds > calm.seconds


def test_one_that_is_ten_times_slower_holds_up_a_step_by_less_than_its_own_time():
    slow = simulate(Farm(10, PLAIN, Weather(slow=0.1)), [180], 16)
    assert (
        slow.seconds < 10 + 180 / 9 + 6
    )  # it is asked for a window of 10 s; after 3 s another one is asked too
