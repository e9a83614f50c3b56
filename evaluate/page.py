"""The HTML page of a run: the table, and each clip with its worst frames, worst clip first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .summary import FIGURES, OVER_ALL, badness

STYLE = " ".join(
    (
        "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}",
        "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ddd;padding:.3em .6em}",
        "td,th{text-align:left}",
        "th{background:#f4f4f4}img{max-width:100%}pre{background:#f7f7f7;padding:.8em;overflow:auto}",
        ".fault{color:#b00020}",
    )
)
ARROWS = {"up": " ↑", "down": " ↓", "": ""}


def page(rows: list[list[str]], records: Sequence[dict], notes: Sequence[str], folder: str) -> str:
    """Return a complete HTML document. folder: with the pictures of the clips, relative to the page."""
    parts = [
        "<h1>Evaluation</h1>",
        _table(rows),
        _legend(rows[0]),
        *(f"<p>{escape(note)}</p>" for note in notes),
        "<h2>Worst clips first</h2>",
    ]
    parts += [_clip(record, folder) for record in sorted(records, key=badness, reverse=True)]
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>Evaluation</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _table(rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{body}</table>"


def _legend(titles: Sequence[str]) -> str:
    known = [
        figure
        for figure in (*FIGURES.values(), *OVER_ALL.values())
        if figure.title in titles or figure in OVER_ALL.values()
    ]
    items = "".join(f"<li>{escape(f.title)}{ARROWS[f.better]}: {escape(f.unit)}</li>" for f in known)
    return f"<details><summary>Units, and which direction is better</summary><ul>{items}</ul></details>"


def _clip(record: dict, folder: str) -> str:
    name = escape(record["clip"])
    if "error" in record:
        return f'<h3>{name}</h3><p class="fault">{escape(record["error"])}</p>'
    faults = "".join(f'<p class="fault">{escape(fault)}</p>' for fault in record["faults"])
    pictures = "".join(
        f'<img loading="lazy" alt="{kind} of {name}" src="{folder}/{name}.{kind}.jpg">'
        for kind in ("sheet", "curves")
    )
    return f"<h3>{name}</h3>{faults}{pictures}<pre>{escape(record['report'])}</pre>"
