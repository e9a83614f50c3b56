"""Face embeddings by ArcFace, 512 numbers per face, computed from
ONNX files that the user has already installed.

The weights of InsightFace (buffalo_l, antelopev2) may be used for non-commercial research only; nothing is
downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from .comparison.looks import SIDE, aligned_face
from .track import FaceTrack
from .trackers.onnx_session import OnnxNet

FILES = ("w600k_r50.onnx", "glintr100.onnx")  # of buffalo_l and antelopev2; the first one found is used
PAGE = "https://github.com/deepinsight/insightface/tree/master/model_zoo"
LICENSE = "InsightFace's weights are for non-commercial research only."
BATCH = 16


def find(folders: Iterable[str]) -> str | None:
    """Return the path of the first ArcFace file below these folders (such as
    `models/insightface/models/buffalo_l`), or None.
    """
    found = {
        name: os.path.join(at, name)
        for folder in folders
        for at, _, names in os.walk(folder)
        for name in names
        if name in FILES
    }
    return next((found[name] for name in FILES if name in found), None)


class FaceEmbedder:
    """ArcFace on aligned faces. Raises TrackError if the file is another network."""

    def __init__(self, path: str):
        self._net = OnnxNet(path).expect(SIDE, SIDE, 1)
        self.name = os.path.basename(path)

    def of_faces(self, faces: list[np.ndarray]) -> np.ndarray:
        """Return (N, 512) float32 of length 1 for N aligned faces (112, 112, 3) uint8 RGB."""
        rows = [self._batch(faces[k : k + BATCH]) for k in range(0, len(faces), BATCH)]
        vectors = np.concatenate(rows)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def of_track(self, frames: Iterable[np.ndarray], track: FaceTrack) -> np.ndarray:
        """Return (F, 512) embeddings for the frames of a track with landmarks."""
        return self.of_faces(
            [aligned_face(frame, points, track.scheme) for frame, points in zip(frames, track.landmarks)]
        )

    def _batch(self, faces: list[np.ndarray]) -> np.ndarray:
        pictures = (np.stack(faces).astype(np.float32) - 127.5) / 127.5
        return self._net(pictures.transpose(0, 3, 1, 2))[0]
