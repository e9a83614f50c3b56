"""The rules of the house that a machine can check."""

import ast
import builtins
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    path for path in ROOT.rglob("*.py") if not {".git", "output"} & set(path.relative_to(ROOT).parts)
)
# What a package may never import, by the first name of the import; a relative one starts with the sibling's name.
HOST = {
    "comfy",
    "comfy_api",
    "comfy_extras",
    "comfy_execution",
    "folder_paths",
    "node_helpers",
    "latent_preview",
    "server",
}
DEVELOPERS = {
    "authoring",
    "bench",
    "demo",
    "evaluate",
    "farm",
    "host",
    "material",
    "testing",
    "tests",
    "train",
}
NETWORKS = (
    HOST
    | DEVELOPERS
    | {"nodes", "face_tools", "drawn_heads", "diffusers", "transformers", "cv2", "mediapipe"}
)
FORBIDDEN = {
    "face_tools": HOST
    | DEVELOPERS
    | {"nodes", "sk_attention", "systems", "unet", "drawn_heads", "torch", "torchvision"},
    "unet": NETWORKS | {"sk_attention", "systems"},
    "sk_attention": NETWORKS | {"systems"},
    "systems": NETWORKS | {"sk_attention"},
    "drawn_heads": HOST
    | DEVELOPERS
    | {"nodes", "sk_attention", "systems", "unet", "torch", "torchvision", "mediapipe"},
    "nodes": DEVELOPERS,
}
TYPES, COLOUR = re.compile(r'io\.Custom\("(\w+)"\)'), re.compile(r'^  (\w+): "(#\w{6})"', re.MULTILINE)
ARTISTS = ("nodes", "systems", "sk_attention", "unet", "face_tools", "drawn_heads")  # what artists run


def imports(path: Path) -> set[str]:
    """Top-level names that a file imports; `from ..nodes import x` in a package of the pack counts as `nodes`."""
    depth = len(path.relative_to(ROOT).parts) - 1
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level > depth:
            names |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_arrows_run_one_way(package):
    found = {
        path.relative_to(ROOT).as_posix(): imports(path) & FORBIDDEN[package]
        for path in (ROOT / package).rglob("*.py")
    }
    # One file may know diffusers.
    found.get("unet/hosts/diffusers_hooks.py", set()).discard("diffusers")
    assert {path: names for path, names in found.items() if names} == {}


def test_files_stay_small():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCES
    }
    assert {path: length for path, length in lengths.items() if length > 400} == {}


@pytest.mark.parametrize("package", ["errors.py", *ARTISTS])
def test_what_users_can_cause_is_an_error_of_the_pack(package):
    """No file raises a built-in: every error is a SKPortraitError, by which callers and the fuzzing tests know it."""
    unwritten = {"NotImplementedError", "AttributeError"}  # of abstract methods, and of `__getattr__`
    found = {}
    for path in [ROOT / package] if package.endswith(".py") else (ROOT / package).rglob("*.py"):
        raised = {
            name.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Raise)
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(getattr(builtins, name.id, None), type)
        }
        found[path.relative_to(ROOT).as_posix()] = {
            name for name in raised - unwritten if issubclass(getattr(builtins, name), BaseException)
        }
    assert {path: names for path, names in found.items() if names} == {}


def test_the_errors_import_nothing_of_the_pack():
    """So every package may import them."""
    tree = ast.parse((ROOT / "errors.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


def test_importing_the_pack_is_light():
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('run', {str(ROOT / 'run.py')!r})\n"
        "run = importlib.util.module_from_spec(spec); spec.loader.exec_module(run); run.load_pack()\n"
        "import sk_portrait.face_tools\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
    )
    assert loaded & {"torch", "numpy", "cv2", "mediapipe", "onnxruntime", "av", "comfy"} == set()


def test_artists_install_the_same_list_from_either_file():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = (\[.*\])$", project, re.MULTILINE).group(1)
    assert json.loads(listed) == (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    assert "opencv" not in listed  # pip would put one distribution over another one


def test_artists_code_takes_opencv_from_one_module():
    """`face_tools/opencv.py` imports it at first use: without it, nodes that do not need it still load."""
    for package in ARTISTS:
        assert {path for path in (ROOT / package).rglob("*.py") if "cv2" in imports(path)} == set()


def test_registry_metadata_is_complete():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for line in (
        'name = "sk-portrait"',
        'PublisherId = "',
        'DisplayName = "SK Portrait"',
        'requires-comfyui = ">=0.3.64"',
    ):
        assert line in project


def test_the_registrys_archive_holds_what_artists_run_and_no_more():
    """`.comfyignore` leaves out whole folders and single files; what is left neither starts processes nor weighs much."""
    lines = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    left_out = {line.rstrip("/") for line in lines if line and not line.startswith("#")}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in tracked.stdout.splitlines() if name.split("/")[0] not in left_out]
    kept = {path.relative_to(ROOT).parts[0] for path in files}
    assert {
        "__init__.py",
        "pyproject.toml",
        "requirements.txt",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        *ARTISTS,
    } <= kept
    assert {"web", "locales", "workflows", "subgraphs"} <= kept and not kept & (DEVELOPERS | {"run.py"})
    # Only the script that ComfyUI-Manager and comfy-cli run at installation starts a process: pip.
    starting = {path for path in files if path.suffix == ".py" and "subprocess" in imports(path)}
    assert starting == {ROOT / "install.py"}
    assert sum(path.stat().st_size for path in files if path.exists()) < 5 * 2**20


def test_nothing_logs_by_printing_or_evaluates_text():
    """`T20`, `S102` and `S307` of the linter, for the packages that artists run."""
    packages = [str(ROOT / name) for name in ("__init__.py", *ARTISTS)]
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "T20,S102,S307,E722",
        *packages,
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_no_run_time_network_or_installation():
    """Artists' code neither downloads nor installs: it imports nothing that could, nor the installation script."""
    could = {
        "urllib", "requests", "httpx", "http", "socket", "subprocess", "pip", "huggingface_hub", "aiohttp",
        "install",
    }  # fmt: skip
    found = {}
    for package in ARTISTS:
        found |= {
            path.relative_to(ROOT).as_posix(): imports(path) & could
            for path in (ROOT / package).rglob("*.py")
        }
    assert {path: names for path, names in found.items() if names} == {}


def test_nothing_imports_tests():
    """Fixtures live in `testing`, which benches and the demo use too."""
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] != "tests":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert not {
                name for name in modules if name.removeprefix("sk_portrait.").split(".")[0] == "tests"
            }, path


def test_no_system_imports_another():
    """X-Dyna, the W+ adapter and FreeAnimate stand side by side on `unet`."""
    systems = {folder.name for folder in (ROOT / "systems").iterdir() if (folder / "__init__.py").exists()}
    for path in (ROOT / "systems").rglob("*.py"):
        own = path.relative_to(ROOT / "systems").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                assert (node.module or "").split(".")[0] not in systems - {own}, path


def test_every_socket_type_of_the_pack_has_a_colour_of_its_own():
    types, script = (ROOT / path for path in ("nodes/types.py", "web/sk_portrait.js"))
    own = set(TYPES.findall(types.read_text(encoding="utf-8"))) - {"FLOATS"}  # a type of other nodes too
    colours = dict(COLOUR.findall(script.read_text(encoding="utf-8")))
    assert colours.keys() == own
    assert len(set(colours.values())) == len(own)


def test_the_number_of_threads_is_set_in_one_place():
    """A file that sets it does so for all tests of its process."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__).resolve()]
    assert not [path for path in tests if "set_num_threads(" in path.read_text(encoding="utf-8")]
