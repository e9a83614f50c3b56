"""Values computed once per session.

They hold ComfyUI's ModelPatchers, and `__del__` of these needs ComfyUI's modules.
`release` drops them before the interpreter ends.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)
_CACHED: list = []


def cached(function: Function) -> Function:
    """As `functools.cache`, until `release` is called."""
    wrapped = functools.cache(function)
    _CACHED.append(wrapped)
    return wrapped


def release() -> None:
    """Drop all cached values."""
    for function in _CACHED:
        function.cache_clear()
    gc.collect()
