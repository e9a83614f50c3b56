"""What a template says about itself."""

from __future__ import annotations

import re

from .author import Graph
from .blueprints import LANDMARKER
from .workflow import models

FIRST = """## {title}

{what}

**Before the first run** ComfyUI offers the missing files for download. They belong here (a file may keep the name
`diffusion_pytorch_model.safetensors` if it lies in a folder with the name of its page):

{files}

**Change first:** {first}

{needs}
"""
ALONE = "Nothing but ComfyUI and this pack is needed."
LANDMARKS = """\
Nothing but ComfyUI 0.23 or newer and this pack is needed. On an older ComfyUI, open the blueprint and wire Track Face instead of
the face landmarker."""
PAGE_ENDS = re.compile(r"/(?:resolve|releases|raw)/")  # behind these an address names the file itself


def note(graph: Graph, title: str, what: str, first: str, column: int) -> None:
    """A MarkdownNote: what the template does, the files that it needs with their folders and pages, what to change first."""
    pages = {place: PAGE_ENDS.split(url)[0] for place, url in models(graph.saved()).items()}
    files = "\n".join(f"- `models/{folder}/{name}`: {page}" for (folder, name), page in sorted(pages.items()))
    needs = LANDMARKS if any(folder == LANDMARKER["directory"] for folder, _ in pages) else ALONE
    graph.note(FIRST.format(title=title, what=what, first=first, files=files, needs=needs), column, 460)
