"""What may be asked of the service, and what it answers: the shapes of the OpenAPI description."""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from semwave.privacy.settings import Mode, Privacy
from semwave.zoo import CODES, LOWEST_K, ModelConfig

STOPS = 160
"""Of a slider over k."""
LARGEST_SEED = 2**63 - 1
Part = Annotated[str, Field(min_length=1, max_length=40)]


class Framing(BaseModel):
    """How a photograph is brought into the frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aligned: bool = Field(False, description="The picture is an aligned square face already.")
    face: int | None = Field(None, ge=1, le=1000, description="The face to take of several, 1 the largest.")
    size: int | None = Field(None, ge=1, le=2**15, description="Width and height in pixels; else the model's own.")


class Sending(BaseModel):
    """How a photograph is sent: the options of ``semwave send``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: int | None = Field(None, ge=2, le=2**20, description="Real symbols; else the model's own number of them.")
    snr_db: float = Field(10.0, ge=-20, le=60, allow_inf_nan=False, description="Es/N0 in dB.")
    channel: str = Field("awgn", max_length=40, description="awgn, rayleigh, or by a modem over tdl-a, tdl-b-30ns, ...")
    codes_only: bool = Field(False, description="Codes are all that is sent, as in the paper.")
    hide: tuple[Part, ...] = Field((), max_length=40, description="These parts are private.")
    keep: tuple[Part, ...] = Field((), max_length=40, description="Every part but these is private.")
    mode: Mode = Field(Mode.strict, description="How private parts are kept so.")
    lambda1: float = Field(1.0, gt=0, le=1000, allow_inf_nan=False, description="The filter's distance, in norms.")
    lambda2: float = Field(0.9, gt=0, lt=1, allow_inf_nan=False, description="Bound of eq. 5.")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed: the same one gives the same bits.")

    @property
    def privacy(self) -> Privacy | None:
        """What is not to be given away. Raises :class:`SemwaveError` for parts both hidden and kept."""
        if not (self.hide or self.keep):
            return None
        return Privacy(self.hide, self.keep, str(self.mode), self.lambda1, self.lambda2, self.seed)

    @property
    def layers(self) -> tuple[str, ...] | None:
        """What is sent: codes alone, or all that the model can send."""
        return (CODES,) if self.codes_only else None


class Whole(Framing, Sending):
    """Everything about one photograph in one request."""


class Viewing(Sending):
    """How a photograph that the service keeps is sent and shown."""

    first: int | None = Field(None, ge=2, le=2**20, description="Only so many symbols have arrived yet; else all.")
    draft: bool = Field(False, description="At once: the model's smallest picture as JPEG, without LPIPS.")


class Receiving(BaseModel):
    """How symbols are received."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    snr_db: float = Field(10.0, ge=-20, le=60, allow_inf_nan=False, description="Es/N0, where the file tells none.")
    size: int | None = Field(None, ge=1, le=2**15, description="Width and height in pixels; else the photograph's.")


class Failure(BaseModel):
    """What is wrong, and what to do."""

    error: str


class Health(BaseModel):
    """Whether the service is ready, and how much it has to do."""

    status: str = Field(description='"ready", "loading" or "broken".')
    version: str
    waiting: int = Field(description="Requests that wait or are worked on.")
    places: int = Field(description="Requests that can; more are told 503.")
    photographs: int = Field(description="In memory, for the page.")


class ModelAnswer(BaseModel):
    """What a model offers."""

    name: str
    sizes: list[int]
    size: int
    ks: list[int] = Field(description="Numbers of real symbols: all that it offers, or some from smallest to largest.")
    k: int = Field(description="The one that is sent where none is asked for.")
    parts: list[str]
    channels: list[str]
    licence: str
    lpips: bool = Field(description="LPIPS(alex) is measured.")


class Row(BaseModel):
    """A row of the report of ``semwave send``."""

    photo: str
    size: int
    n: int
    k: int
    complex_symbols: int
    ratio: str
    snr_db: float
    channel: str
    layers: list[str]
    hidden: list[str]
    privacy: str | None
    psnr_db: float | None
    lpips_alex: float | None
    seconds: dict[str, float]


class SendAnswer(BaseModel):
    """What came out; pictures are files in base64."""

    report: Row
    received: str
    note: str = ""


class ViewAnswer(SendAnswer):
    """The same for the page."""

    media_type: str
    received_snr_db: float | None = Field(description="Mean over the symbols that arrived.")
    symbols: list[float] = Field(description="Real and imaginary parts of the first received complex symbols.")
    private: str | None = Field(description="1 where the photograph was not read, 128 x 128 bytes in base64.")


class Example(BaseModel):
    """A picture to try."""

    number: int
    name: str
    aligned: bool


class PhotoAnswer(BaseModel):
    """A photograph in the frame, kept for the page for a while under a name that nobody can guess."""

    id: str
    size: int
    sent: str = Field(description="A PNG in base64.")
    note: str
    labels: str | None = Field(description="Part of every pixel, 128 x 128 bytes in base64; none without a parser.")
    seconds: dict[str, float]


class OtherAnswer(BaseModel):
    """The same photograph by another scheme at the same k and SNR; no picture where it was lost."""

    scheme: str
    received: str | None
    psnr_db: float | None
    lpips_alex: float | None
    note: str
    seconds: float


def offered_ks(config: ModelConfig) -> tuple[int, ...]:
    """Numbers of real symbols for a slider, of those that ``config`` offers: its own one, and others at about equal
    ratios from the smallest to the largest."""
    wanted = 2 * np.geomspace(LOWEST_K / 2, config.highest_k / 2, STOPS).round().astype(int)
    return tuple(sorted({*wanted.tolist(), config.k}))
