"""`python run.py train controlnet-sk | faceid-sk | sk-text`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from safetensors.torch import save_file

from ...face_tools import embedding
from ...face_tools.trackers import sources
from ...face_tools.trackers.faces import ModelFiles
from ..base import PROMPT, Base
from ..errors import TrainError
from ..loop import Settings, fit
from .pictures import Embed, embedding_by, prepare
from .task import KINDS, Conditioned, adapter_of

RATES = (5e-5, 1e-7)  # the paper's learning rates (appendix A)
HELP = {
    "controlnet-sk": "ControlNetSK, on edges of pictures",
    "faceid-sk": "IPAdapterSK FaceID, on pictures of faces",
    "sk-text": "SK cross-attention as the text attention, on captioned pictures",
}
SETTINGS = ("steps", "batch", "accumulation", "precision", "seed", "save", "sheet")


def add(parts, common: Callable[[argparse.ArgumentParser, dict], None]) -> None:
    """Add the three parts to the command line. common: adds the options of the training loop."""
    for name, kind in KINDS.items():
        part = parts.add_parser(name, help=HELP[name])
        captions = "folder of pictures, with captions in .txt files of the same names if there are any"
        part.add_argument("--pictures", type=Path, required=True, help=captions)
        part.add_argument("--base", type=Path, required=True, help="the SD1.5 checkpoint that stays frozen")
        part.add_argument(
            "--start", type=Path, help="a file to go on from; for controlnet-sk also hm_reference"
        )
        part.add_argument("--size", type=int, default=512, help="pixels of a picture (default: %(default)s)")
        part.add_argument("--tokenizer", type=Path, help="folder of CLIP's vocab.json (default: ComfyUI's)")
        if name == "faceid-sk":
            part.add_argument(
                "--arcface", type=Path, required=True, help=f"folder with {' or '.join(embedding.FILES)}"
            )
            part.add_argument(
                "--tracker", default="auto", help="as in the Track Face node (default: %(default)s)"
            )
        common(part, {"steps": kind.steps, "batch": kind.batch, "rates": RATES})


def run(options: argparse.Namespace) -> None:
    """Prepare the pictures, train, and write the file. Raises TrainError."""
    name, base = options.part, Base(options.base)
    if options.checkpointing and name != "controlnet-sk":
        raise TrainError(
            f"--checkpointing does not work with {name}: the patches act inside the blocks that it runs twice."
        )
    adapter, autoencoder = adapter_of(name, base, options.start), base.autoencoder()
    with ExitStack() as stack:
        embed = _embed(options, stack) if name == "faceid-sk" else None
        place = options.out / f"pictures-{options.size}"
        clips = prepare(
            options.pictures, place, base, autoencoder, options.size, embed, options.tokenizer, print
        )
    unet, empty = base.unet(), base.text([PROMPT[:1]])[0]
    if options.checkpointing:
        unet.enable_gradient_checkpointing()
    task = Conditioned(
        name,
        clips,
        options.pictures,
        unet,
        adapter,
        empty,
        autoencoder.encode,
        options.target,
        autoencoder.decode,
    )
    settings = Settings(rates=tuple(options.rates), **{key: getattr(options, key) for key in SETTINGS})
    fit(
        task,
        settings,
        options.out,
        {"target": options.target, "base": autoencoder.digest, "steps": options.steps},
    )
    kind = KINDS[name]
    path = options.out / f"{kind.file}.safetensors"
    save_file(
        {key: value.contiguous() for key, value in adapter.state_dict().items()}, path, dict(kind.about)
    )
    print(path)


def _embed(options: argparse.Namespace, stack: ExitStack) -> Embed:
    found = embedding.find([str(options.arcface)])
    if found is None:
        raise TrainError(
            f"There is no {' or '.join(embedding.FILES)} below {options.arcface}. Download: {embedding.PAGE} ({embedding.LICENSE})"
        )
    source = stack.enter_context(sources.open_source(options.tracker, ModelFiles()))
    return embedding_by(embedding.FaceEmbedder(found), source)
