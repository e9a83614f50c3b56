"""A clip in parts: by hand what the Portrait Video Sampler does at once."""

import pytest
import torch

from sk_portrait.errors import FrameCountError, SettingError
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tiny_models import drive, normal
from sk_portrait.unet.clip.parts import Part, join

FRAMES, CELLS = 30, 8


def test_parts_cover_a_clip_and_their_margins_end_with_it():
    first, last = Part.of(30, 0, 20, 4), Part.of(30, 20, 20, 4)
    assert (first.frames, first.keeps, last.frames, last.keeps) == (
        range(24),
        range(20),
        range(16, 30),
        range(20, 30),
    )
    with raises(SettingError, setting="first_frame", value=30):
        Part.of(30, 30, 5, 0)


def test_parts_of_one_clip_are_that_clip_in_every_bit():
    clip = normal("clip", 30, 4, 8, 8)
    parts = [Part.of(30, start, 10, 3) for start in (20, 0, 10)]
    joined = join([(part, clip[part.frames.start : part.frames.stop]) for part in parts])
    assert torch.equal(joined.latents, clip) and joined.missing == () and joined.seam[1] == 0.0


def test_the_order_in_which_parts_arrive_is_not_in_the_clip():
    parts = [Part.of(48, start, 16, 16) for start in (0, 16, 32)]  # the first two begin with the same frame
    sampled = [(part, normal(str(part.keeps), len(part.frames), 4, 8, 8)) for part in parts]
    joined = join(sampled)
    for order in ((1, 0, 2), (2, 1, 0), (1, 2, 0)):
        other = join([sampled[index] for index in order])
        assert torch.equal(other.latents, joined.latents) and other.seam == joined.seam


def test_a_join_says_what_is_missing_and_where_parts_differ():
    ones = torch.full((30, 4, 8, 8), 1.0)
    clip = normal("clip", 30, 4, 8, 8)
    parts = [Part.of(30, 0, 8, 2), Part.of(30, 8, 8, 2)]
    joined = join([(parts[0], clip[:10]), (parts[1], (clip + ones)[6:18])])
    assert joined.missing == (range(16, 30),)
    frame, difference = joined.seam
    assert frame in range(6, 10) and difference == pytest.approx(1.0, rel=0.1)  # by one standard deviation
    assert not joined.latents[18:].any()
    with raises(FrameCountError, frames=10, expected=9):
        join([(parts[0], clip[:9])])


def samplers(host, kind: str, steps: int = 2, sampler: str = "euler", **options):
    """What samples a clip, options -> video, stage1; and a part of it: first, count, margin, options -> part, video, stage1."""
    from sk_portrait.nodes.hellomeme.parts import ClipPart

    motion, empty = host.motion(kind), {"samples": torch.zeros(FRAMES, 4, CELLS, CELLS)}
    guider = host.guider(host.apply(drive=drive(FRAMES, cells=CELLS)))

    def video(**more):
        return host.video(
            [motion],
            FRAMES,
            steps,
            CELLS,
            guider=guider,
            latent_image=empty,
            sampler=sampler,
            **options,
            **more,
        )

    def one(first: int, count: int, margin: int, **more):
        part = ClipPart.execute(empty, first, count, margin)[3]
        return (part, *video(part=part, **more))

    return video, one


def of(part: Part, whole: torch.Tensor) -> torch.Tensor:
    return whole[part.frames.start : part.frames.stop]


def difference(latents: torch.Tensor, expected: torch.Tensor) -> float:
    return relative_error(latents, expected)


@pytest.mark.comfy
def test_a_first_stage_in_parts_is_that_of_the_clip(host):
    """And the second stage is, where a sampler that draws noise on the way draws each frame's own, but for the frames near a cut."""
    from sk_portrait.nodes.hellomeme.parts import JoinClip

    whole, one = samplers(host, "animatediff", sampler="euler_ancestral", shared_noise=0.5)
    video, stage1 = whole()
    parts = [one(first, 15, 6) for first in (0, 15)]
    assert all(difference(first, of(part, stage1)) <= 1e-5 for part, _, first in parts)
    assert difference(parts[0][1][:8], video[:8]) <= 0.02  # of another seed: 0.5 and more
    so_far = JoinClip.execute({"samples": parts[0][1]}, parts[0][0])
    assert so_far[2].startswith("Missing of 30 frames: 15 to 29.")
    joined = JoinClip.execute({"samples": parts[1][1]}, parts[1][0], so_far[1])
    assert (
        joined[2].startswith("All 30 frames are there. Parts differ most in frame")
        and joined[0]["samples"].shape == video.shape
    )


@pytest.mark.comfy
def test_a_part_of_a_tree_has_the_key_frames_of_the_clip(host):
    whole, one = samplers(host, "v5")
    video, stage1 = whole()
    part, alone, key_frames = one(0, 30, 0)
    assert torch.equal(alone, video) and torch.equal(key_frames, stage1)
    part, alone, key_frames = one(12, 8, 8)
    assert torch.equal(key_frames, stage1) and len(alone) == len(part.frames)
    resumed = one(12, 8, 8, stage1={"samples": stage1})
    assert torch.equal(resumed[1], alone)


@pytest.mark.comfy
def test_a_part_that_cannot_be_is_said(host):
    _, one = samplers(host, "animatediff", steps=1)
    with raises(SettingError, setting="method"):
        one(0, 10, 4, method="official code")
    with raises(FrameCountError, what="latent_image", frames=12, expected=30):
        host.video([host.motion("animatediff")], 12, cells=CELLS, part=Part.of(30, 0, 10, 4))


@pytest.mark.comfy
def test_each_frame_has_the_noise_that_it_has_in_the_clip(comfy):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    from sk_portrait.nodes.hellomeme.parts import ClipPart

    whole, features = {"samples": torch.zeros(FRAMES, 4, CELLS, CELLS)}, drive(FRAMES, cells=CELLS)
    # As of Empty Latent, as of Portrait Latents.
    for clip in (whole, whole | {"batch_index": [0] * FRAMES}):
        expected = Noise_RandomNoise(5).generate_noise(clip)
        noise, _, latent, part = ClipPart.execute(clip, 10, 10, 3, Noise_RandomNoise(5), features).result
        assert torch.equal(noise.generate_noise(latent), expected[part.frames.start : part.frames.stop])
    with raises(FrameCountError, frames=20, expected=16):
        noise.generate_noise({"samples": torch.zeros(20, 4, CELLS, CELLS)})
