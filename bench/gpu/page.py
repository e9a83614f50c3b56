"""Writes the readable page of `bench gpu`: one HTML file without scripts, made from the JSON alone."""

from __future__ import annotations

from html import escape
from typing import Any

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#dd8452", "#555555")
WIDTH, HEIGHT, LABEL = 640, 26, 230  # pixels of a bar and of its name
STYLE = """body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; } td, th { border: 1px solid #ccc; padding: 2px 8px; text-align: left; }
td.number { text-align: right; } .failed { background: #fdd; } .passed { background: #dfd; }
pre { background: #f6f6f6; overflow: auto; padding: 1em; } i.key { display: inline-block; width: 1em; height: 1em; }"""


def page(data: dict[str, Any]) -> str:
    """Return the whole page."""
    sections = data["sections"]
    parts = [
        "<!doctype html><meta charset=utf-8><title>SK Portrait on a GPU</title>",
        f"<style>{STYLE}</style><h1>SK Portrait on a GPU</h1>",
        _table([{"": name, "machine": value} for name, value in data["machine"].items()]),
        _table([_summary(name, section) for name, section in sections.items()]),
        *(_section(name, section) for name, section in sections.items()),
    ]
    return "\n".join(parts)


def _summary(name: str, section: dict[str, Any]) -> dict[str, Any]:
    rows = [row for table in section["tables"].values() for row in table]
    judged = [value for row in rows for value in row.values() if isinstance(value, bool)]
    verdict = f"{sum(judged)} of {len(judged)}" if judged else ""
    return {
        "section": name,
        "": section["title"],
        "state": section["state"],
        "seconds": section["seconds"],
        "passed": verdict,
    }


def _section(name: str, section: dict[str, Any]) -> str:
    parts = [f"<h2>{escape(section['title'])}</h2><p>{name}: {section['state']}, {section['seconds']} s</p>"]
    for title, rows in section["tables"].items():
        parts.append(f"<h3>{escape(title)}</h3>{_table(rows)}")
    for title, picture in section["bars"].items():
        parts.append(f"<h3>{escape(title)}</h3>{bars(picture['bars'], picture['unit'])}")
    parts += [f"<p>{escape(note)}</p>" for note in section["notes"]]
    for fault in section["faults"]:
        what, trace = escape(fault["what"]), escape(fault["traceback"])
        parts.append(
            f"<details open class=failed><summary>Failed: {what}</summary><pre>{trace}</pre></details>"
        )
    return "\n".join(parts)


def _table(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = "".join(f"<th>{escape(column)}" for column in columns)
    body = "".join("<tr>" + "".join(_cell(row.get(column, "")) for column in columns) for row in rows)
    return f"<table><tr>{head}{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return f"<td class={'passed' if value else 'failed'}>{'pass' if value else 'FAIL'}"
    if isinstance(value, (int, float)):
        return f"<td class=number>{number(value)}"
    return f"<td>{escape(str(value))}"


def number(value: float) -> str:
    """Return a number with three significant digits."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def bars(rows: dict[str, dict[str, float]], unit: str) -> str:
    """Return stacked horizontal bars with a legend, as SVG. rows: name -> part -> value."""
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    colours = {part: COLOURS[k % len(COLOURS)] for k, part in enumerate(parts)}
    longest = max((sum(row.values()) for row in rows.values()), default=0) or 1
    shapes = []
    for k, (name, row) in enumerate(rows.items()):
        x, y = float(LABEL), k * (HEIGHT + 8)
        shapes.append(f'<text x="0" y="{y + 18}">{escape(name)}</text>')
        for part, value in row.items():
            width = value / longest * WIDTH
            tip = f"<title>{escape(part)}: {number(value)} {unit}</title>"
            place = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{HEIGHT}"'
            shapes.append(f'<rect {place} fill="{colours[part]}">{tip}</rect>')
            x += width
        shapes.append(f'<text x="{x + 6:.0f}" y="{y + 18}">{number(sum(row.values()))} {unit}</text>')
    size = f'width="{LABEL + WIDTH + 160}" height="{len(rows) * (HEIGHT + 8)}"'
    key = " ".join(f"<i class=key style='background:{colours[part]}'></i> {escape(part)}" for part in parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} font-size='13'>{''.join(shapes)}</svg><p>{key}</p>"
    )
