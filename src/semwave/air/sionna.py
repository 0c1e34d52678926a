"""Sionna, imported by the first who asks: that takes two seconds, which nobody else should wait."""

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch

_importing = threading.Lock()


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Torch's global generators are afterwards what they were before; Sionna's blocks reseed and draw from them."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield


def sionna(name: str = "sionna.phy") -> ModuleType:
    """The module ``name`` of Sionna.

    The import reseeds torch's global generators, so their state is kept. One thread imports while the others wait, lest
    one of them keep the state that the import has just set.
    """
    with _importing:
        if name in sys.modules:
            return importlib.import_module(name)
        with kept_random_state():
            return importlib.import_module(name)
