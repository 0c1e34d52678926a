"""Generators by the name that a model.json gives them.

A model that draws codes of another one names its generator; what makes it of a file of weights stands here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from torch import Tensor

from semwave.errors import SemwaveError
from semwave.generators.distilled import DistilledGenerator
from semwave.generators.semantic_stylegan import SemanticStyleGAN
from semwave.latent.space import CodeSpace
from semwave.plugins import Register
from semwave.types import Drawing

NATIVE = "compositional-mobile-stylegan"
"""The generator that makes the codes; models with codes of their own have it."""


class Generator(Protocol):
    """What draws codes: an :class:`torch.nn.Module` with these two methods."""

    def __call__(self, codes: Tensor, size: int) -> Drawing:
        """Pictures (B, 3, size, size) and part masks of ``codes`` (B, codes, code_size), at least at the model's sizes
        and at 128 and 256 px, where inversion looks. Raises :class:`SemwaveError` for other sizes."""
        ...

    def masks(self, codes: Tensor) -> Tensor:
        """Part masks (B, parts, w, w) of ``codes``, without a picture."""
        ...


def _distilled(weights: Path, space: CodeSpace) -> DistilledGenerator:
    return DistilledGenerator(SemanticStyleGAN.from_file(weights), space)


GENERATORS: Register[Callable[[Path, CodeSpace], Generator]] = Register(
    "semwave.generators", {"semantic-stylegan": _distilled}
)
"""Makes a generator of its file of weights and of the space of the codes that it draws."""


def load_generator(name: str, weights: Path, space: CodeSpace) -> Generator:
    """The generator ``name`` with its ``weights``, which draws the codes of ``space``.

    Raises:
        SemwaveError: there is none of this name, or the weights are not its own.
    """
    if name not in GENERATORS:
        raise SemwaveError(f"unknown generator '{name}'; the generators are {', '.join((NATIVE, *GENERATORS.names()))}")
    return GENERATORS[name](weights, space)
