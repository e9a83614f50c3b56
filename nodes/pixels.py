"""Converts IMAGE tensors to frames and back, one frame at a time."""

from collections.abc import Iterable, Iterator

import comfy.model_management
import numpy as np
import torch

from ..errors import FrameCountError, MemoryNeedError, NotFiniteError, ShapeError
from ..face_tools.opencv import cv2


def frames_uint8(images: Iterable[torch.Tensor]) -> Iterator[np.ndarray]:
    """Yield (H, W, 3) uint8 RGB frames of an IMAGE (F, H, W, C) 0..1; alpha is dropped.

    Raises as `frame_uint8` does.
    """
    for image in images:
        yield frame_uint8(image)


def frame_uint8(image: torch.Tensor) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB of one frame of an IMAGE, or of a part of it; alpha is dropped.

    Raises ShapeError or NotFiniteError if it is no picture.
    """
    picture = _colours(image).float().cpu().numpy()
    return cv2.convertScaleAbs(
        cv2.threshold(picture, 0, 0, cv2.THRESH_TOZERO)[1], alpha=255
    )  # convertScaleAbs would take -1 for 1


def frame_float(image: torch.Tensor) -> np.ndarray:
    """Return (H, W, 3) float32 0..1 of one frame of an IMAGE.

    Raises ShapeError or NotFiniteError if it is no picture.
    """
    return np.ascontiguousarray(_colours(image).float().cpu().numpy())


def _colours(image: torch.Tensor) -> torch.Tensor:
    require_pictures(image[None], "a picture")
    return image[..., :3]


def require_pictures(images: torch.Tensor, what: str) -> None:
    """Raise ShapeError or NotFiniteError unless an IMAGE holds RGB or RGBA pictures with finite values."""
    if images.ndim != 4 or images.shape[-1] not in (3, 4) or 0 in images.shape[1:3]:
        raise ShapeError(
            f"An IMAGE is (frames, height, width, 3 or 4 colours), and {what} is {tuple(images.shape)}.",
            tuple(images.shape),
        )
    # The sum is finite if all values are, unless so many or so large values overflow all but the wide dtype.
    if not (images.sum().isfinite() or images.sum(dtype=torch.float64).isfinite()):
        raise NotFiniteError(what, ", as a failed VAE Decode gives them.")


def require_memory(count: int, height: int, width: int) -> None:
    """Raise MemoryNeedError if an IMAGE (count, height, width, 3) does not fit into the free memory."""
    needed, free = count * height * width * 12, comfy.model_management.get_free_memory(torch.device("cpu"))
    if needed > free:
        raise MemoryNeedError(
            f"{count} pictures of {width}x{height} need {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free: "
            "take fewer frames or a smaller size.",
            needed,
            free,
        )


def empty_images(count: int, height: int, width: int) -> torch.Tensor:
    """Allocate an IMAGE (count, height, width, 3) without initial values.

    Raises MemoryNeedError if it does not fit into memory.

    NumPy asks the system for large pages, which are allocated much faster than torch's small ones.
    """
    require_memory(count, height, width)
    return torch.from_numpy(np.empty((count, height, width, 3), np.float32))


def put(images: torch.Tensor, k: int, frame: np.ndarray) -> None:
    """Write a uint8 or float frame into picture k of an IMAGE."""
    picture = images[k].numpy()
    if frame.dtype == np.uint8:
        np.divide(frame, np.float32(255), out=picture)
    else:
        picture[:] = frame


def require_rows(track, images: torch.Tensor) -> None:
    """Raise FrameCountError unless the track has one frame per image."""
    if len(track) != len(images):
        raise FrameCountError(
            "track",
            len(track),
            "image batch",
            len(images),
            "they must be equal. Retime Track trims a track, and its images with it.",
        )
