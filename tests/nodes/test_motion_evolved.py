"""AnimateDiff-Evolved's sliding contexts drive our patches: where SK_PORTRAIT_ANIMATEDIFF_EVOLVED names its folder."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.tiny_models import drive
from sk_portrait.testing.tiny_motion import shared_noise

FOLDER = os.environ.get("SK_PORTRAIT_ANIMATEDIFF_EVOLVED")

pytestmark = [
    pytest.mark.comfy,
    pytest.mark.skipif(not FOLDER, reason="SK_PORTRAIT_ANIMATEDIFF_EVOLVED is not set"),
]

SMALL = 8


@pytest.fixture(scope="module")
def evolved(comfy):
    """The pack, imported as ComfyUI imports it."""
    name = "animatediff_evolved"
    spec = importlib.util.spec_from_file_location(
        name, Path(FOLDER) / "__init__.py", submodule_search_locations=[FOLDER]
    )
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NODE_CLASS_MAPPINGS


def sliding(evolved, model, length: int, overlap: int):
    """MODEL with AnimateDiff-Evolved's static context windows."""
    (options,) = evolved["ADE_StandardStaticContextOptions"]().create_options(length, overlap)
    return evolved["ADE_UseEvolvedSampling"]().use_evolved_sampling(
        model, "use existing", context_options=options
    )[0]


def test_each_context_gets_the_drive_of_its_own_frames(host, evolved):
    model = host.apply(drive=drive(10, cells=SMALL), model=host.move(host.still_motion(), 0))
    noise = shared_noise(10, SMALL)
    whole = host.sample(model, 10, SMALL, noise=noise)
    assert relative_error(host.sample(sliding(evolved, model, 4, 2), 10, SMALL, noise=noise), whole) < 1e-5


@pytest.mark.parametrize("kind", ["animatediff", "v5"])
def test_its_contexts_and_our_windows_move_alike(host, evolved, kind):
    noise = shared_noise(10, SMALL)
    model = host.apply(drive=drive(10, cells=SMALL))
    ours = host.sample(
        host.move(host.motion(kind), 4, 1, "flat", model=model), 10, SMALL, noise=noise, steps=1
    )
    (options,) = evolved["ADE_StandardStaticContextOptions"]().create_options(4, 1, fuse_method="flat")
    moving = host.move(host.motion(kind), 0, model=model)
    theirs = evolved["ADE_UseEvolvedSampling"]().use_evolved_sampling(
        moving, "use existing", context_options=options
    )[0]
    assert relative_error(host.sample(theirs, 10, SMALL, noise=noise, steps=1), ours) < 1e-5
