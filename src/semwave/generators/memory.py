"""What a process keeps, to do it once: the memory of freed tensors, the casts of weights, their layout."""

import ctypes
from contextlib import suppress
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
NEVER, MARGIN = -1, 2**26


def keep_freed_memory() -> None:
    """Have glibc keep freed blocks for the next tensor instead of giving them back to the kernel.

    The kernel hands out memory page by page, each zeroed: about a third of the time of a generator's pass on two
    cores. With another C library nothing happens.
    """
    _set_options({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: NEVER, M_TOP_PAD: MARGIN})


def keep_one_pool() -> None:
    """Have the threads of this process that start from now on share one pool of glibc's freed blocks, where each would
    keep one of its own."""
    _set_options({M_ARENA_MAX: 1})


def _set_options(options: dict[int, int]) -> None:
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for option, value in options.items():
            libc.mallopt(option, value)


def keep_casts(module: nn.Module) -> None:
    """Cast the convolutions and linear layers of ``module`` to bf16 for good, as bf16 autocast would at every call."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.bfloat16()


def channels_last(network: Network) -> Network:
    """``network`` with the channels of its convolutions last in memory, which is faster on CPUs."""
    return network.to(memory_format=torch.channels_last)  # pyrefly: ignore[no-matching-overload]
