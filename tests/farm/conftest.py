"""One Ray for all tests of the farm, and a base directory of ComfyUI with the tiny nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sk_portrait.farm import worker_pool
from sk_portrait.testing.farm import graphs


@pytest.fixture(scope="session")
def ray():
    """Ray on this machine, as the command starts it."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "RAY_worker_niceness", "0"
        )  # Ray is polite to what else runs on a machine: here nothing does
        started = worker_pool.begin(None, 8)
        yield started
        started.shutdown()


@pytest.fixture(scope="session")
def base(comfy):
    """The base directory of the ComfyUI in this process."""
    import folder_paths

    return graphs.base(Path(folder_paths.base_path))
