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

from semwave.air.iq import signal
from semwave.baselines.channel_code import capacity_bits
from semwave.coding.codec import Codec, shrunk
from semwave.evaluation.fitted import Source
from semwave.evaluation.run import link_for


def variances(known: Tensor, seen: Tensor) -> Tensor:
    """Variances (G d,) of ``seen`` (M, G, d) along the principal axes of ``known`` (N, G, d), and about its mean.

    Axes and variances come from different samples because variances along a sample's own axes are far too uneven where
    samples are fewer than dimensions; for the same reason what joins the G groups counts a little less. Neither makes
    the limit too low: along the source's true axes the least error is at most as large.
    """
    mean = known.double().mean(0)
    apart = (known.double() - mean).flatten(1)
    axes = torch.linalg.eigh(shrunk(apart.T @ apart / len(apart), known.shape[1])).eigenvectors
    return ((seen.double() - mean).flatten(1) @ axes).square().mean(0)


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
    sent: dict[str, Tensor],
    source: Source,
    codecs: dict[str, tuple[Codec, int]],
    snrs_db: Iterable[float],
    seed: int,
) -> list[Gap]:
    """The gaps of ``codecs`` by name, each with its k, over AWGN, for what they have ``sent``: N (1, codes,
    coordinates) of photos by name.

    The principal axes are those of the other photos in ``source``.
    """
    n = torch.cat(list(sent.values()))
    measures = []
    for weighted, metric in ((False, torch.eye(n.shape[2]).expand_as(source.metric)), (True, source.metric)):
        root = _root(metric)
        measures.append((weighted, root, variances(_weighed(source.of_photos, root), _weighed(n, root))))
    found = []
    for scheme, (codec, k) in codecs.items():
        for snr_db in snrs_db:
            error = torch.cat([_arrived(codec, k, numbers, snr_db, seed, name) for name, numbers in sent.items()]) - n
            for weighted, root, spread in measures:
                total = spread.sum().item()
                measured = _weighed(error, root).square().sum((1, 2)).mean().item()
                found.append(Gap(scheme, snr_db, weighted, measured / total, attainable(spread, k, snr_db) / total))
    return found


def _weighed(n: Tensor, root: Tensor) -> Tensor:
    return torch.einsum("ngi,gij->ngj", n, root)


def _arrived(codec: Codec, k: int, n: Tensor, snr_db: float, seed: int, name: str) -> Tensor:
    plan = codec.plan(k)
    soft = link_for("awgn", snr_db, seed, name)(signal(plan.join(plan.sent(codec.encode(n)))))
    return codec.decode(*plan.split(soft.symbols, soft.noise)[:2])


def _root(metric: Tensor) -> Tensor:
    """The symmetric square roots of ``metric`` (G, d, d)."""
    values, vectors = torch.linalg.eigh(metric.double())
    return (vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.mT).float()
