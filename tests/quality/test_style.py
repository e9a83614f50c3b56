"""The bench of the page on style: what it measures with."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers")

from sk_portrait.bench.quality import style
from sk_portrait.bench.quality.drawn_heads import Table
from sk_portrait.demo.toy_model import World
from sk_portrait.drawn_heads import Identity, State, draw


def test_a_lora_changes_nothing_before_it_has_learned():
    weight = torch.rand(6, 4, 3, 3)
    assert torch.equal(style.LowRank(weight)(weight), weight)


def test_identity_knows_a_person_in_any_colours_and_style_knows_the_colours_of_any_person():
    measure = style.Measure(World(), 20)
    people = [
        [draw(Identity.of(seed), State(), style.SIZE)] for seed in range(style.HELD_OUT, style.HELD_OUT + 4)
    ]
    prints = [[style.styled(picture) for picture in row] for row in people]
    others = people[1:] + people[:1]
    assert measure.identity(people) == pytest.approx(1.0)
    assert measure.identity(prints) > 0.5 > 0.2 > measure.identity(others)
    plain, blue, other = (measure.style(pictures) for pictures in (people, prints, others))
    assert torch.allclose(plain, other, atol=1e-5) and (blue - plain).norm() > 0.1


@pytest.mark.parametrize("style_of_less", [0.4, 0.1])
def test_settings_that_keep_no_more_of_the_style_fail(style_of_less):
    found = dict.fromkeys(style.SETTINGS, (0.2, style_of_less))
    found |= {"everything 1, plain MODEL looks": (0.5, 0.2), "reference_strength 0.0": (0.0, style_of_less)}
    table = Table()
    style.evaluate(table, found)
    assert all(table.judged) == (style_of_less > 0.2)
