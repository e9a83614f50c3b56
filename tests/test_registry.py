"""The registry's own program accepts the pack, and the archive that it makes holds what artists run and no more."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from sk_portrait.host import environment
from sk_portrait.tests.test_house_rules import ARTISTS, DEVELOPERS, ROOT

OWN = environment.python(environment.CACHE / "comfy-cli").with_name(
    "comfy"
)  # where host/installation.py installs it
COMFY_CLI = (
    os.environ.get("SK_PORTRAIT_COMFY_CLI") or shutil.which("comfy") or (str(OWN) if OWN.exists() else None)
)
LARGEST = 3 << 20  # bytes of the archive

pytestmark = pytest.mark.skipif(
    COMFY_CLI is None, reason="comfy-cli is absent (SK_PORTRAIT_COMFY_CLI names its program, comfy)"
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The last commit, for the program packs what git knows."""
    folder = tmp_path_factory.mktemp("registry") / "sk-portrait"
    if subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], capture_output=True).returncode:
        pytest.skip("not a git checkout")
    return folder


def comfy(clone: Path, *words: str) -> str:
    home = {name: str(clone.parent) for name in ("HOME", "XDG_CONFIG_HOME")}
    ran = subprocess.run(
        [COMFY_CLI, "--skip-prompt", *words], cwd=clone, env=os.environ | home, capture_output=True, text=True
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said
    return said


def test_comfy_node_validate(clone):
    said = comfy(clone, "node", "validate")
    assert "passed" in said and "warning" not in said.lower()


def test_comfy_node_pack(clone):
    comfy(clone, "node", "pack")
    archive = clone / "node.zip"
    names = {Path(name).parts[0] for name in zipfile.ZipFile(archive).namelist()}
    assert {
        *ARTISTS,
        "web",
        "locales",
        "workflows",
        "subgraphs",
        "__init__.py",
        "pyproject.toml",
        "requirements.txt",
        "LICENSE",
    } <= names
    assert not names & (DEVELOPERS | {"run.py", ".ci", ".github"})
    assert archive.stat().st_size < LARGEST
