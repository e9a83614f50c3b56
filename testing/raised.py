"""Checks an error by its class and its fields."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ..errors import SKPortraitError


@contextmanager
def raises(kind: type[SKPortraitError], **fields: Any) -> Iterator[pytest.ExceptionInfo]:
    """As `pytest.raises`: the block must raise an error of this class with these field values."""
    with pytest.raises(kind) as caught:
        yield caught
    assert {name: getattr(caught.value, name) for name in fields} == fields
