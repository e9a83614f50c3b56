"""The face nodes on the real host, called as the host calls them."""

import inspect

import numpy as np
import pytest

pytest.importorskip("mediapipe.python.solutions.face_mesh", reason="the built-in FaceMesh needs mediapipe 0.10.21")


@pytest.fixture(scope="module")
def portrait(comfy):
    import torch
    from skimage.data import astronaut

    from sk_portrait.nodes import folders

    folders.register()

    return torch.from_numpy(astronaut()[None].astype(np.float32) / 255)


def track_of(images, **options):
    from sk_portrait.nodes.face_track import TrackFace

    values = {"fps": 25.0, "source": "mediapipe-mesh", "face": "largest", "face_number": 1, "on_miss": "stop", **options}
    return TrackFace.execute(images, **values).args


def test_from_a_picture_to_the_head_pose_and_the_patches(portrait):
    from sk_portrait.nodes.face_pictures import CropPortrait, DrawHeadPose, FacePatches

    track, measured, report = track_of(portrait)
    assert measured.shape == (1, 512, 512) and measured.min() == 1
    assert "mediapipe-mesh" in report and "coefficients: none" in report

    images, cropped, crop = CropPortrait.execute(portrait, track, "v2", 0.0, 512).args
    assert images.shape == (1, 512, 512, 3) and cropped.size == (512, 512) and crop.side < 511

    (head_pose,) = DrawHeadPose.execute(cropped, 0.0, 512).args
    assert head_pose.shape == (1, 512, 512, 3) and len(np.unique(head_pose.reshape(-1, 3).numpy(), axis=0)) == 5

    patches = FacePatches.execute(images, cropped).args
    assert [tuple(patch.shape) for patch in patches] == [(1, 224, 224, 3)] * 4


def test_a_track_of_another_length_is_refused(portrait):
    from sk_portrait.nodes.face_pictures import CropPortrait

    track = track_of(portrait)[0]
    with pytest.raises(ValueError, match="1 rows and there are 2 images"):
        CropPortrait.execute(portrait.repeat(2, 1, 1, 1), track, "v2", 0.0, 512)


def test_every_input_and_output_says_what_it_is(comfy):
    from sk_portrait.nodes import face_pictures, face_track

    for node in (*face_track.NODES, *face_pictures.NODES):
        schema = node.define_schema()
        assert schema.node_id.startswith("SKPortrait") and schema.category.startswith("SK Portrait/")
        assert all(part.tooltip for part in (*schema.inputs, *schema.outputs)), schema.node_id
        assert {part.id for part in schema.inputs} == set(inspect.signature(node.execute).parameters)
