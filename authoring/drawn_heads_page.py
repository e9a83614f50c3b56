"""Writes the picture of the Draw Cartoon Head page: `python run.py pictures drawn_heads [--output DIR]`."""

from __future__ import annotations

import numpy as np

from ..demo.drawn_heads import COLUMNS, arranged, expressions, people
from . import doc_pictures


def main(argv: list[str]) -> int:
    cells = people(0) + expressions(11)[:COLUMNS]
    return doc_pictures.write({"drawn_heads": np.asarray(arranged(cells))}, argv)
