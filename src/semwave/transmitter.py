"""The transmitter: a photograph becomes k real numbers.

    photo F -> invert -> codes L (28 x 512) [-> privacy] -> flow -> N -> channel encoder -> X: k symbols of unit power
      +------------> coarse residual, nothing of the private region ---------------------^

The left half of the paper's Fig. 1, and what goes past it. Flow and channel encoder are the model's :meth:`encode`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from time import perf_counter

import torch
from torch import Tensor

from semwave import model as models
from semwave.coding.residual import CODES_K
from semwave.errors import SemwaveError
from semwave.inversion.parser import INPUT
from semwave.pictures.images import resized
from semwave.privacy.protection import Protection
from semwave.privacy.settings import Privacy
from semwave.privacy.strict import without_region

MOST_REFINE_STEPS = 10_000
Distance = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Transmission:
    """What goes on air, ``symbols`` (B, k) float32, mean square one per image, and what it was made from.

    ``codes`` (B, 28, 512) stay with the transmitter; ``seconds`` is the time of "invert" and "encode".
    """

    symbols: Tensor
    codes: Tensor
    seconds: dict[str, float]


class Transmitter:
    """Turns aligned photographs into symbols.

    Args:
        model: name of a shipped model, or a loaded one.
        k: number of real symbols an image, one that the model has a codec for.
        refine_steps: steps of gradient descent after the first estimate of the codes.
        start: where inversion starts, "encoder" or "mean" (the mean face, for descent alone, as in the paper).
        perceptual: distance of two batches of images, (B,), that refinement lowers beside the MSE, such as
            :class:`semwave.pictures.metrics.LPIPS`; None for the MSE alone, as in the paper.
        privacy: parts that are not to be given away; None for nothing private.
        residual: send what codes cannot say beside them, where the model has it for k; without it codes alone are sent,
            as in the paper. The receiver must be told the same.

    Raises:
        SemwaveError: an unknown model, a k or number of steps that is not offered, or a knowledge base that cannot be
            read or is another model's.
    """

    def __init__(
        self,
        model: str | models.Model = "faces-512",
        k: int = 2560,
        refine_steps: int = 0,
        start: str = "encoder",
        perceptual: Distance | None = None,
        privacy: Privacy | None = None,
        residual: bool = True,
    ):
        self.model = models.load_model(model) if isinstance(model, str) else model
        if k not in self.model.codecs:
            offered = ", ".join(map(str, self.model.codecs))
            raise SemwaveError(f"k = {k} is not offered by {self.model.name}; k is one of {offered}")
        if not 0 <= refine_steps <= MOST_REFINE_STEPS:
            raise SemwaveError(f"refine steps must be from 0 to {MOST_REFINE_STEPS}, not {refine_steps}")
        self.k = k
        self.residual = residual and k in self.model.residuals
        self.refine_steps, self.start, self.perceptual = refine_steps, start, perceptual
        self.protection = Protection(self.model, privacy) if privacy else None

    def __call__(self, images: Tensor, region: Tensor | None = None) -> Transmission:
        """Symbols of ``images`` (B, 3, H, H) in [-1, 1], aligned.

        ``region`` (B, h, h) bool is private; None for the one that the parser finds for the private parts.

        Raises:
            SemwaveError: not a batch of square pictures, values that are not finite, or a photo without a part that
                the privacy names.
        """
        start = perf_counter()
        region = self.region(images) if region is None else region
        codes = self.invert(images, region=region)
        inverted = perf_counter()
        symbols = self.encode(codes, images, region)
        return Transmission(symbols, codes, {"invert": inverted - start, "encode": perf_counter() - inverted})

    @torch.no_grad()
    def invert(
        self,
        images: Tensor,
        progress: Callable[[int, float], None] | None = None,
        region: Tensor | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """Codes (B, 28, 512) whose pictures, once received, are closest to ``images`` (B, 3, H, H) in [-1, 1].

        What is private is not in them. ``progress(step, mse)`` is called after every step of refinement; ``region`` and
        ``random`` are those of :class:`semwave.privacy.protection.Protection`.
        """
        _check_square(images)
        if self.protection:
            return self.protection(images, lambda seen: self._inverted(seen, progress), region, random)
        return self._inverted(images, progress)

    def _inverted(self, images: Tensor, progress: Callable[[int, float], None] | None) -> Tensor:
        if not images.isfinite().all():
            raise SemwaveError("the pictures have values that are not finite numbers")
        options = {"perceptual": self.perceptual} if self.perceptual else {}
        return self.model.invert(
            images,
            steps=self.refine_steps,
            start=self.start,
            k=CODES_K if self.residual else self.k,
            progress=progress,
            **options,
        )

    def region(self, images: Tensor) -> Tensor | None:
        """The private region (B, h, h) bool that the parser finds in ``images`` (B, 3, H, H); None if nothing is
        private.

        Raises :class:`SemwaveError` for what is not a batch of square pictures, or a photo without a part that the
        privacy names.
        """
        _check_square(images)
        return self.protection.region(images) if self.protection else None

    @torch.no_grad()
    def encode(self, codes: Tensor, images: Tensor | None = None, region: Tensor | None = None) -> Tensor:
        """Symbols (B, k) of ``codes`` (B, 28, 512) and, with the residual, of what they lack of ``images`` (B, 3, H, H)
        outside the private ``region`` (B, h, h), which privacy requires.

        Raises:
            SemwaveError: no images, or no region, where one is needed.
        """
        if not self.residual:
            return self.model.encode(codes, self.k)
        if images is None or (self.protection and region is None):
            raise SemwaveError("what codes lack is sent too: encode needs the pictures, and what is private in them")
        if region is None:
            return self.model.encode_with_residual(codes, self.k, resized(images, INPUT))
        return self.model.encode_with_residual(codes, self.k, *without_region(images, region))


def _check_square(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise SemwaveError(f"need square pictures (B, 3, H, H), not {tuple(images.shape)}; align them first")


def source_numbers(size: int) -> int:
    """n = H W 3, the numbers of a picture ``size`` pixels wide and high."""
    return size * size * 3


def ratio_text(k: int, size: int) -> str:
    """The ratio k / n at ``size``, exactly: "10/3072", in lowest terms where it is no multiple of 1/3072."""
    ratio = Fraction(k, source_numbers(size))
    whole = ratio * 3072
    return f"{whole}/3072" if whole.denominator == 1 else str(ratio)


def k_of_ratio(ratio: str, size: int, offered: Iterable[int]) -> int:
    """The k among ``offered`` that makes k / n = ``ratio`` ("1/3072") at ``size``.

    Raises:
        SemwaveError: not a ratio, or one that no k makes; the message lists those there are.
    """
    # The pattern also keeps exponents out: Fraction("1e999999999") would take for ever.
    wanted = Fraction(ratio) if re.fullmatch(r"\d{1,9}(/0*[1-9]\d{0,8}|\.\d{1,15})?", ratio) else None
    offered = sorted(offered)
    for k in offered:
        if Fraction(k, source_numbers(size)) == wanted:
            return k
    there_are = ", ".join(f"{ratio_text(k, size)} (k = {k})" for k in offered)
    raise SemwaveError(f"ratio '{ratio}' is not offered at {size}x{size}; there are {there_are}")
