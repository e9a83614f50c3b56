"""Prepares a folder of pictures for training: each is encoded once
into safetensors shards, as a clip of one frame.

A picture's entry also holds its text (77, 768), from a .txt file of the same
name, and, if needed, its face embedding (512,).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...face_tools.comparison.looks import aligned_face
from ...face_tools.embedding import FaceEmbedder
from ...face_tools.opencv import cv2
from ...face_tools.track_errors import TrackError
from ...face_tools.trackers.faces import Source
from ...face_tools.trackers.tracking import track_faces
from ..base import Autoencoder, Base
from ..data import Clips, ShardWriter
from ..errors import TrainError

ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
CANNY = ((50, 100), (120, 220))  # ranges from which the two thresholds of the edges are drawn
Embed = Callable[[np.ndarray], Tensor]  # a picture (H, W, 3) uint8 -> its embedding (512,)


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files in a folder and its subfolders. Raises TrainError if there are none."""
    files = folder.rglob("*") if folder.is_dir() else ()
    found = sorted(path for path in files if path.suffix.lower() in ENDINGS)
    if not found:
        raise TrainError(
            f"There is no picture in {folder}: a folder of pictures is needed ({', '.join(sorted(ENDINGS))})."
        )
    return found


def read_picture(path: Path, size: int) -> np.ndarray:
    """Return the central square of a picture, (size, size, 3) uint8 RGB.

    Raises TrainError if the file is not a picture.
    """
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise TrainError(f"OpenCV cannot read {path}. Remove it, or convert it to PNG or JPEG.")
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = picture[top : top + side, left : left + side]
    resized = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)


def edges(picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return the Canny edges (H, W, 3) uint8 of a picture, white on black, with randomly drawn thresholds."""
    low, high = (draw.uniform(*bounds) for bounds in CANNY)
    found = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), low, high)
    return np.repeat(found[..., None], 3, -1)


def embedding_by(network: FaceEmbedder, source: Source) -> Embed:
    """Return a function that embeds the face found by a tracker with ArcFace.

    The function raises TrackError for a picture without a face.
    """

    def embed(picture: np.ndarray) -> Tensor:
        track = track_faces([picture], source, 25.0)
        face = aligned_face(picture, track.landmarks[0], track.scheme)
        return torch.from_numpy(network.of_faces([face])[0])

    return embed


def prepare(
    folder: Path,
    out: Path,
    base: Base,
    autoencoder: Autoencoder,
    size: int,
    embed: Embed | None = None,
    tokenizer: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Clips:
    """Encode every picture of `folder` that is not yet in `out`.

    tell: receives the reason for each picture that cannot be used. Raises TrainError if no picture is left,
    or if there are captions but no tokenizer.
    """
    with ShardWriter(out, size, autoencoder.digest) as shards:
        known, plain = shards.names, None
        for path in pictures_in(folder):
            name = path.relative_to(folder).as_posix()
            if name in known:
                continue
            try:
                picture = read_picture(path, size)
                found = {"embedding": embed(picture)} if embed else {}
            except (TrackError, TrainError) as error:
                tell(f"unusable  {name}: {error}")
                continue
            caption = path.with_suffix(".txt")
            if caption.exists():
                text = base.text([tokens_of(caption.read_text(encoding="utf-8"), tokenizer)])[0]
            else:
                plain = text = base.text()[0] if plain is None else plain
            latent = autoencoder.encode(torch.from_numpy(picture).movedim(-1, 0)[None].float() / 127.5 - 1)[0]
            found |= {"latents": latent.half(), "text": text.half()}
            found["mask"] = torch.zeros(latent.shape[1:], dtype=torch.uint8)
            shards.add(name, {key: value[None].contiguous() for key, value in found.items()})
    return Clips(out)


def tokens_of(caption: str, tokenizer: Path | None) -> Sequence[int]:
    """Return CLIP's token numbers of a caption, without the end token.

    Raises TrainError if the tokenizer's files are missing.
    """
    folder = tokenizer or Path(os.environ.get("COMFYUI_PATH", "")) / "comfy" / "sd1_tokenizer"
    if not (folder / "vocab.json").is_file():
        raise TrainError(
            f"The pictures have captions, and there is no CLIP tokenizer (vocab.json) in {folder}: "
            "name its folder with --tokenizer, such as ComfyUI's comfy/sd1_tokenizer."
        )
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder))(
        caption.strip(), truncation=True, max_length=77
    ).input_ids[:-1]
