"""The pack works under any folder name, such as sk-portrait-main from a ZIP of the repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sk_portrait.host.environment import ROOT

LOAD = """
import asyncio, importlib.util, json, pathlib, sys
root, comfy, base, pack = map(pathlib.Path, sys.argv[1:])
spec = importlib.util.spec_from_file_location("sk_portrait_run", root / "run.py")
run = importlib.util.module_from_spec(spec); spec.loader.exec_module(run); run.load_pack()
from sk_portrait.host import installation
installation.enter(comfy, base)
import nodes
loaded = asyncio.run(nodes.load_custom_node(str(pack)))
ours = [name for name in nodes.NODE_CLASS_MAPPINGS if name.startswith("SKPortrait")]
served = {name: str(folder) for name, folder in nodes.EXTENSION_WEB_DIRS.items()}
print(json.dumps([loaded, len(ours), served]))
"""


@pytest.mark.parametrize("name", ["sk-portrait-main", "SK Portrait 0.2 (中文)"])
def test_nodes_load_and_links_of_help_pages_lead_somewhere(comfy, tmp_path, name):
    """Help pages link by the name of the project, which ComfyUI serves beside that of the folder."""
    pack = tmp_path / "custom_nodes" / name
    pack.parent.mkdir()
    pack.symlink_to(ROOT, target_is_directory=True)
    command = [sys.executable, "-c", LOAD, str(ROOT), str(comfy), str(tmp_path / "base"), str(pack)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded, nodes, served = json.loads(done.stdout.splitlines()[-1])
    assert loaded and nodes > 40
    assert {"sk-portrait", name} <= set(served)
    assert all((Path(folder) / "docs" / "style.md").is_file() for folder in served.values())
