"""Safe reading of the checkpoints of Semantic StyleGAN's authors.

file.pt -> unpickled, tensors, plain values and argparse.Namespace alone -> g_ema (names, tensors), args (sizes)
"""

import pickle
import warnings
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.pictures.arrays import check_finite
from semwave.pictures.files import FILE, kind_of

SIZES = {
    "size": "size",
    "latent": "code_size",
    "n_mlp": "mapping_layers",
    "channel_multiplier": "channel_multiplier",
    "seg_dim": "parts",
    "local_layers": "local_layers",
    "local_channel": "local_channels",
    "base_layers": "base_layers",
    "depth_layers": "depth_layers",
    "coarse_size": "coarse_size",
    "coarse_channel": "coarse_channels",
    "min_feat_size": "smallest_size",
    "residual_refine": "refine",
    "transparent_dims": "transparent",
}
"""What ``args`` calls a field of :class:`semwave.generators.semantic_stylegan.Architecture`."""
SHOWN = 5
LARGEST_CHECKPOINT = 2**32
"""Bytes; generator, discriminator and optimisers of 512 px have a quarter of that."""


@contextmanager
def _namespace_alone() -> Iterator[None]:
    """Let the weights-only unpickler make an argparse.Namespace, and nothing that other packages have allowed."""
    others = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals([Namespace])
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(others)


def read_official(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights ``g_ema`` by name, and fields of an ``Architecture``, out of the checkpoint ``path``.

    A size that ``args`` does not state is left out of the fields.

    Raises:
        SemwaveError: no file, a damaged one, one with anything but tensors, plain values and an argparse.Namespace in
            it, weights that are not finite, or no checkpoint of this generator.
    """
    if kind_of(path) != FILE:
        raise SemwaveError(f"there is no checkpoint {path}")
    if path.stat().st_size > LARGEST_CHECKPOINT:
        raise SemwaveError(f"{path} has more than {LARGEST_CHECKPOINT >> 30} GiB, as no checkpoint of this generator")
    try:
        # A warning of an odd protocol is no use to whoever gets the error below.
        with _namespace_alone(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        allowed = "tensors, plain values and an argparse.Namespace"
        raise SemwaveError(f"{path} was refused: it holds more than {allowed}, or is no checkpoint at all") from error
    # Damaged bytes make the unpickler fail in any way there is.
    except Exception as error:
        raise SemwaveError(f"{path} is damaged or is no PyTorch checkpoint; fetch it again") from error

    state = checkpoint.get("g_ema") if isinstance(checkpoint, Mapping) else None
    args = checkpoint.get("args") if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping) or not isinstance(args, Namespace):
        raise SemwaveError(f"{path} is no checkpoint of Semantic StyleGAN: it has no weights g_ema or no sizes args")
    if not all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()):
        raise SemwaveError(f"{path} is no checkpoint of Semantic StyleGAN: g_ema holds more than named tensors")
    check_finite(path, dict(state))
    sizes = {ours: vars(args)[theirs] for theirs, ours in SIZES.items() if theirs in vars(args)}
    if isinstance(parts := sizes.get("transparent"), list):
        sizes["transparent"] = tuple(parts)
    return dict(state), sizes


def check_names_and_shapes(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Hold the weights ``state`` of ``path`` to the names and shapes ``expected``.

    Raises:
        SemwaveError: with what is missing, too many, or of another shape.
    """
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    wrong = {
        "missing": [name for name in expected if name not in state],
        "too many": [name for name in state if name not in expected],
        "of another shape": shapes,
    }
    found = [f"{len(names)} {what}: {_listed(names)}" for what, names in wrong.items() if names]
    if found:
        raise SemwaveError(f"{path} does not fit the sizes that it states; {'; '.join(found)}")


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
