"""What a template says about itself."""

from __future__ import annotations

import re

from ..host.workflow import models
from .graph_writer import Graph
from .recipes import LANDMARKER

FIRST = """## {title}

{what}

**Before the first run** ComfyUI offers the missing files (*Download all*). They belong here, under the name that they come with:
files called `diffusion_pytorch_model` may lie side by side, or each in a folder with the name of its page.

{files}
{by_hand}
**Change first:** {first}

{needs}
"""
ALONE = "Nothing but ComfyUI and this pack is needed."
LANDMARKS = """\
Nothing but ComfyUI 0.23 or newer and this pack is needed. On an older ComfyUI, open the blueprint and wire Track Face instead of
the face landmarker."""
PAGE_ENDS = re.compile(r"/(?:resolve|releases|raw)/")  # behind these an address names the file itself


# What the front end's download takes (0.29); other files are linked in the note.
OFFERED_HOSTS, OFFERED_ENDINGS = (
    ("https://huggingface.co/", "https://civitai.com/"),
    (".safetensors", ".sft", ".ckpt", ".pth", ".pt"),
)
BY_HAND = """
ComfyUI does not offer what lies elsewhere; click on it:

{files}
"""


def offered(name: str, url: str) -> bool:
    """Whether the front end offers the download of a file."""
    return url.startswith(OFFERED_HOSTS) and name.endswith(OFFERED_ENDINGS)


def note(graph: Graph, title: str, what: str, first: str, column: int) -> None:
    """A MarkdownNote: what the template does, the files that it needs with their folders and pages, what to change first."""
    offers, rest = [], []
    named = sorted(models(graph.saved()).items())
    for (folder, name), url in named:
        if offered(name, url):
            offers.append(f"- `models/{folder}/{name}`: {PAGE_ENDS.split(url)[0]}")
        else:
            rest.append(f"- `models/{folder}/{name}`: [{name}]({url})")
    by_hand = BY_HAND.format(files="\n".join(rest)) if rest else ""
    needs = LANDMARKS if any(folder == LANDMARKER["directory"] for (folder, _), _ in named) else ALONE
    text = FIRST.format(
        title=title, what=what, first=first, files="\n".join(offers), by_hand=by_hand, needs=needs
    )
    graph.note(text, column, 460)
