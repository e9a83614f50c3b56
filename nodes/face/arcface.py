"""The ArcFace network of models/insightface. InsightFace publishes it for non-commercial research only."""

from __future__ import annotations

import os

import folder_paths

from ...face_tools import embedding

ABSENT = (
    f"No {' or '.join(embedding.FILES)} was found in models/insightface. Download: {embedding.PAGE} "
    f"({embedding.LICENSE} Nothing is downloaded automatically.)"
)


def embedder() -> embedding.FaceEmbedder | None:
    """Return ArcFace, or None if its file is missing."""
    known = folder_paths.folder_names_and_paths.get("insightface", ((), ()))[0]
    path = embedding.find([os.path.join(folder_paths.models_dir, "insightface"), *known])
    return None if path is None else embedding.FaceEmbedder(path)
