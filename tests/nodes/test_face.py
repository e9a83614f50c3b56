"""The face nodes on the real ComfyUI, called as ComfyUI calls them."""

import inspect

import numpy as np
import pytest

from sk_portrait.errors import FrameCountError
from sk_portrait.face_tools.track_errors import CutError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.talking_head import talking_head
from sk_portrait.testing.videos import write_video

pytest.importorskip(
    "mediapipe.python.solutions.face_mesh", reason="the built-in FaceMesh needs mediapipe 0.10.21"
)


@pytest.fixture(scope="module")
def portrait(comfy):
    import torch
    from skimage.data import astronaut

    from sk_portrait.nodes import folders

    folders.register()

    return torch.from_numpy(astronaut()[None].astype(np.float32) / 255)


@pytest.fixture(scope="module")
def talking():
    return talking_head()


def track_of(images, **options):
    from sk_portrait.nodes.face.track import TrackFace

    values = {
        "fps": 25.0,
        "source": "mediapipe-mesh",
        "face": "largest",
        "face_number": 1,
        "on_miss": "stop",
        **options,
    }
    return TrackFace.execute(images, **values).args


def test_from_a_picture_to_the_head_pose_and_the_patches(portrait):
    from sk_portrait.nodes.face.pictures import CropPortrait, DrawHeadPose, FacePatches

    track, measured, report = track_of(portrait)
    assert measured.shape == (1, 512, 512) and measured.min() == 1
    assert "mediapipe-mesh" in report and "coefficients: none" in report

    images, cropped, crop, _ = CropPortrait.execute(portrait, track, "v2", 0.0, 512).args
    assert images.shape == (1, 512, 512, 3) and cropped.size == (512, 512) and crop.side < 511

    (head_pose,) = DrawHeadPose.execute(cropped, 0.0, 512).args
    assert (
        head_pose.shape == (1, 512, 512, 3) and len(np.unique(head_pose.reshape(-1, 3).numpy(), axis=0)) == 5
    )

    *pictures, patches = FacePatches.execute(images, cropped).args
    assert [tuple(picture.shape) for picture in pictures] == [(1, 224, 224, 3)] * 4
    assert list(patches) == ["left_eye", "right_eye", "mouth"] and patches["mouth"] is pictures[2]
    assert DrawHeadPose.execute(cropped, 0.0, 0, cropped.replace(size=(256, 256))).args[0].shape == (
        1,
        256,
        256,
        3,
    )


def test_a_video_is_tracked_and_cropped_as_a_stream(comfy, tmp_path, talking):
    from comfy_api.latest import InputImpl

    from sk_portrait.nodes.face.track import TrackVideo

    path = write_video(tmp_path / "talk.mp4", talking[:12], fps=24, tone_seconds=1.0)
    which = {"source": "mediapipe-mesh", "face": "largest", "face_number": 1, "on_miss": "stop"}
    crop_inputs = {"generation": "v2", "factor": 0.0, "size": 256}
    part = {"fps": 12.0, "start": 0.0, "seconds": 0.0}
    video = InputImpl.VideoFromFile(str(path))
    images, track, crop, measured, audio, fps, report = TrackVideo.execute(
        video, **part, **which, **crop_inputs
    ).args
    assert images.shape == (6, 256, 256, 3) and measured.shape == (6, 256, 256) and fps == 12
    assert len(track) == 6 and track.size == (256, 256) and "6 of 6" in report
    assert audio["waveform"].shape == (1, 1, 8000) and audio["sample_rate"] == 16000
    assert crop.frame == (192, 144)
    # The same clip held in memory by ComfyUI gives the same rows.
    held = InputImpl.VideoFromComponents(video.get_components())
    again = TrackVideo.execute(held, **part, **which, **crop_inputs).args
    assert len(again[1]) == 6 and np.abs(again[1].rotation - track.rotation).max() < 0.1


def test_an_untouched_crop_pasted_back_is_the_clip(talking, comfy):
    import torch

    from sk_portrait.nodes.face.paste import PasteBack
    from sk_portrait.nodes.face.pictures import CropPortrait

    images = torch.from_numpy(np.stack(talking[:3])).float() / 255
    portraits, _, crop, _ = CropPortrait.execute(images, track_of(images)[0], "v5", 0.0, 512).args
    back, pasted = PasteBack.execute(images, portraits, crop, 0.1, 0.0).args
    assert (back - images).abs().max() < 2 / 255 and pasted.max() == 1 and pasted.shape == (1, 144, 192)
    untouched = (pasted[0] == 0)[None, ..., None]
    assert torch.equal(torch.where(untouched, back, 0.0), torch.where(untouched, images, 0.0))
    with raises(FrameCountError, frames=2, expected=3):
        PasteBack.execute(images[:2], portraits, crop, 0.1, 0.0)


def test_frames_with_alpha_keep_it(talking, comfy):
    import torch

    from sk_portrait.face_tools.pictures.crop import Crop
    from sk_portrait.nodes.face.paste import PasteBack

    crop = Crop(24, 0, 100, 64, (192, 144))
    opaque = torch.from_numpy(np.stack(talking[:2])).float() / 255
    alpha = torch.linspace(0, 1, opaque[..., :1].numel()).view_as(opaque[..., :1])
    portraits = torch.rand(2, 64, 64, 3)
    plain, _ = PasteBack.execute(opaque, portraits, crop, 0.1, 0.0).args
    clear, _ = PasteBack.execute(torch.cat([opaque, alpha], -1), portraits, crop, 0.1, 0.0).args
    assert torch.equal(clear[..., :3], plain) and torch.equal(clear[..., 3:], alpha)
    one, _ = PasteBack.execute(torch.cat([opaque, alpha], -1)[:1], portraits, crop, 0.1, 0.0).args
    assert torch.equal(one[1, ..., 3:], alpha[0])


def test_a_track_of_another_length_is_refused(portrait):
    from sk_portrait.nodes.face.pictures import CropPortrait

    track = track_of(portrait)[0]
    with raises(FrameCountError, what="track", frames=1, expected=2):
        CropPortrait.execute(portrait.repeat(2, 1, 1, 1), track, "v2", 0.0, 512)


@pytest.mark.parametrize(("kind", "whole"), [(np.uint8, 255), (np.float32, 1)])
def test_threads_fill_the_pictures_of_a_host_that_runs_its_nodes_in_inference_mode(comfy, kind, whole):
    import torch

    from sk_portrait.nodes import pixels, progress

    with torch.inference_mode():
        images = pixels.empty_images(5, 2, 2)
        progress.for_each(5, lambda k: pixels.put(images, k, np.full((2, 2, 3), k, kind)))
    assert images[:, 0, 0, 0].tolist() == pytest.approx([k / whole for k in range(5)])


def test_every_input_and_output_says_what_it_is(comfy):
    from sk_portrait.nodes.face import pictures as face_pictures
    from sk_portrait.nodes.face import track as face_track
    from sk_portrait.nodes.schema import OLD_NAMES

    for node in (*face_track.NODES, *face_pictures.NODES):
        schema = node.define_schema()
        assert schema.node_id.startswith("SKPortrait") and schema.category.startswith("SK Portrait/")
        assert all(part.tooltip for part in (*schema.inputs, *schema.outputs)), schema.node_id
        assert {part.id for part in schema.inputs} == set(
            inspect.signature(node.execute).parameters
        ) - OLD_NAMES.get(schema.node_id, set())


def test_where_the_clip_cuts_to_another_person(portrait, talking):
    """The same choice as in `tests/face/test_follow.py`, from the node."""
    import cv2
    import torch

    face = cv2.resize(talking[0], (512, 512), interpolation=cv2.INTER_AREA)
    other = torch.from_numpy(face[None].astype(np.float32) / 255)
    clip = torch.cat([portrait] * 2 + [other] * 2)
    track, measured, report = track_of(clip)
    assert track.valid.all() and "cuts to another person at frame 2" in report
    with raises(CutError, frame=2):
        track_of(clip, on_cut="stop")
    _, measured, _ = track_of(clip, on_cut="hold")
    assert measured[:, 0, 0].tolist() == [1, 1, 0, 0]
