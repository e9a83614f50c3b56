"""Starts `bench gpu` from its bundle, in the Python that runs this file, without
creating an environment or downloading anything.

Once, it unpacks the two archives beside this file and the wheels of packages that this Python lacks. It
replaces modules that ComfyUI imports, but this bench never calls, by placeholders. It uses only the standard
library, because this file is copied into the bundle.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import runpy
import sys
import types
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
UNPACKED = HERE / "unpacked"
# ComfyUI imports these at its start, for films, sound, pictures of other models
# and two schedulers; `server` is its web server.
NEVER_CALLED = ("av", "scipy", "torchvision", "torchaudio", "requests")
ALWAYS = ("server",)
MODULES = {"pillow": "PIL", "comfy_aimdo": "comfy_aimdo"}  # distribution -> module, if the names differ


class Named(type):
    """Metaclass of placeholder classes: every capitalised attribute is the class itself."""

    def __getattr__(cls, name: str) -> type:
        if not name[:1].isupper():
            raise AttributeError(f"{cls.__module__}.{cls.__name__} is a placeholder without {name}.")
        return cls


class Placeholder(types.ModuleType):
    """A module whose classes exist but raise an error when they are instantiated."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return Named(name, (), {"__init__": _refuse, "__module__": self.__name__})


def _refuse(self, *args, **kwargs) -> None:
    raise RuntimeError(
        f"{type(self).__module__} is not on this machine, and the bundle of bench gpu does not hold it."
    )


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a placeholder for some packages."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def find_spec(self, name: str, path=None, target=None):
        """See MetaPathFinder."""
        if name.partition(".")[0] not in self.names:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec) -> Placeholder:
        """See Loader."""
        return Placeholder(spec.name)

    def exec_module(self, module) -> None:
        """See Loader."""


def unpack() -> None:
    """Unpack the archives and the wheels that are needed, if this was not done before."""
    for name in ("sk_portrait", "comfyui"):
        if not (UNPACKED / name).is_dir():
            with zipfile.ZipFile(HERE / f"{name}.zip") as archive:
                archive.extractall(UNPACKED / f"{name}.part")
            (UNPACKED / f"{name}.part").rename(UNPACKED / name)
    for wheel in sorted((HERE / "wheels").glob("*.whl")):
        distribution = wheel.name.split("-")[0]
        module = MODULES.get(distribution.lower(), distribution)
        if importlib.util.find_spec(module) is None:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(UNPACKED / "site")


def main() -> None:
    sys.path.append(str(UNPACKED / "site"))
    unpack()
    sys.meta_path.insert(0, Finder(ALWAYS))
    sys.meta_path.append(Finder(NEVER_CALLED))
    os.environ["SK_PORTRAIT_ENV"] = sys.prefix  # run.py stays in this Python
    os.environ["SK_PORTRAIT_START"] = str(HERE / "start.py")  # the sections run in processes of their own
    os.environ["COMFYUI_PATH"] = str(UNPACKED / "comfyui")
    run = UNPACKED / "sk_portrait" / "run.py"
    sys.argv = [str(run), "bench", "gpu", *sys.argv[1:]]
    sys.path[0] = str(run.parent)
    runpy.run_path(str(run), run_name="__main__")


if __name__ == "__main__":
    main()
