"""OpenCV of any distribution is used as it is; missing or broken, an error names the command that helps."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

from sk_portrait.face_tools import opencv
from sk_portrait.host.environment import ROOT

MISSING = ModuleNotFoundError("No module named 'cv2'")
NO_DISPLAY = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
OTHER_NUMPY = AttributeError("_ARRAY_API not found")

WITHOUT_OPENCV = """
import asyncio, importlib.util, pathlib, sys
sys.modules["cv2"] = None
spec = importlib.util.spec_from_file_location("sk_portrait_run", sys.argv[1] + "/run.py")
run = importlib.util.module_from_spec(spec); spec.loader.exec_module(run); run.load_pack()
from sk_portrait.host import installation
installation.enter(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
import sk_portrait
extension = asyncio.run(sk_portrait.comfy_entrypoint())
nodes = {node.define_schema().node_id: node for node in asyncio.run(extension.get_node_list())}
print(len(nodes), nodes["SKPortraitStrengths"].execute(1.0, 1.0, 1.0, "", "", "0: 1")[0].frames.values)
head = nodes["SKPortraitDrawnHead"]
inputs = {spec.id: getattr(spec, "default", None) for spec in head.define_schema().inputs}
try:
    head.execute(**inputs)
except Exception as error:
    print(type(error).__name__, error)
"""


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


@pytest.fixture
def environment(monkeypatch):
    """environment(error or version, **distributions): what `import cv2` does, and what pip has installed."""

    def make(found: Exception | str, pip: str | None = "25.0", **distributions: str) -> None:
        def imported(name: str):
            if isinstance(found, Exception):
                raise found
            return SimpleNamespace(__version__=found, resize="resize")

        def version(name: str) -> str:
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        versions = {name.replace("_", "-"): version for name, version in distributions.items()} | (
            {"pip": pip} if pip else {}
        )
        monkeypatch.setattr(opencv.importlib, "import_module", imported)
        monkeypatch.setattr(opencv.metadata, "version", version)

    return make


@pytest.fixture
def install(monkeypatch):
    """install() -> the command that the installation runs, None if it runs none."""
    spec = importlib.util.spec_from_file_location("sk_portrait_install", ROOT / "install.py")
    script = importlib.util.module_from_spec(spec)
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


def test_an_environment_without_pip_is_served_by_uv(environment, install):
    environment(MISSING, pip=None)
    assert install()[1:5] == ["-m", "uv", "pip", "install"]


def test_the_advice_leaves_setuptools_usable():
    """Even to look for pip's module makes setuptools switch its distutils off, and torch.compile's own compiler needs it."""
    code = "from sk_portrait.face_tools import opencv; opencv.pip_command(); import setuptools"
    done = run_python(f"import sys; sys.path.insert(0, {str(ROOT)!r}); import run; run.load_pack(); {code}")
    assert done.returncode == 0, done.stderr


def test_debuggers_and_copiers_do_not_need_it(environment):
    environment(MISSING)
    assert not hasattr(opencv._OpenCV(), "__wrapped__")


def test_without_it_all_nodes_load_and_those_that_need_it_say_what_to_do(comfy, tmp_path):
    done = run_python(WITHOUT_OPENCV, str(ROOT), str(comfy), str(tmp_path))
    assert done.returncode == 0, done.stderr
    loaded, error = done.stdout.splitlines()[-2:]
    assert int(loaded.split()[0]) > 40 and error.startswith("OpenCVError ") and " -m pip install " in error
