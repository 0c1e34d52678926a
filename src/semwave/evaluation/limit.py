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
from semwave.codespace import COORDINATES, used_coordinates
from semwave.evaluation.fitted import Source
from semwave.evaluation.run import link_for
from semwave.evaluation.separation import capacity_bits
from semwave.layout import CODES
from semwave.model import Model


def covariance(samples: Tensor) -> Tensor:
    """Covariance (D, D) of the source of ``samples`` (N, D).

    With fewer samples than dimensions the sample covariance is far from the source's, so it is shrunk towards a
    multiple of the identity by as much as minimises the expected squared error (Ledoit and Wolf 2004).
    """
    centred = samples.double() - samples.double().mean(0)
    sample = centred.T @ centred / len(samples)
    mean = sample.diagonal().mean()
    squares = sample.square().sum()
    spread = squares - len(sample) * mean**2
    noise = (centred.square().sum(1).square().mean() - squares) / len(samples)
    shrinkage = (noise / spread.clamp_min(1e-30)).clamp(0, 1)
    shrunk = (1 - shrinkage) * sample
    shrunk.diagonal().add_(shrinkage * mean)
    return shrunk


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
    apart = sent - source.of_photos.mean(0)
    known = covariance(source.of_photos.flatten(1))
    plain = torch.eye(COORDINATES).expand_as(source.metric)
    measures = [
        (weighted, metric, _variances(known, metric)) for weighted, metric in ((False, plain), (True, source.metric))
    ]
    found = []
    for k, codec in model.codecs.items():
        for snr_db in snrs_db:
            received = [_over_the_air(codec, n[None], snr_db, seed, name) for name, n in zip(photos, sent, strict=True)]
            error = torch.cat(received) - sent
            for weighted, metric, variances in measures:
                total = variances.sum().item()
                shares = (_energy(apart, metric), _energy(error, metric), attainable(variances, k, snr_db))
                found.append(Gap(f"{model.name}-k{k}", snr_db, weighted, *(share / total for share in shares)))
    return found


def _variances(known: Tensor, metric: Tensor) -> Tensor:
    """Variances (D,) along the principal axes of a source of covariance ``known``, in the ``metric`` of its codes."""
    values, vectors = torch.linalg.eigh(metric.double())
    root = vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.mT
    blocks = known.unflatten(0, (CODES, -1)).unflatten(2, (CODES, -1))
    weighted = torch.einsum("aibk,bkl->aibl", torch.einsum("aij,ajbk->aibk", root, blocks), root)
    used = used_coordinates().flatten()
    return torch.linalg.eigvalsh(weighted.flatten(2).flatten(0, 1)[used][:, used]).clamp_min(0)


def _energy(numbers: Tensor, metric: Tensor) -> float:
    return torch.einsum("nci,cij,ncj->n", numbers, metric, numbers).mean().item()


def _over_the_air(codec: Codec, n: Tensor, snr_db: float, seed: int, name: str) -> Tensor:
    received = link_for("awgn", snr_db, seed, name)(codec.encode(n))
    return codec.decode(received.symbols, received.snr_db)


def _numbers(model: Model, codes: Tensor) -> Tensor:
    coordinates = model.space.coordinates(codes)
    return model.flow(coordinates) if model.flow else coordinates
