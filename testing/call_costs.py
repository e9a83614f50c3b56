"""Counts what a UNet call costs beside arithmetic, on any device: a stand-in for a GPU's bus and queue."""

from __future__ import annotations

import weakref
from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

# ComfyUI causes a GPU synchronisation in these: it reads a number, or must know how many there are.
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal", "aten::unique2"}
SENT = {"aten::lift_fresh"}  # a tensor made of Python's numbers


class Costs(TorchDispatchMode):
    """While open, counts `waits`, `sent` tensors made of Python's numbers, bytes `brought` from another device or dtype, and `gathered`
    bytes, picked by a list of indices."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function._schema.name
        if name in WAITS:
            self.count["waits"] += 1
        elif name in SENT:
            self.count["sent"] += 1
        elif name == "aten::_to_copy":
            self.count["brought"] += _differs(args[0], result)
        elif name == "aten::copy_":
            self.count["brought"] += _differs(args[1], args[0])
        elif name == "aten::index":
            self.count["gathered"] += result.nbytes
        return result


class Peak(TorchDispatchMode):
    """While open, follows the bytes of tensors that are made and let go; `most` is how many there were at a time. What was there before,
    and what a kernel takes for itself, does not count."""

    def __init__(self):
        super().__init__()
        self.known, self.now, self.most = WeakIdKeyDictionary(), 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for storage in _storages((args, kwargs)):
            self.known[storage] = True
        result = function(*args, **(kwargs or {}))
        for storage in _storages(result):
            if storage not in self.known:
                self.known[storage] = True
                self._took(storage.nbytes())
                weakref.finalize(storage, self._took, -storage.nbytes())
        return result

    def _took(self, size: int) -> None:
        self.now += size
        self.most = max(self.most, self.now)


def _storages(values) -> list[torch.UntypedStorage]:
    return [value.untyped_storage() for value in tree_leaves(values) if torch.is_tensor(value)]


def _differs(source: torch.Tensor, target: torch.Tensor) -> int:
    return 0 if (source.device, source.dtype) == (target.device, target.dtype) else target.nbytes
