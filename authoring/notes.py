"""Writes the notes of templates, in Markdown that both renderers of the
front end support: no inline code, no bare URL.
"""

from __future__ import annotations

import json
import re

from ..host.workflow import models
from .chinese import CHINESE
from .graph_writer import Graph
from .recipes import SOURCES
from .top import NOTE, TALLEST

FIRST = """## {title}

{what}

**Change first:** {first}
{files}
{needs}

---

## {zh_title}

{zh_what}

先改：{zh_first}
"""
FILES = """
**Before the first run** ComfyUI offers to download the missing files (*Download all*). They belong in the folders below.
{one_name}
{files}
{rest}"""
ONE_NAME = "diffusion_pytorch_model.safetensors"
SAVE_AS = f"On their pages many files are called *{ONE_NAME}*: if you download by hand, use the names of this list.\n"
ALONE = "It runs without other node packs."
LANDMARKS = (
    "It needs ComfyUI 0.23 or newer, and no other node packs. On an older ComfyUI, open the subgraph: {}."
)
OLDER = {
    "SKPortraitTrackFromLandmarks": "replace *Detect Face* and *Track Face from Landmarks* by *Track Face*",
    "SKPortraitTrackVideo": "choose a tracker in *Track Face in Video*",
}
BEGINNING = "No models yet? The template **try_it** runs without any."
PAGE_ENDS = re.compile(r"/(?:resolve|releases|raw)/")  # after one of these, a URL names the file itself


# what the front end (0.29) offers to download; other files are links in the note
OFFERED_HOSTS, OFFERED_ENDINGS = (
    ("https://huggingface.co/", "https://civitai.com/"),
    (".safetensors", ".sft", ".ckpt", ".pth", ".pt"),
)
BY_HAND = """
ComfyUI does not offer the following files; click to download them:

{files}
"""
UNPUBLISHED = """
Files for which no public weights exist:

{files}
"""


def offered(name: str, url: str) -> bool:
    """Whether the front end offers to download a file."""
    return url.startswith(OFFERED_HOSTS) and name.endswith(OFFERED_ENDINGS)


def note(graph: Graph, title: str, what: str, first: str) -> None:
    """Add a MarkdownNote: what the template does, what to
    change first, and its files with folders and pages.
    """
    saved = graph.saved()
    named = sorted(models(saved).items())
    parts = {"title": title, "what": what, "first": first, "files": "", "needs": ALONE}
    parts |= dict(zip(("zh_title", "zh_what", "zh_first"), CHINESE[graph.name]))
    if named:
        parts["files"] = _files(named)
        parts["needs"] = f"{_needs(saved)}\n\n{BEGINNING}"
    graph.note(FIRST.format(**parts), NOTE, TALLEST)


def _needs(saved: dict) -> str:
    """Return the version of ComfyUI that a template needs, and what to change on an older one."""
    text = json.dumps(saved)
    changes = [change for node, change in OLDER.items() if f'"{node}"' in text]
    return LANDMARKS.format(", and ".join(changes)) if changes else ALONE


def _files(named: list[tuple[tuple[str, str], str]]) -> str:
    """Return the list of files: first those that the front end offers to
    download, then those that are links, then those that nobody has published.
    """
    offers, links, unpublished = [], [], []
    for (folder, name), url in named:
        place = f"- **models/{folder}/{name}**"
        if url.startswith(SOURCES):
            unpublished.append(f"{place} ([sizes]({url}))")
        elif offered(name, url):
            offers.append(f"{place} ([page]({PAGE_ENDS.split(url)[0]}))")
        else:
            links.append(f"{place} ([download]({url}))")
    parts = ((BY_HAND, links), (UNPUBLISHED, unpublished))
    rest = "".join(text.format(files="\n".join(files)) for text, files in parts if files)
    one_name = SAVE_AS if any(url.endswith(ONE_NAME) for _, url in named) else ""
    return FILES.format(files="\n".join(offers), one_name=one_name, rest=rest)
