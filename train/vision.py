"""The CLIP image encoder for the patches (ViT-H, as in IP-Adapter), read from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import MissingFileError, ModelFileError
from ..sk_attention.checkpoint import read

HEADS = 16  # of ViT-H; the only size that the file's shapes do not determine
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
WIDTH = 1024  # width of an embedding


class Vision:
    """Callable: (F, 224, 224, 3) uint8 RGB -> (F, 1024).

    Raises ModelFileError for a file of another model.
    """

    def __init__(self, path: Path):
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        if not path.is_file():
            raise MissingFileError(f"There is no CLIP vision file {path}.", str(path))
        state = {key: value.float() for key, value in read(path).items() if not key.endswith("position_ids")}
        patches, projection = (
            state.get("vision_model.embeddings.patch_embedding.weight"),
            state.get("visual_projection.weight"),
        )
        if patches is None or projection is None or projection.shape[0] != WIDTH:
            raise ModelFileError(
                f"{path} is no CLIP ViT-H image encoder with embeddings of width {WIDTH} (IP-Adapter's models/image_encoder).",
                str(path),
            )
        layers = 1 + max(int(key.split(".")[3]) for key in state if ".layers." in key)
        positions = len(state["vision_model.embeddings.position_embedding.weight"]) - 1
        config = CLIPVisionConfig(
            hidden_size=patches.shape[0],
            intermediate_size=state["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
            num_hidden_layers=layers,
            num_attention_heads=HEADS,
            patch_size=patches.shape[-1],
            image_size=patches.shape[-1] * round(positions**0.5),
            projection_dim=WIDTH,
            hidden_act="gelu",
        )
        self.model = CLIPVisionModelWithProjection(config)
        self.model.load_state_dict(state)
        self.model.eval()

    @torch.no_grad()
    def __call__(self, pictures: np.ndarray) -> Tensor:
        x = torch.from_numpy(pictures).movedim(-1, 1).float() / 255
        mean, deviation = (torch.tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
        return self.model(pixel_values=(x - mean) / deviation).image_embeds
