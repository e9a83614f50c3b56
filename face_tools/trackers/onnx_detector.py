"""The official face detector (NanoDet, one class): letterbox, decoding,
non-maximum suppression; zoomed tiles for small faces.
"""

from __future__ import annotations

import numpy as np

from ..opencv import cv2
from .onnx_session import OnnxNet
from .tiles import GRIDS, overlap, tiles

FILE = "hello_face_det.onnx"
WIDTH, HEIGHT = 160, 272
MEAN_BGR, STD_BGR = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
STRIDES = (8, 16, 32)
BINS = 8  # reg_max 7: each side's distance is the expectation over 8 bins
MIN_SCORE, MAX_OVERLAP, CANDIDATES = 0.4, 0.3, 200


class FaceDetector:
    def __init__(self, path: str):
        self.net = OnnxNet(path).expect(WIDTH, HEIGHT, outputs=2 * len(STRIDES))

    def __call__(self, bgr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 BGR -> (N, 5) float32 boxes x0 y0 x1 y1 score in pixels, best first.

        A 16:9 frame is shrunk to 160 x 90, so zoomed tiles are
        searched if no face is found in the whole frame.
        """
        boxes = self.detect(bgr)
        for grid in GRIDS:
            if len(boxes):
                break
            windows = tiles(bgr.shape[1], bgr.shape[0], grid)
            found = [self.detect(bgr[y0:y1, x0:x1]) + (x0, y0, x0, y0, 0) for x0, y0, x1, y1 in windows]
            boxes = suppress(np.concatenate(found)).astype(np.float32)
        return boxes

    def detect(self, bgr: np.ndarray) -> np.ndarray:
        """Run the network once on one picture; see `__call__`.

        Corners are whole pixels, as in the official code.
        """
        to_input = letterbox(bgr.shape[1], bgr.shape[0])
        picture = cv2.warpAffine(bgr, to_input, (WIDTH, HEIGHT)).astype(np.float32)
        outputs = self.net(((picture - MEAN_BGR) / STD_BGR).transpose(2, 0, 1)[None])
        boxes = suppress(decode(outputs))
        scale, (x, y) = to_input[0, 0], to_input[:, 2]
        boxes[:, :4] = np.trunc((boxes[:, :4] - (x, y, x, y)) / scale)
        boxes[:, 0:4:2] = boxes[:, 0:4:2].clip(0, bgr.shape[1])
        boxes[:, 1:4:2] = boxes[:, 1:4:2].clip(0, bgr.shape[0])
        return boxes


def letterbox(width: int, height: int) -> np.ndarray:
    """(2, 3) matrix from the frame to the centred, black-bordered network input."""
    scale = min(WIDTH / width, HEIGHT / height)
    return np.array([[scale, 0, (WIDTH - scale * width) / 2], [0, scale, (HEIGHT - scale * height) / 2]])


def decode(outputs: list[np.ndarray]) -> np.ndarray:
    """Decode three score maps (probabilities) and three box maps to (N, 5)
    boxes above MIN_SCORE, in pixels of the input.
    """
    found = []
    for stride, scores, sides in zip(STRIDES, outputs[:3], outputs[3:]):
        rows, columns = -(-HEIGHT // stride), -(-WIDTH // stride)
        scores, sides = scores.reshape(rows * columns), sides.reshape(rows * columns, 4, BINS)
        kept = np.flatnonzero(scores > MIN_SCORE)
        bins = np.exp(sides[kept] - sides[kept].max(-1, keepdims=True))
        left, top, right, bottom = (bins / bins.sum(-1, keepdims=True) @ np.arange(BINS) * stride).T
        x, y = kept % columns * stride, kept // columns * stride  # the corner of a grid cell, not its centre
        found.append(np.stack([x - left, y - top, x + right, y + bottom, scores[kept]], axis=1))
    return np.concatenate(found).astype(np.float32)


def suppress(boxes: np.ndarray) -> np.ndarray:
    """Hard non-maximum suppression of (N, 5) boxes: keeps the best ones with an
    overlap (IoU) of at most MAX_OVERLAP, best first.
    """
    kept: list[np.ndarray] = []
    for box in boxes[np.argsort(-boxes[:, 4], kind="stable")][:CANDIDATES]:
        if all(overlap(box[:4], better[:4]) <= MAX_OVERLAP for better in kept):
            kept.append(box)
    return np.array(kept, dtype=np.float32).reshape(-1, 5)
