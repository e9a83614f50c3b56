"""X-Dyna's files: recognised by their own keys, whatever a training checkpoint wraps them in, with one sentence for any other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sk_portrait.sk_attention import checkpoint as hellomeme
from sk_portrait.systems.xdyna import checkpoint, sface
from sk_portrait.systems.xdyna.adapter import PLACES, path
from sk_portrait.systems.xdyna.checkpoint import XDynaFileError
from sk_portrait.testing.stand_ins import xdyna
from sk_portrait.unet.clip.keyframes import looped_windows

WIDTH, CONTEXT = 32, 64


def tensors(shapes) -> dict[str, torch.Tensor]:
    return {key: torch.zeros(shape) for key, shape in shapes.items()}


@pytest.fixture
def unet_file():
    return tensors(xdyna.unet(WIDTH, CONTEXT))


@pytest.fixture
def tokens_file():
    return tensors(xdyna.tokens(CONTEXT))


def test_a_training_checkpoint_falls_into_its_parts(unet_file):
    wrapped = {
        "state_dict": {f"module.{key}": value for key, value in unet_file.items()}
        | {"module.conv_in.weight": torch.zeros(1)}
    }
    parts = checkpoint.split(wrapped, "unet.ckpt")
    assert [len(part) for part in parts] == [48, 32, 560]  # as in the published manifest
    assert len(checkpoint.adapter(parts.reference, parts.image, "unet.ckpt").state_dict()) == 80
    motion = hellomeme.load(parts.motion, "unet.ckpt").module
    assert motion.longest == 24 and len(motion.sites()) == 20
    assert not any(module.norm_over_frames for module in motion.sites().values())


def test_ip_adapters_numbers_stand_in_for_the_image_attention(unet_file, tokens_file):
    parts = checkpoint.split(unet_file, "unet.ckpt")
    numbered = {
        f"{2 * number + 1}.{name}.weight": parts.image[f"{path(place)}.attn2.{name}.weight"] + number
        for number, place in enumerate(PLACES)
        for name in ("to_k_ip", "to_v_ip")
    }
    resampler = {key.removeprefix("image_proj."): value for key, value in tokens_file.items()}
    for state in (
        {"image_proj": resampler, "ip_adapter": numbered},
        tokens_file | {f"ip_adapter.{k}": v for k, v in numbered.items()},
    ):
        tokens = checkpoint.split_tokens(state, "ip-adapter-plus_sd15")
        adapter = checkpoint.adapter(parts.reference, tokens.image, "unet.ckpt")
        assert adapter.image[("mid", 0, 0)].to_k_ip.weight.mean() == 15  # number 31
        assert checkpoint.resampler(tokens.resampler, "ip-adapter-plus_sd15")(
            torch.zeros(1, 257, 1280)
        ).shape == (1, 16, CONTEXT)


def test_other_files_are_refused_with_a_sentence(unet_file, tokens_file):
    with pytest.raises(
        XDynaFileError,
        match=r"sd15 is no X-Dyna UNet: none of its 1 tensors is a Dynamics-Adapter's.*huggingface\.co",
    ):
        checkpoint.split({"conv_in.weight": torch.zeros(1)}, "sd15")
    with pytest.raises(XDynaFileError, match="'lora.up' does not belong to it"):
        checkpoint.split(unet_file | {"lora.up": torch.zeros(1)}, "unet.ckpt")
    with pytest.raises(XDynaFileError, match="no ip-adapter-plus_sd15"):
        checkpoint.split_tokens(
            {"image_proj": {"proj.weight": torch.zeros(1)}, "ip_adapter": {}}, "ip-adapter_sd15"
        )
    parts = checkpoint.split(unet_file, "unet.ckpt")
    with pytest.raises(XDynaFileError, match="attn2.to_k_ip.weight' is missing"):
        checkpoint.adapter(parts.reference, {}, "unet.ckpt")
    key = f"{path(PLACES[3])}.attn1.to_out_ff.weight"
    with pytest.raises(XDynaFileError, match=f"1 of its .* are missing: '{key}'"):
        checkpoint.adapter({k: v for k, v in parts.reference.items() if k != key}, parts.image, "unet.ckpt")


def test_every_frame_is_in_a_window_at_every_offset():
    for frames in (1, 15, 16, 17, 31, 48):
        for offset in range(16):
            windows = looped_windows(frames, 16, 4, offset)
            assert {frame for window in windows for frame in window} == set(range(frames))
            assert {len(set(window)) for window in windows} == {min(frames, 16)}


def test_a_lost_face_is_black_and_a_found_one_lies_where_it_was():
    frame = torch.rand(96, 64, 3) + 0.1
    box = np.array([[20, 30, 44, 60]] * 2, float)
    centres = np.array([[[38, 40], [26, 40], [32, 54]]] * 2, float)
    crops = sface.crops(sface.Faces(np.array([True, False]), box, centres), (64, 96))
    whole, local = crops.whole(frame, 0), crops.local(frame, 0)
    assert torch.equal(whole[10:80, :], frame[10:80, :]) and not whole[90:].any()
    assert torch.equal(local[54, 32], frame[54, 32]) and (local > 0).sum() < (whole > 0).sum()
    assert not crops.whole(frame, 1).any() and not crops.local(frame, 1).any()
