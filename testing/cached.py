"""Values computed once per session.

They hold ComfyUI's ModelPatchers, whose `__del__` needs ComfyUI's modules: `release` drops them before the interpreter ends.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)
_CACHED: list = []


def cached(function: Function) -> Function:
    """As `functools.cache`, until `release`."""
    wrapped = functools.cache(function)
    _CACHED.append(wrapped)
    return wrapped


def release() -> None:
    """Drop everything that `cached` keeps."""
    for function in _CACHED:
        function.cache_clear()
    gc.collect()
