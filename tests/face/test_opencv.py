"""OpenCV of any distribution is used as it is; missing or broken, an error names the command that helps."""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

from sk_portrait.face_tools import opencv
from sk_portrait.host.environment import ROOT

MISSING = ModuleNotFoundError("No module named 'cv2'")
NO_DISPLAY = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
OTHER_NUMPY = AttributeError("_ARRAY_API not found")


@pytest.fixture
def environment(monkeypatch):
    """environment(error or version, **distributions): what `import cv2` does, and what pip has installed."""

    def make(found: Exception | str, **distributions: str) -> None:
        def imported(name: str):
            if isinstance(found, Exception):
                raise found
            return SimpleNamespace(__version__=found, resize="resize")

        def version(name: str) -> str:
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        versions = {name.replace("_", "-"): version for name, version in distributions.items()}
        monkeypatch.setattr(opencv.importlib, "import_module", imported)
        monkeypatch.setattr(opencv.metadata, "version", version)

    return make


@pytest.fixture
def install(monkeypatch):
    """install() -> the command that the installation runs, None if it runs none."""
    spec = importlib.util.spec_from_file_location("sk_portrait_install", ROOT / "install.py")
    script = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(str(ROOT))
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "opencv", opencv)

    def run() -> list[str] | None:
        commands = []
        monkeypatch.setattr(script.subprocess, "call", lambda command: commands.append(command) or 0)
        assert script.main() == 0
        return commands[0] if commands else None

    return run


@pytest.mark.parametrize("version", ["4.8.0", "4.11.0", "4.12.0-dev", "5.0.0", "5.1.0"])
def test_a_working_one_is_used_and_left_alone(environment, install, version):
    environment(version, opencv_contrib_python="4.8.0.76")
    assert opencv._OpenCV().resize == "resize"
    assert install() is None


def test_where_there_is_none_the_headless_one_is_installed_and_numpy_kept(environment, install):
    environment(MISSING, numpy="1.26.4")
    command = [sys.executable, "-m", "pip", "install", "opencv-python-headless>=4.8,<6", "numpy==1.26.4"]
    assert install() == command
    with pytest.raises(opencv.OpenCVError, match="OpenCV is not installed") as error:
        opencv._OpenCV().resize  # noqa: B018
    assert '-m pip install "opencv-python-headless>=4.8,<6" numpy==1.26.4' in str(error.value)


@pytest.mark.parametrize("broken", [NO_DISPLAY, OTHER_NUMPY, MISSING, "4.7.0"], ids=str)
@pytest.mark.parametrize("name", ["opencv-python", "opencv-contrib-python"])
def test_a_broken_one_is_left_with_the_command_that_repairs_it(environment, install, capsys, broken, name):
    environment(broken, **{name.replace("-", "_"): "4.7.0.72", "numpy": "2.2.6"})
    assert install() is None
    said = capsys.readouterr().out
    assert f"{name} 4.7.0.72 is installed but does not work" in said
    assert f'--force-reinstall "{name}-headless>=4.8,<6" numpy==2.2.6 and restart ComfyUI' in said


def test_an_environment_of_uv_is_served_by_uv(environment, install, monkeypatch):
    environment(MISSING)
    monkeypatch.setattr(opencv.importlib.util, "find_spec", lambda name: None)
    assert install()[1:5] == ["-m", "uv", "pip", "install"]


def test_debuggers_and_copiers_do_not_need_it(environment):
    environment(MISSING)
    assert not hasattr(opencv._OpenCV(), "__wrapped__")
