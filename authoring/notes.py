"""What a template says about itself."""

from __future__ import annotations

import re

from ..host.workflow import models
from .graph_writer import Graph
from .recipes import LANDMARKER

FIRST = """## {title}

{what}

**Before the first run** ComfyUI offers to download the missing files (*Download all*). They belong into the folders below.
Keep their names: several files called `diffusion_pytorch_model` can be in one folder, or each in a folder with the name of its page.

{files}
{by_hand}
**Change first:** {first}

{needs}
"""
ALONE = "This template needs only ComfyUI and this pack."
LANDMARKS = """\
This template needs only ComfyUI 0.23 or newer and this pack. On an older ComfyUI, open the blueprint, remove the face landmarker and choose
a tracker in Track Face."""
PAGE_ENDS = re.compile(r"/(?:resolve|releases|raw)/")  # behind these an address names the file itself


# What the front end's download takes (0.29); other files are linked in the note.
OFFERED_HOSTS, OFFERED_ENDINGS = (
    ("https://huggingface.co/", "https://civitai.com/"),
    (".safetensors", ".sft", ".ckpt", ".pth", ".pt"),
)
BY_HAND = """
ComfyUI does not offer the following files; click to download them:

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
