"""A clip in parts: by hand what the Portrait Two-Stage Sampler does at once."""

import pytest
import torch

from sk_portrait.tests.moving import MovingHost
from sk_portrait.tests.narrow import drive, normal
from sk_portrait.unet.parts import Part, join

FRAMES, CELLS = 30, 8


def test_parts_cover_a_clip_and_their_margins_end_with_it():
    first, last = Part.of(30, 0, 20, 4), Part.of(30, 20, 20, 4)
    assert (first.frames, first.keeps, last.frames, last.keeps) == (range(24), range(20), range(16, 30), range(20, 30))
    with pytest.raises(ValueError, match="frames 0 to 29: no part of 5 begins at frame 30"):
        Part.of(30, 30, 5, 0)


def test_parts_of_one_clip_are_that_clip_in_every_bit():
    clip = normal("clip", 30, 4, 8, 8)
    parts = [Part.of(30, start, 10, 3) for start in (20, 0, 10)]
    joined = join([(part, clip[part.frames.start : part.frames.stop]) for part in parts])
    assert torch.equal(joined.latents, clip) and joined.missing == () and joined.seam[1] == 0.0


def test_a_join_says_what_is_missing_and_where_parts_differ():
    ones = torch.full((30, 4, 8, 8), 1.0)
    clip = normal("clip", 30, 4, 8, 8)
    parts = [Part.of(30, 0, 8, 2), Part.of(30, 8, 8, 2)]
    joined = join([(parts[0], clip[:10]), (parts[1], (clip + ones)[6:18])])
    assert joined.missing == (range(16, 30),)
    frame, difference = joined.seam
    assert frame in range(6, 10) and difference == pytest.approx(1.0, rel=0.1)  # by one standard deviation
    assert not joined.latents[18:].any()
    with pytest.raises(ValueError, match="10 frames and its latent 9"):
        join([(parts[0], clip[:9])])


@pytest.mark.comfy
def test_a_part_sampled_frame_by_frame_is_that_part_of_the_clip(comfy):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    from sk_portrait.nodes.hellomeme.parts import ClipPart, JoinClip

    host = MovingHost()
    motion, whole_drive = host.motion("animatediff"), drive(FRAMES, cells=CELLS)
    empty = {"samples": torch.zeros(FRAMES, 4, CELLS, CELLS)}
    video, stage1 = host.video([motion], FRAMES, 2, CELLS, guider=host.guider(host.apply(drive=whole_drive)), latent_image=empty)

    def sampled(first: int):
        noise, driven, latent, part = ClipPart.execute(Noise_RandomNoise(1), whole_drive, empty, first, 15, 6).result
        guider = host.guider(host.apply(drive=driven))
        return part, host.video([motion], len(driven), 2, CELLS, guider=guider, latent_image=latent, noise=noise)

    parts = [sampled(first) for first in (0, 15)]
    for part, (_, alone) in parts:
        expected = stage1[part.frames.start : part.frames.stop]
        assert (alone - expected).abs().max() <= 1e-5 * expected.abs().max()
    so_far = JoinClip.execute({"samples": parts[0][1][0]}, parts[0][0])
    assert so_far[2].startswith("Missing of 30 frames: 15 to 29.")
    joined = JoinClip.execute({"samples": parts[1][1][0]}, parts[1][0], so_far[1])
    assert joined[2].startswith("All 30 frames are there. Parts differ most in frame") and joined[0]["samples"].shape == video.shape


@pytest.mark.comfy
def test_each_frame_has_the_noise_that_it_has_in_the_clip(comfy):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    from sk_portrait.nodes.hellomeme.parts import ClipPart

    whole, features = {"samples": torch.zeros(FRAMES, 4, CELLS, CELLS)}, drive(FRAMES, cells=CELLS)
    for clip in (whole, whole | {"batch_index": [0] * FRAMES}):  # as of Empty Latent, as of Portrait Shared Noise
        expected = Noise_RandomNoise(5).generate_noise(clip)
        noise, _, latent, part = ClipPart.execute(Noise_RandomNoise(5), features, clip, 10, 10, 3).result
        assert torch.equal(noise.generate_noise(latent), expected[part.frames.start : part.frames.stop])
    with pytest.raises(ValueError, match="noise of 20 frames and the part has 16"):
        noise.generate_noise({"samples": torch.zeros(20, 4, CELLS, CELLS)})
