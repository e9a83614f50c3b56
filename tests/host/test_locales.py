"""Translations name the nodes that are there, all of them."""

import urllib.request

import pytest

pytestmark = pytest.mark.comfy


def test_every_language_of_the_pack_names_every_node(server):
    nodes = {name for name in server.object_info() if name.startswith("SKPortrait")}
    for language, texts in server.get("/i18n").items():
        ours = {name for name in texts.get("nodeDefs", {}) if name.startswith("SKPortrait")}
        assert not ours or ours == nodes, language
    assert {name for name in server.get("/i18n")["zh"]["nodeDefs"] if name.startswith("SKPortrait")} == nodes


def test_every_node_has_a_help_page(server):
    for name in server.object_info():
        if name.startswith("SKPortrait"):
            with urllib.request.urlopen(f"{server.url}/extensions/sk-portrait/docs/{name}.md") as page:
                assert page.read().startswith(b"# "), name
