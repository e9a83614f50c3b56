"""The bench of meaning can tell, and the toy model means what it says: the short form of `python run.py bench drawn_heads`."""

import numpy as np
import pytest

from sk_portrait.bench.quality import drawn_heads, probe, test_set
from sk_portrait.demo.toy_model import World
from sk_portrait.drawn_heads import Identity, State, draw

PEOPLE, MOMENTS = 6, 2


@pytest.fixture(scope="module")
def played():
    world = World()
    generators = {
        "drawn": test_set.drawing,
        "copied": test_set.copying,
        "sampled": test_set.sampling(world),
    }
    return {
        name: drawn_heads.perform(generator, world, PEOPLE, MOMENTS) for name, generator in generators.items()
    }


def failures(table) -> set[str]:
    return {what.strip() for what, *_, held in table.rows if held is False}


def test_an_actor_who_does_what_is_asked_passes(played):
    assert failures(played["drawn"]) == set() and sum(played["drawn"].judged) > 15


def test_an_actor_who_copies_the_portrait_is_found_out(played):
    must_fail = {
        "pose, APD",
        "turns, share of the requested angle",
        "drive of another frame: APD to it",
        "drive strength: turns",
    }
    assert must_fail <= failures(played["copied"])


def test_the_small_world_means_what_it_says(played):
    """All of it but the likeness of everyone, which stands in the README."""
    assert failures(played["sampled"]) <= {"identity"} and sum(played["sampled"].judged) > 15


def test_readers_read_what_was_drawn():
    network = probe.load()
    looks = [draw(Identity.of(probe.HELD_OUT), State.named((0, yaw, 0)), 128) for yaw in (-30, 0, 30)]
    yaws = probe.read(network, looks).degrees[:, 1]
    assert np.abs(yaws - [-30, 0, 30]).max() < 10
    wrong, found = probe.own_error(network, 40)
    assert wrong.apd < 4 and wrong.aed < 0.1 and found > 30
