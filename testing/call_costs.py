"""Counts a UNet call's costs beside arithmetic, on any device, instead of measuring a GPU's bus and queue."""

from __future__ import annotations

import weakref
from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

# Operators in which PyTorch causes a GPU synchronisation: they read a number, or must know a count.
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal", "aten::unique2"}
SENT = {"aten::lift_fresh"}  # a tensor made from Python numbers


class Costs(TorchDispatchMode):
    """Context manager that counts: `waits` (GPU synchronisations), `sent` tensors made from Python numbers,
    `brought` bytes copied from another device or dtype, and `gathered` bytes selected by a list of indices.
    """

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
    """Context manager that tracks the bytes of allocated tensors.

    most: the largest total at a time. Earlier tensors, and the internal memory of kernels, are not counted.
    """

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
