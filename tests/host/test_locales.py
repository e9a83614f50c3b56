"""Both languages are complete, and every node has its help in both."""

import json
import re
import urllib.error
import urllib.request

import pytest

from sk_portrait.host.environment import ROOT

pytestmark = pytest.mark.comfy

DOCS = ROOT / "web" / "docs"
BOLD = re.compile(r"\*\*([^*]+)\*\*")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SERVED = "/extensions/sk-portrait/docs/"


@pytest.fixture(scope="module")
def nodes(server):
    return {name: info for name, info in server.object_info().items() if name.startswith("SKPortrait")}


def test_chinese_says_everything_that_english_says(server, nodes):
    texts = server.get("/i18n")["zh"]["nodeDefs"]
    missing = []
    for name, info in nodes.items():
        ours = texts.get(name, {})
        missing += [f"{name}.{key}" for key in ("display_name", "description") if not ours.get(key)]
        inputs = [key for kind in ("required", "optional") for key in info["input"].get(kind, {})]
        for side, keys in (("inputs", inputs), ("outputs", map(str, range(len(info["output"]))))):
            entries = ours.get(side, {})
            missing += [
                f"{name}.{side}.{key}" for key in keys if set(entries.get(key, {})) != {"name", "tooltip"}
            ]
    assert missing == []


def test_chinese_names_nothing_that_is_gone(server, nodes):
    texts = {
        name: entry
        for name, entry in server.get("/i18n")["zh"]["nodeDefs"].items()
        if name.startswith("SKPortrait")
    }
    assert set(texts) <= set(nodes)
    for name, entry in texts.items():
        inputs = {key for kind in ("required", "optional") for key in nodes[name]["input"].get(kind, {})}
        assert set(entry.get("inputs", {})) <= inputs, name


def test_a_face_track_is_called_by_one_word():
    texts = (ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8")
    for name, entry in json.loads(texts).items():
        for key, value in (entry.get("inputs", {}) | entry.get("outputs", {})).items():
            assert value["name"] != "跟踪", f"{name}.{key}"


def test_every_node_has_its_help_in_both_languages(server, nodes):
    for name in nodes:
        for page in (f"{name}.md", f"{name}/zh.md"):
            with urllib.request.urlopen(f"{server.url}{SERVED}{page}") as answer:
                assert answer.read().startswith(b"# "), page


def test_the_long_pages_are_reached_from_the_nodes_that_they_name(nodes):
    pages = {page: (DOCS / page).read_text(encoding="utf-8") for page in ("faces.md", "artist_path.md")}
    named = {part for text in pages.values() for bold in BOLD.findall(text) for part in bold.split(" → ")}
    short = {name: info["display_name"].partition(" (")[0] for name, info in nodes.items()}
    for name in (name for name in nodes if {short[name], nodes[name]["display_name"]} & named):
        for help_page in (f"{name}.md", f"{name}/zh.md"):
            text = (DOCS / help_page).read_text(encoding="utf-8")
            assert any(f"{SERVED}{page}" in text for page in pages), help_page


def test_no_link_in_the_help_is_dead(server):
    """A page of a node is shown in a panel at the front end's own address: only whole addresses work there."""
    for page in DOCS.rglob("*.md"):
        in_panel = page.relative_to(DOCS).parts[0].startswith("SKPortrait")
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            if link.startswith("https://"):
                continue
            assert not in_panel or link.startswith(SERVED) or link.startswith("pictures/"), (
                f"{page.name}: {link}"
            )
            address = link if link.startswith("/") else SERVED + link
            try:
                urllib.request.urlopen(server.url + address).close()
            except urllib.error.HTTPError as error:
                pytest.fail(f"{page.name} links to {link}: {error}")
