"""The weights that the metrics need: location, download page, and the library that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Weights:
    """The requirements of one metric.

    file:    name below `checkpoints/` of the folder, as in torch.hub
    page:    where the file is published
    modules: packages of the `evaluate` extra
    """

    file: str
    page: str
    modules: tuple[str, ...]

    def path(self, folder: Path) -> Path:
        return folder / "checkpoints" / self.file

    def missing(self, folder: Path, download: bool) -> str | None:
        """Return the reason why the metric cannot be computed, or None."""
        absent = [name for name in self.modules if find_spec(name) is None]
        if absent:
            return (
                f'the package {" and ".join(absent)} is not installed: pip install "sk-portrait[evaluate]".'
            )
        if download or self.path(folder).is_file():
            return None
        return f"{self.path(folder)} was not found. Download: {self.page}, or add --download."


NEEDED = {
    "FID": Weights(
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0",
        ("torchmetrics", "torch_fidelity"),
    ),
    "LPIPS": Weights(
        "alexnet-owt-7be5be79.pth",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        ("torchmetrics", "torchvision"),
    ),
    "FVD": Weights(
        "i3d_pretrained_400.pt", "https://github.com/songweige/TATS/tree/main/tats/fvd", ("cdfvd",)
    ),
}  # fmt: skip


@contextmanager
def hub(folder: Path) -> Iterator[None]:
    """Context manager: torch.hub reads and stores its files in `folder`."""
    import torch

    before = torch.hub.get_dir()
    torch.hub.set_dir(str(folder))
    try:
        yield
    finally:
        torch.hub.set_dir(before)
