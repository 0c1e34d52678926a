"""The limit: the least error with which any scheme can send the codes, and how far from it the codec is.

    source of covariance S, k real symbols at an SNR -> C = k/2 log2(1 + SNR) bits
    -> reverse water-filling of S at C bits -> D, the optimum performance theoretically attainable (OPTA)

Shannon 1948 and 1959; Cover and Thomas, Elements of Information Theory, 10.3.3. The rate-distortion function of a
Gaussian source bounds from above that of every source of the same covariance, so a scheme could do better than D only
by what is not Gaussian in the codes.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from semwave.codec import Codec
from semwave.codespace import used_coordinates
from semwave.evaluation.fitted import Source
from semwave.evaluation.run import link_for
from semwave.evaluation.separation import capacity_bits


def variances(known: Tensor, seen: Tensor) -> Tensor:
    """Variances (D,) of ``seen`` (M, D) along the principal axes of ``known`` (N, D), and about its mean.

    Axes and variances come from different samples because variances along a sample's own axes are far too uneven where
    samples are fewer than dimensions. What lies outside the axes is spread evenly. Neither makes the limit too low:
    along the source's true axes the least error is at most as large.
    """
    mean = known.double().mean(0)
    axes = torch.linalg.svd(known.double() - mean, full_matrices=False).Vh
    apart = seen.double() - mean
    along = (apart @ axes.T).square().mean(0)
    outside = known.shape[1] - len(axes)
    rest = (apart.square().sum(1).mean() - along.sum()).clamp_min(0)
    return torch.cat([along, (rest / max(1, outside)).expand(outside)])


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
    """A codec's squared error of N and the least attainable one, as shares of the variance of N: plain, or ``weighted``
    by how much an error moves the picture."""

    scheme: str
    snr_db: float
    weighted: bool
    measured: float
    attainable: float

    @property
    def db(self) -> float:
        """How far the codec is from the limit in dB."""
        return 10 * math.log10(self.measured / self.attainable)


@torch.no_grad()
def gaps(
    sent: dict[str, Tensor], source: Source, codecs: dict[str, Codec], snrs_db: Iterable[float], seed: int
) -> list[Gap]:
    """The gaps of ``codecs`` by name over AWGN, for what they have ``sent``: N (1, 28, 256) of photos by name.

    The principal axes are those of the other photos in ``source``.
    """
    used = used_coordinates().flatten()
    n = torch.cat(list(sent.values()))
    measures = []
    for weighted, metric in ((False, torch.diag_embed(used_coordinates().float())), (True, source.metric)):
        root = _root(metric)

        def weigh(numbers: Tensor, root: Tensor = root) -> Tensor:
            return torch.einsum("nci,cij->ncj", numbers.double(), root).flatten(1)[:, used]

        measures.append((weighted, weigh, variances(weigh(source.of_photos), weigh(n))))
    found = []
    for scheme, codec in codecs.items():
        for snr_db in snrs_db:
            error = torch.cat([_arrived(codec, numbers, snr_db, seed, name) for name, numbers in sent.items()]) - n
            for weighted, weigh, spread in measures:
                total = spread.sum().item()
                measured = weigh(error).square().sum(1).mean().item()
                found.append(
                    Gap(scheme, snr_db, weighted, measured / total, attainable(spread, codec.k, snr_db) / total)
                )
    return found


def _arrived(codec: Codec, n: Tensor, snr_db: float, seed: int, name: str) -> Tensor:
    received = link_for("awgn", snr_db, seed, name)(codec.encode(n))
    return codec.decode(received.symbols, received.snr_db)


def _root(metric: Tensor) -> Tensor:
    """The symmetric square roots of ``metric`` (28, 256, 256)."""
    values, vectors = torch.linalg.eigh(metric.double())
    return vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.mT
