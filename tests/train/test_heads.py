"""The losses of the toy model's joint stage and decoder, which compare pictures."""

from dataclasses import replace

import pytest
import torch

from sk_portrait.drawn_heads import Identity, State, draw
from sk_portrait.drawn_heads.attributes import COUNT, attributes
from sk_portrait.train.toy import heads
from sk_portrait.train.toy.footage import PAIRS, RELAXED, SIZE, identity_of
from sk_portrait.train.toy.picture_loss import PictureLoss
from sk_portrait.train.toy.reader import VALUES, Reader

PERSON = replace(Identity.of(7), glasses="square", style="short")


def pictured(who: Identity) -> torch.Tensor:
    return torch.from_numpy(draw(who, State(), SIZE)).movedim(-1, 0)[None].float() / 255


@pytest.fixture(scope="module")
def compare():
    torch.manual_seed(0)
    return PictureLoss(Reader().requires_grad_(False))


def test_a_clip_is_named_after_its_person():
    assert identity_of("drawings-0003/17") == Identity.of(PAIRS.first + 3 * PAIRS.in_file + 17)
    assert identity_of("relaxed-0000/2") == Identity.of(RELAXED.first + 2)


def test_glasses_and_long_hair_are_shown_more_often():
    names = [f"drawings-0000/{number}" for number in range(PAIRS.in_file)]
    for name in names:
        who, weight = identity_of(name), heads._weight(name)
        if who.glasses != "none":
            assert weight == heads.GLASSES
        else:
            assert weight == (heads.LONG_HAIR if who.style in ("long", "bun") else 1)


def test_a_perfect_picture_costs_nothing_and_lost_glasses_cost_something(compare):
    picture, mask = pictured(PERSON), torch.zeros(1, 1, SIZE, SIZE)
    assert float(compare(picture, picture, mask)) == 0
    bare = pictured(replace(PERSON, glasses="none"))
    assert float(compare.perceptual(bare, picture)) > 0.01
    assert float(compare(bare, picture, mask)) > 0.01


def test_a_blurred_picture_costs_sharpness_and_errors_at_eyes_and_mouth_count_more(compare):
    picture, mask = pictured(PERSON), torch.zeros(1, 1, SIZE, SIZE)
    blurred = torch.nn.functional.avg_pool2d(picture, 5, 1, 2, count_include_pad=False)
    brighter = picture + (blurred - picture).abs().mean()
    assert float(compare(blurred, picture, mask)) > 2 * float(compare(brighter, picture, mask))
    assert float(compare(brighter, picture, mask + 1)) > float(compare(brighter, picture, mask))


def test_the_reader_reads_everything_that_a_drawing_shows():
    assert attributes(PERSON).shape == (COUNT,) and attributes(PERSON).min() >= 0
    assert Reader()(torch.rand(2, 3, SIZE, SIZE)).shape == (2, VALUES)
    assert [tuple(f.shape[2:]) for f in Reader().features(torch.rand(1, 3, SIZE, SIZE))] == [
        (64, 64),
        (32, 32),
        (16, 16),
        (8, 8),
    ]
