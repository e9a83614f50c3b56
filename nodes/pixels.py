"""IMAGE tensors to frames and back, one frame at a time."""

from collections.abc import Iterator

import numpy as np
import torch


def frames_uint8(images: torch.Tensor) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB frames of an IMAGE (F, H, W, C) 0..1; alpha is dropped."""
    for image in images:
        yield frame_uint8(image)


def frame_uint8(image: torch.Tensor) -> np.ndarray:
    """(H, W, 3) uint8 RGB of one frame of an IMAGE, or of a part of it; alpha is dropped."""
    return np.ascontiguousarray((image[..., :3].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())


def frame_float(image: torch.Tensor) -> np.ndarray:
    """(H, W, 3) float32 0..1 of one frame of an IMAGE."""
    return np.ascontiguousarray(image[..., :3].float().cpu().numpy())


def put(images: torch.Tensor, k: int, frame: np.ndarray) -> None:
    """Write a uint8 or float frame into row k of an IMAGE."""
    picture = torch.from_numpy(np.ascontiguousarray(frame))
    images[k] = picture / 255 if picture.dtype == torch.uint8 else picture


def require_rows(track, images: torch.Tensor) -> None:
    """Raise ValueError unless the track has one row for every image."""
    if len(track) != len(images):
        raise ValueError(f"The track has {len(track)} rows and there are {len(images)} images: one row belongs to one frame.")
