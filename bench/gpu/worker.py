"""Runs sections one after the other in this process, with ComfyUI."""

from __future__ import annotations

import gc
import importlib
import platform
import tempfile
import time
from argparse import Namespace

import torch

from ...errors import CommandError
from ...host import installation
from .bench import Bench
from .measure import cuda
from .results import Results, Section
from .scale import FULL, TINY
from .sections import SECTIONS, budget_of

BROKEN = 3  # exit status of a process whose GPU does not respond any more


def work(options: Namespace) -> int:
    """Run the sections `options.only`. options.worker: end of the time limit, in seconds since 1970."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise CommandError("PyTorch sees no CUDA device. `--device cpu --tiny` runs the same code on a CPU.")
    comfy = installation.find_or_end()
    installation.enter(comfy, tempfile.mkdtemp())
    import comfy.utils
    from comfy.cli_args import args

    args.use_pytorch_cross_attention = True  # as on a GPU; on a CPU ComfyUI would use one that saves memory
    comfy.utils.set_progress_bar_enabled(False)
    if options.tiny:
        # The operations are so small that a second thread would only wait for the first.
        torch.set_num_threads(1)
    results, bench = Results(options.output), Bench(TINY if options.tiny else FULL)
    results.data["machine"] |= machine(bench)
    with torch.inference_mode():
        for name in options.only:
            budget = min(budget_of(name, options.minutes), options.worker - time.time())
            section = Section(results, name, budget)
            with section.attempt("the section"):
                importlib.import_module(f"{__package__}.{SECTIONS[name].module}").run(bench, section)
            section.close()
            if not usable():
                return BROKEN
    return 0


def usable() -> bool:
    """Free a section's memory. Returns whether the GPU still responds: after a kernel fault it never does."""
    gc.collect()
    if not cuda():
        return True
    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


def machine(bench: Bench) -> dict[str, str]:
    """Return a description of the machine."""
    import comfyui_version

    found = {"processor": platform.processor() or platform.machine()}
    if cuda():
        card = torch.cuda.get_device_properties(0)
        found["GPU"] = f"{card.name}, {card.total_memory / 2**30:.0f} GiB, compute {card.major}.{card.minor}"
    return found | {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "Python": platform.python_version(),
        "PyTorch": f"{torch.__version__}, CUDA {torch.version.cuda}",
        "ComfyUI": comfyui_version.__version__,
        "networks in": str(bench.dtype).removeprefix("torch."),
    }
