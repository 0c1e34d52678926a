"""The limit: the least error with which any scheme can send the codes, and how far from it the codec is.

    source of covariance S, k real symbols at an SNR -> C = k/2 log2(1 + SNR) bits
    -> reverse water-filling of S at C bits -> D, the optimum performance theoretically attainable (OPTA)

Shannon 1948 and 1959; Cover and Thomas, Elements of Information Theory, 10.3.3. The rate-distortion function of a
Gaussian source bounds from above that of every source of the same covariance, so a scheme could do better than D only
by what is not Gaussian in the codes.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from semwave.codec import Codec
from semwave.evaluation.fitted import Source
from semwave.evaluation.run import link_for
from semwave.evaluation.separation import capacity_bits
from semwave.model import Model


def spectrum(samples: Tensor) -> Tensor:
    """Variances (D,) along the principal axes of the source of ``samples`` (N, D), largest first.

    With fewer samples than dimensions the sample covariance is far from the source's, so it is shrunk towards a
    multiple of the identity by as much as minimises the expected squared error (Ledoit and Wolf 2004).
    """
    count, size = samples.shape
    centred = samples.double() - samples.double().mean(0)
    gram = centred @ centred.T / count
    values = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)[:size]
    sample = torch.cat([values, values.new_zeros(size - len(values))])
    mean = sample.mean()
    spread = (sample - mean).square().sum()
    noise = ((count * gram.diagonal()).square().sum() / count - sample.square().sum()) / count
    shrinkage = (noise / spread.clamp_min(1e-30)).clamp(0, 1)
    return shrinkage * mean + (1 - shrinkage) * sample


def least_error(variances: Tensor, bits: float) -> float:
    """The least expected squared error, summed, with which ``bits`` describe independent Gaussian numbers of
    ``variances`` (D,): the sum of min(level, variance), the level such that the rates add up to ``bits``."""
    variances = variances.double()
    low, high = torch.zeros(()).double(), variances.max()
    for _ in range(200):
        level = (low + high) / 2
        rate = (variances / level).log2().clamp_min(0).sum() / 2
        low, high = (level, high) if rate > bits else (low, level)
    return variances.clamp_max(high).sum().item()


def attainable(variances: Tensor, k: int, snr_db: float) -> float:
    """OPTA: the least expected squared error, summed, after ``k`` real symbols over AWGN at ``snr_db``."""
    return least_error(variances, capacity_bits(k, snr_db))


@dataclass(frozen=True)
class Gap:
    """A codec's squared error of N against the limit, and the variance of the N that was ``sent``, each as a share of
    the source's variance; plain, or ``weighted`` by how much an error moves the picture."""

    scheme: str
    snr_db: float
    weighted: bool
    sent: float
    measured: float
    attainable: float

    @property
    def db(self) -> float:
        """How far the codec is from the limit in dB."""
        return 10 * math.log10(self.measured / self.attainable)


@torch.no_grad()
def gaps(model: Model, source: Source, photos: dict[str, Tensor], snrs_db: tuple[float, ...], seed: int) -> list[Gap]:
    """The gaps of the codecs of ``model`` over AWGN, on ``photos``: codes (1, 28, 512) by name.

    The limit is that of the covariance of ``source``, which is of other photos.
    """
    sent = torch.cat([_numbers(model, codes) for codes in photos.values()])
    found = []
    for weighted in (False, True):
        root = _root(source.metric) if weighted else torch.eye(sent.shape[2]).expand_as(source.metric)

        def energy(numbers: Tensor, root: Tensor = root) -> float:
            return torch.einsum("nci,cij->ncj", numbers, root).square().sum((1, 2)).mean().item()

        known = source.of_photos
        variances = spectrum(torch.einsum("nci,cij->ncj", known, root).flatten(1))
        variance = variances.sum().item()
        for k, codec in model.codecs.items():
            for snr_db in snrs_db:
                arrived = [
                    _over_the_air(codec, n[None], snr_db, seed, name) for name, n in zip(photos, sent, strict=True)
                ]
                found.append(
                    Gap(
                        scheme=f"{model.name}-k{k}",
                        snr_db=snr_db,
                        weighted=weighted,
                        sent=energy(sent - known.mean(0)) / variance,
                        measured=energy(torch.cat(arrived) - sent) / variance,
                        attainable=attainable(variances, k, snr_db) / variance,
                    )
                )
    return found


def _over_the_air(codec: Codec, n: Tensor, snr_db: float, seed: int, name: str) -> Tensor:
    received = link_for("awgn", snr_db, seed, name)(codec.encode(n))
    return codec.decode(received.symbols, received.snr_db)


def _numbers(model: Model, codes: Tensor) -> Tensor:
    coordinates = model.space.coordinates(codes)
    return model.flow(coordinates) if model.flow else coordinates


def _root(metric: Tensor) -> Tensor:
    """The symmetric square roots of ``metric`` (28, 256, 256)."""
    values, vectors = torch.linalg.eigh(metric.double())
    return (vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.mT).float()
