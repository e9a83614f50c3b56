"""What docs/architecture.md and CONTRIBUTING.md say about the code: packages and their imports, errors, paths, names."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| `(\w+)` \|.*\|([^|]*)\|$", re.MULTILINE)
ALL = "everything above"
PAGES = ("CONTRIBUTING.md", "docs/architecture.md")
# A path from the root; `*` is a wildcard.
FILE = re.compile(r"`([\w.-]+(?:/[\w.*-]*)+|\w+\.(?:py|md|toml|yml))`")
TABLE_ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)
NAME = re.compile(r"`([A-Z][A-Z_]+)`")
LARGEST = 0.16  # of all lines of the repository, in the files of one folder


def documented() -> dict[str, set[str]]:
    rows = ROW.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    names = [name for name, _ in rows]
    return {
        name: set(names[: names.index(name)])
        if imports.strip() == ALL
        else set(re.findall(r"`(\w+)`", imports))
        for name, imports in rows
    }


def packages_imported_by(path: Path) -> set[str]:
    folder = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = (node.module or "").split(".")
        if node.level:
            module = [*folder[: len(folder) - node.level + 1], *filter(None, module)]
        elif module[0] == "sk_portrait":
            module = module[1:]
        else:
            continue
        found |= {module[0]} if module else {alias.name for alias in node.names}
    return found - {folder[0]}


def sources() -> dict[str, list[Path]]:
    return {name: sorted((ROOT / name).rglob("*.py")) for name in documented()}


def test_the_table_names_every_package():
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and any(path.rglob("*.py")) and path.name != "output"
    }
    assert folders == set(documented())


def test_imports_are_those_of_the_table():
    table, found = documented(), defaultdict(set)
    for package, files in sources().items():
        for path in files:
            found[package] |= packages_imported_by(path) & set(table)
    upward = {package: found[package] - table[package] for package in table}
    assert {package: names for package, names in upward.items() if names} == {}


def test_imports_point_down():
    names = list(documented())
    assert all(
        names.index(below) < names.index(name) for name, imports in documented().items() for below in imports
    )


def test_no_folder_outgrows_the_others():
    lines = defaultdict(int)
    for path in sum(sources().values(), []):
        lines[path.parent.relative_to(ROOT).as_posix()] += len(path.read_text(encoding="utf-8").splitlines())
    total = sum(lines.values())
    assert {folder: count / total for folder, count in lines.items() if count > LARGEST * total} == {}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def files_defining_errors() -> set[str]:
    """Files of the code, without the tests, that define SKPortraitError or a class derived from it."""
    code = [
        ROOT / "errors.py",
        *(path for name, paths in sources().items() if name != "tests" for path in paths),
    ]
    classes = [
        (path.relative_to(ROOT).as_posix(), node.name, {ast.unparse(base) for base in node.bases})
        for path in code
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    errors, known = {"SKPortraitError"}, set()
    while errors != known:
        known = set(errors)
        errors |= {name for _, name, bases in classes if bases & known}
    return {path for path, name, _ in classes if name in errors}


def test_the_table_of_errors_names_every_file_that_defines_one():
    section = page("docs/architecture.md").partition("\n## Errors\n")[2].partition("\n## ")[0]
    assert {file for first, _ in TABLE_ROW.findall(section) for file in FILE.findall(first)} == (
        files_defining_errors()
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_path_that_a_page_names_exists(name):
    assert [path for path in FILE.findall(page(name)) if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_name_that_a_recipe_changes_is_in_its_file():
    """`VERSIONS` in the row of `sk_attention/versions.py`."""
    absent = []
    for row in re.findall(r"^\|.*\|$", page("CONTRIBUTING.md"), re.MULTILINE):
        files = [ROOT / path for path in FILE.findall(row) if (ROOT / path).is_file()]
        texts = [path.read_text(encoding="utf-8") for path in files]
        absent += [name for name in NAME.findall(row) if texts and not any(name in text for text in texts)]
    assert absent == []
