"""Two GPUs share nothing by accident: whatever is kept for a run is kept by the device and dtype of the call that it was made for."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch

from sk_portrait.testing.tiny_models import Host, drive
from sk_portrait.unet.clip.frames import rows_of
from sk_portrait.unet.feature_cache import FeatureCache, TargetDevice
from sk_portrait.unet.strengths import RowWeights

HERE = TargetDevice(torch.device("cpu"), torch.float32)
WIDER = TargetDevice(torch.device("cpu"), torch.float64)
ELSEWHERE = TargetDevice(torch.device("meta"), torch.float32)  # a device that every machine has
ROWS = {"cond_or_uncond": [0, 1]}


def test_features_and_weights_of_frames_are_where_each_call_is():
    cache, weights = FeatureCache({"a": torch.rand(3, 2)}), RowWeights()
    for target in (HERE, ELSEWHERE, WIDER, HERE):
        for made in (cache.at((0, 2), target)["a"], weights.at((1.0, 0.5), 1.0, target)):
            assert (made.device, made.dtype) == target.there
    assert cache.at((0, 2), ELSEWHERE)["a"].shape == (2, 2)


@pytest.mark.comfy
def test_keys_and_values_of_the_reference_and_the_drive_are_where_each_call_is(comfy):
    from sk_portrait.sk_attention.drive import DrivePatch
    from sk_portrait.sk_attention.reference import ReferencePatch

    attends, acts, rows = ReferencePatch(Host().reference("v2")), DrivePatch(drive(3)), rows_of(ROWS, 6)
    for target in (HERE, WIDER, HERE):
        reference_kv = attends.prepare(rows, target).boundaries["up_1"]
        assert {tensor.dtype for tensor in (*reference_kv.rows, *reference_kv.columns)} == {target.dtype}
        assert all(
            feature.dtype == target.dtype
            for chunk in acts.prepare(rows, target)
            for feature in chunk.values()
        )
    assert attends.prepare(rows, HERE) is attends.prepare(rows, HERE)


@pytest.mark.parametrize("package", ["unet", "sk_attention", "systems"])
def test_no_module_keeps_a_tensor(package):
    folder = importlib.import_module(f"sk_portrait.{package}")
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}.")
    ]
    assert [
        f"{m.__name__}.{name}" for m in modules for name, value in vars(m).items() if torch.is_tensor(value)
    ] == []
