"""The losses of the toy model's joint stage and decoder, which compare pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sk_portrait.drawn_heads import Identity, State, draw
from sk_portrait.drawn_heads.attributes import COUNT, attributes
from sk_portrait.train import noise
from sk_portrait.train.toy import definition, heads, stages
from sk_portrait.train.toy.autoencoder import TinyAutoencoder
from sk_portrait.train.toy.feature_network import VALUES, FeatureNetwork
from sk_portrait.train.toy.footage import PAIRS, RELAXED, SIZE, attributes_in, identity_of
from sk_portrait.train.toy.picture_loss import PictureLoss

PEOPLE, LONG = 24, ("long", "bun")
PERSON = replace(Identity.of(7), glasses="square", style="short")


def pictured(who: Identity) -> torch.Tensor:
    return torch.from_numpy(draw(who, State(), SIZE)).movedim(-1, 0)[None].float() / 255


@pytest.fixture(scope="module")
def compare():
    torch.manual_seed(0)
    return PictureLoss(FeatureNetwork().requires_grad_(False))


def test_a_clip_is_named_after_its_person():
    assert identity_of("drawings-0003/17") == Identity.of(PAIRS.first + 3 * PAIRS.in_file + 17)
    assert identity_of("relaxed-0000/2") == Identity.of(RELAXED.first + 2)
    assert np.array_equal(attributes_in("drawings-0000", 8)[4], attributes(Identity.of(PAIRS.first + 1)))


@pytest.fixture(scope="module")
def task(tmp_path_factory, compare):
    """The joint task for a few people."""
    folder = tmp_path_factory.mktemp("heads")
    files = replace(PAIRS, in_file=PEOPLE).drawn(folder / "drawings", PEOPLE, print)
    small = TinyAutoencoder.small().eval()
    clips = stages.latents(folder / "latents", PAIRS, files, small, print)
    networks = {
        definition.repository(part): part.build(definition.sizes(part)) for part in definition.parts()[:2]
    }
    decoder = small.taesd_decoder
    return heads.Heads(
        clips, definition.unet(), networks, None, live=True, files=files, decoder=decoder, compare=compare
    )


def test_glasses_and_long_hair_are_shown_more_often(task):
    people = [identity_of(f"drawings-0000/{k}") for k in range(PEOPLE)]
    shown = np.bincount([pick.clip for pick in task.choose(np.random.default_rng(0), 4000)], minlength=PEOPLE)
    plain = np.mean([n for who, n in zip(people, shown) if who.glasses == "none" and who.style not in LONG])
    for who, n in zip(people, shown):
        if who.glasses != "none":
            assert n == pytest.approx(3 * plain, rel=0.2)
        elif who.style in LONG:
            assert n == pytest.approx(2 * plain, rel=0.2)


def test_the_loss_compares_each_portraits_first_target_unless_its_conditions_are_dropped(task):
    picks = task.choose(np.random.default_rng(1), 3)
    batch, pictures, marks = task.collate(picks)
    drawn = np.load(next(iter(task.clips.folder.parent.glob("drawings/*.npz"))))["pictures"]
    for pick, picture in zip(picks, pictures):
        row = drawn[pick.clip * PAIRS.frames + pick.targets[0]]
        assert torch.equal(picture, torch.from_numpy(row).movedim(-1, 0).float() / 255)

    seen = []

    def compare(decoded, wanted, masks):
        seen.append((decoded, wanted))
        return torch.tensor(1.0)

    objective = task.network.objective
    pictured = heads.PicturedObjective(objective, lambda latents: latents, compare)
    with torch.no_grad():
        plain = float(objective(replace(batch, dropped=torch.ones(3, dtype=torch.bool))))
        assert float(
            pictured((replace(batch, dropped=torch.ones(3, dtype=torch.bool)), pictures, marks))
        ) == pytest.approx(plain)
        some = replace(batch, dropped=torch.tensor([False, True, False]))
        noisy, answer, latent_loss = objective.outputs_and_loss(some)
        total = float(pictured((some, pictures, marks)))
    clean, _ = noise.clean(objective.target, noisy, answer, batch.timesteps)
    (decoded, wanted), each = seen[0], PAIRS.frames - 1
    assert torch.allclose(decoded, clean[[0, 2 * each]], atol=1e-5)
    assert torch.equal(wanted, pictures[[0, 2]])
    assert total == pytest.approx(float(latent_loss) + 2 / 3, rel=1e-4)


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


def test_the_feature_network_gives_maps_of_four_sizes():
    assert attributes(PERSON).shape == (COUNT,) and attributes(PERSON).min() >= 0
    assert FeatureNetwork()(torch.rand(2, 3, SIZE, SIZE)).shape == (2, VALUES)
    assert [tuple(f.shape[2:]) for f in FeatureNetwork().maps(torch.rand(1, 3, SIZE, SIZE))] == [
        (64, 64),
        (32, 32),
        (16, 16),
        (8, 8),
    ]
