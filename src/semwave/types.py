"""What travels from a photograph to its picture, and the interfaces of what it travels through.

    photograph F -> Scene: codes L, L', P -> Signal: X ~~ Transport ~~> Soft: Y -> Message: L^ -> Drawing: F^
                   \\____ Model.invert, .encode ____/                  \\___ Model.decode, .draw ___/

Every object is frozen: who holds it knows that nobody changes it. Shapes name the numbers of the model's layout
(:mod:`semwave.latent.layout`); B is the number of pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from semwave.errors import SemwaveError
from semwave.zoo import LARGEST_K, LAYERS, ModelConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Distance = Callable[[Tensor, Tensor], Tensor]

HEADER_VERSION = 1
LARGEST_SIZE = 2**15
DIGEST_DIGITS = 12
LONGEST_NAME = 100


@dataclass(frozen=True)
class Scene:
    """What a transmitter may read of photographs, made once: after that nobody passes private regions about.

    Args:
        picture: (B, 3, S, S) float32 in [-1, 1], the paper's F; zero wherever it is not visible.
        visible: (B, 1, S, S) bool, what is not private; None where nothing is.
        codes: (B, codes, code_size), the codes that may be sent: L, or P with privacy. None before inversion.
    """

    picture: Tensor
    visible: Tensor | None = None
    codes: Tensor | None = None

    @property
    def size(self) -> int:
        """Width and height of the picture in pixels."""
        return self.picture.shape[-1]

    def with_codes(self, codes: Tensor) -> Scene:
        """The same scene with ``codes`` (B, codes, code_size)."""
        return replace(self, codes=codes)


@dataclass(frozen=True)
class Header:
    """What a receiver must know of a signal before it can read it.

    Args:
        model: name of the model that made it.
        digest: of the weights that both ends must share, 12 hexadecimal digits.
        k: real symbols a picture.
        layers: what it carries, of :data:`semwave.zoo.LAYERS` in their order.
        size: width and height of the photograph in pixels, which make n = 3 size^2 in the ratio k / n.
        version: of the header's format.

    Raises:
        ValueError: values that no signal has.
    """

    model: str
    digest: str
    k: int
    layers: tuple[str, ...]
    size: int
    version: int = HEADER_VERSION

    def __post_init__(self):
        if self.version != HEADER_VERSION:
            raise ValueError(f"a header of version {self.version}; version {HEADER_VERSION} is read")
        if not 1 <= len(self.model) <= LONGEST_NAME or not self.model.isprintable():
            raise ValueError("the model's name must be 1 to 100 printable characters")
        if len(self.digest) != DIGEST_DIGITS or not set(self.digest) <= set("0123456789abcdef"):
            raise ValueError(f"the digest must be {DIGEST_DIGITS} hexadecimal digits")
        if not 2 <= self.k <= LARGEST_K or self.k % 2:
            raise ValueError(f"k must be even and from 2 to {LARGEST_K}, not {self.k}")
        if not self.layers or self.layers != tuple(layer for layer in LAYERS if layer in self.layers):
            raise ValueError(f"layers must be of {', '.join(LAYERS)}, in this order")
        if not 1 <= self.size <= LARGEST_SIZE:
            raise ValueError(f"size must be from 1 to {LARGEST_SIZE} pixels, not {self.size}")


@dataclass(frozen=True)
class Signal:
    """The paper's X. ``iq`` (B, k/2) complex64: complex baseband symbols, mean power 1 in every picture.

    ``header`` says what they are; None for a scheme whose receiver needs none.
    """

    iq: Tensor
    header: Header | None = None


@dataclass(frozen=True)
class Soft:
    """The paper's Y, equalised: real symbols and how much of each is noise.

    Args:
        symbols: (B, k) float32; where nothing was lost, what was sent, of mean square 1 in every picture, and noise.
        noise: (B, k) float32, the noise power of each symbol, in which 1 is the mean square of what was sent. Infinite
            where a symbol was not received: not sent, lost or erased; its value then counts for nothing.
        header: that of the signal.
    """

    symbols: Tensor
    noise: Tensor
    header: Header | None = None

    @property
    def received(self) -> Tensor:
        """How many symbols of each picture were received, (B,) float32."""
        return self.noise.isfinite().float().sum(1)

    @property
    def snr_db(self) -> Tensor:
        """Es/N0 (B,) in dB over the symbols that were received; minus infinity where none was."""
        received = self.noise.isfinite()
        mean = self.noise.where(received, 0.0).sum(1) / received.sum(1)
        return -10 * mean.nan_to_num(nan=float("inf")).log10()


@dataclass(frozen=True)
class Message:
    """What arrived.

    Args:
        codes: (B, codes, code_size), the paper's L^.
        header: that of the signal.
        snr_db: (B,) Es/N0 in dB at which it was received.
        received: (B,) how many symbols were received; with none the codes are those of the mean face.
        residual: (B, 3, w, w), what the picture of the codes lacks of the photograph; None where it was not sent.
    """

    codes: Tensor
    header: Header
    snr_db: Tensor
    received: Tensor
    residual: Tensor | None = None


@dataclass(frozen=True)
class Drawing:
    """The paper's F^: ``image`` (B, 3, size, size) in about [-1, 1], and part ``masks`` (B, parts, w, w) that add up to
    one, on the generator's own grid."""

    image: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Inversion:
    """How a picture becomes codes.

    Args:
        start: "encoder" (one pass and learned corrections) or "mean" (the mean face, for descent alone, as in the
            paper).
        steps: of gradient descent that follow.
        k: descent brings closer what arrives in so many real symbols; None for the picture of the codes themselves.
        layers: of that signal; None for all that the model sends.
        distance: of two batches of pictures, (B,), that descent lowers beside the MSE; None for the MSE alone.
        progress: called after every step of descent, with its number and the MSE.
    """

    start: str = "encoder"
    steps: int = 0
    k: int | None = None
    layers: tuple[str, ...] | None = None
    distance: Distance | None = field(default=None, compare=False)
    progress: Callable[[int, float], None] | None = field(default=None, compare=False)

    def reporting(self, progress: Callable[[int, float], None] | None) -> Inversion:
        """The same inversion, reporting to ``progress``."""
        return replace(self, progress=progress)


class Model(Protocol):
    """What a transmitter and a receiver ask of a model. What one cannot do (hide, refine, a size) it says in one
    :class:`semwave.SemwaveError`."""

    @property
    def config(self) -> ModelConfig:
        """Its configuration."""
        ...

    @property
    def digest(self) -> str:
        """Names its weights: 12 hexadecimal digits."""
        ...

    def invert(self, scene: Scene, inversion: Inversion = ...) -> Tensor:
        """Codes (B, codes, code_size) whose picture is closest to that of ``scene``."""
        ...

    def encode(self, scene: Scene, k: int, layers: tuple[str, ...] | None = None) -> Signal:
        """The codes of ``scene`` and, with the layer "residual", what they lack of its picture, in ``k`` real
        symbols."""
        ...

    def decode(self, soft: Soft) -> Message:
        """What arrived in ``soft``, whose header is this model's."""
        ...

    def draw(self, message: Message, size: int | None = None) -> Drawing:
        """The picture of ``message``, ``size`` pixels wide; the model's own size without it."""
        ...


class Generative(Model, Protocol):
    """A model that draws codes without a signal and makes up random ones: what comparisons ask for."""

    def generate(self, codes: Tensor, size: int) -> Drawing:
        """The picture of ``codes`` (B, codes, code_size) alone."""
        ...

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Codes (count, codes, code_size) of random pictures."""
        ...


class PartModel(Generative, Protocol):
    """A model whose pictures can be taken apart: what privacy and knowledge bases ask for."""

    def masks(self, codes: Tensor) -> Tensor:
        """Part masks (B, parts, w, w) of ``codes`` (B, codes, code_size), without a picture."""
        ...

    def labels(self, images: Tensor, size: int) -> Tensor:
        """Part of every pixel, (B, size, size) uint8, of photographs ``images`` (B, 3, H, H) in [-1, 1]."""
        ...

    def coordinates(self, codes: Tensor) -> Tensor:
        """Whitened coordinates (B, codes, coordinates) of ``codes`` (B, codes, code_size)."""
        ...

    @property
    def directions(self) -> Tensor:
        """(code_size, coordinates): takes white noise to differences of the codes of random pictures."""
        ...


def new_header(model: Model, scene: Scene, k: int, layers: tuple[str, ...] | None) -> Header:
    """The header of the signal that ``model`` makes of ``scene`` in ``k`` real symbols; with all that it can send
    where ``layers`` are None.

    Raises:
        SemwaveError: a k or layers that the model does not offer, or a scene without codes.
    """
    layers = model.config.checked_layers(k, layers)
    if scene.codes is None:
        raise SemwaveError("the scene has no codes; invert it first")
    return Header(model.config.name, model.digest, k, layers, scene.size)


class Transport(Protocol):
    """Whatever lies between transmitter and receiver: a channel, a file, a radio."""

    def __call__(self, signal: Signal) -> Soft:
        """What arrives of ``signal``, equalised."""
        ...


DELIVERED, LOST, NOTHING_FITS = "delivered", "lost", "nothing fits"
"""Outcomes: a picture; none, and the receiver knows it; none, because the sender had nothing small enough."""


@dataclass(frozen=True)
class Delivered:
    """What arrives by a scheme: ``image`` (1, 3, S, S) in [-1, 1], made from ``k`` real symbols.

    ``outcome`` is :data:`DELIVERED`, :data:`LOST` or :data:`NOTHING_FITS`. ``note`` is for the reader of the table.
    """

    image: Tensor
    k: int
    outcome: str = DELIVERED
    note: str = ""
