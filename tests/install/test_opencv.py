"""Installing the pack leaves each distribution of OpenCV as it is; an environment without one gets one."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from sk_portrait.host.environment import ROOT, python

pytestmark = pytest.mark.slow

NUMPY_1, NUMPY_2 = "1.26.4", "2.2.6"
DISTRIBUTIONS = [
    ("opencv-python", "4.8.0.76", NUMPY_1),
    ("opencv-python", "4.12.0.88", NUMPY_2),
    ("opencv-python-headless", "4.11.0.86", NUMPY_1),
    ("opencv-python-headless", "5.0.0.93", NUMPY_2),
    ("opencv-contrib-python", "4.10.0.84", NUMPY_1),
    ("opencv-contrib-python", "4.14.0.94", NUMPY_2),
    ("opencv-contrib-python", "5.0.0.93", NUMPY_2),
    ("opencv-contrib-python-headless", "4.9.0.80", NUMPY_1),
]
# What other node packs see of OpenCV, and one picture that ours draws with it.
SEEN = """
import importlib.util, json, sys
from importlib import metadata
import cv2, numpy
spec = importlib.util.spec_from_file_location("sk_portrait_run", sys.argv[1] + "/run.py")
run = importlib.util.module_from_spec(spec); spec.loader.exec_module(run); run.load_pack()
from sk_portrait.drawn_heads import Identity, State, draw
try:
    from cv2.ximgproc import guidedFilter
    contrib = True
except ImportError:
    contrib = False
names = {d.metadata["Name"]: d.version for d in metadata.distributions()}
installed = sorted(f"{name} {version}" for name, version in names.items() if name.startswith("opencv"))
picture = draw(Identity.of(1), State.named(), 64)
print(json.dumps([cv2.__version__, contrib, installed, numpy.__version__, list(picture.shape)]))
"""


class Environment:
    """A virtual environment as an artist's, with these packages."""

    def __init__(self, folder: Path, *packages: str):
        venv.create(folder, with_pip=True)
        self.python = python(folder)
        if packages:
            self.run("-m", "pip", "install", "--quiet", *packages)

    def run(self, *arguments: str) -> str:
        done = subprocess.run([str(self.python), *arguments], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install_the_pack(self) -> str:
        """What ComfyUI-Manager and comfy-cli run."""
        self.run("-m", "pip", "install", "--quiet", "-r", "requirements.txt")
        return self.run("install.py")

    def seen(self) -> list:
        return json.loads(self.run("-c", SEEN, str(ROOT)).splitlines()[-1])


def needs(numpy: str) -> None:
    if numpy == NUMPY_1 and sys.version_info >= (3, 13):
        pytest.skip("NumPy 1.26 has no wheels for Python 3.13")


@pytest.mark.parametrize(("name", "version", "numpy"), DISTRIBUTIONS)
def test_a_working_opencv_is_left_as_it_is(tmp_path, name, version, numpy):
    needs(numpy)
    environment = Environment(tmp_path / "env", f"{name}=={version}", f"numpy=={numpy}")
    before = environment.seen()
    environment.install_the_pack()
    assert environment.seen() == before
    assert before[1:4] == ["contrib" in name, [f"{name} {version}"], numpy]


@pytest.mark.parametrize("numpy", [NUMPY_1, NUMPY_2])
def test_an_environment_without_opencv_gets_one_that_fits_its_numpy(tmp_path, numpy):
    needs(numpy)
    environment = Environment(tmp_path / "env", f"numpy=={numpy}")
    environment.install_the_pack()
    version, contrib, installed, kept, _ = environment.seen()
    assert installed[0].startswith("opencv-python-headless") and kept == numpy


def test_a_broken_opencv_is_not_touched_and_the_command_that_is_named_repairs_it(tmp_path):
    """Built for NumPy 1, beside NumPy 2."""
    environment = Environment(tmp_path / "env", "opencv-contrib-python==4.8.0.76", f"numpy=={NUMPY_2}")
    said = environment.install_the_pack()
    assert "opencv-contrib-python 4.8.0.76 is installed but does not work" in said
    command = said.split(" -m ")[1].split(" and restart")[0].replace('"', "").split()
    environment.run("-m", *command)
    version, contrib, installed, kept, _ = environment.seen()
    assert contrib and kept == NUMPY_2
