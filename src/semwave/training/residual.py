"""Fit the residual and train its networks, for all k and 0 to 20 dB at once.

    photographs -> codes -> symbols -> codes that arrive without noise -> picture, 128 px
    photographs, pictures -> differences -> DCT -> which coefficients to send, in what order
    codes ~~ any k, AWGN, some symbols lost ~~> picture of the codes
    photograph, picture of 128 px -> emphasis -> coefficients ~~ the same k, AWGN ~~> description -> blend -> MSE, LPIPS

All else stays as it is, so a photograph's codes go on air once; noise on the coefficients is drawn at every step.
"""

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from semwave.air.iq import noise_power
from semwave.coding.plan import Plan
from semwave.coding.residual import FULL, LUMA_FREQUENCIES, Residual, enlarged
from semwave.model import FaceModel
from semwave.pictures.arrays import read_torch, write_torch
from semwave.pictures.console import track
from semwave.pictures.metrics import LPIPS
from semwave.training.codec import draw_k, draw_snr_db
from semwave.training.data import pick, to_float
from semwave.training.encoder import MSE_WEIGHT
from semwave.training.faces import to_bytes
from semwave.training.loop import Schedule, fit
from semwave.zoo import LOWEST_K

SNR_DB = (0.0, 20.0)
CUT, LOSSY = 0.2, 0.1
"""Shares of signals of which the first symbols alone arrive, and of which up to half are lost."""
FULL_SIZE = 0.8
"""Share of LPIPS that is taken at 512 px; the rest is of half the size."""
SHIFT = 4
"""AlexNet looks at every fourth pixel, so LPIPS sees a picture moved by up to three: no pattern can hide from it."""
LOUD_WEIGHT = 0.2
"""What it costs that the residual takes power from the codes, by the logarithm of how much, at k = 256 and below."""
RELATIVE_WEIGHT, RELATIVE_FLOOR = 0.25, 0.003
"""Weight of the MSE as a share of itself, so that a picture of many symbols counts as one of few."""


def perceptual_share(k: Tensor) -> Tensor:
    """How much LPIPS counts beside MSE for ``k`` (B,) symbols, 1 at 2560: what few leave open is filled with likely
    detail, what many say is kept."""
    ratio = 2560 / k.float()
    return torch.where(ratio > 1, ratio.pow(0.7).clamp_max(2.0), ratio.pow(1.3).clamp_min(0.15))


@torch.no_grad()
def start_residual(model: FaceModel, images: Tensor, coordinates: Tensor) -> None:
    """Fit the model's residual to photographs ``images`` (N, 3, 512, 512) uint8 with ``coordinates`` (N, codes,
    coordinates) as a transmitter has them, all of whose codes' symbols arrive."""
    residual = _residual(model)
    variance = torch.zeros(3, LUMA_FREQUENCIES, LUMA_FREQUENCIES)
    plan = model.plan(model.config.highest_k, True)
    for i in track(range(len(images)), "comparing"):
        sketch = model.expected(plan.sent(model.symbols(coordinates[i : i + 1])))
        variance += residual.transform(to_float(images[i : i + 1]) - enlarged(sketch))[0].square()
    beyond = FULL - LUMA_FREQUENCIES
    residual.choose(functional.pad(variance / len(images), (0, beyond, 0, beyond)))


def _residual(model: FaceModel) -> Residual:
    assert model.residual is not None
    return model.residual


def received_of(k: int, seed: int) -> Tensor:
    """Which of ``k`` symbols are received, (k,) bool: all as a rule, otherwise the first, or a random choice."""
    random = torch.Generator().manual_seed(seed)
    kind, share = torch.rand(2, generator=random).tolist()
    if kind < CUT:
        return torch.arange(k) < LOWEST_K * (k / LOWEST_K) ** share
    if kind < CUT + LOSSY:
        return torch.rand(k, generator=random) >= share / 2
    return torch.ones(k, dtype=torch.bool)


@torch.no_grad()
def arrived_pictures(
    model: FaceModel, images: Tensor, coordinates: Tensor, random: torch.Generator, path: Path
) -> dict[str, Tensor]:
    """What the codes of ``images`` (N, 3, 512, 512) uint8 draw once they have arrived, kept in ``path``: "drawn" (N, 3,
    512, 512) uint8 and "base" (N, 3, 128, 128), in "k" symbols at "snr_db", of which those that "seed" gives were
    received; with "sketch" (N, 3, 128, 128), the picture that the transmitter expects."""
    if path.exists():
        return read_torch(path, "delete it, and it is made again")
    rows = []
    for i in track(range(len(images)), "sending photographs"):
        k, snr_db, seed = draw_k(model.config.highest_k, random), draw_snr_db(1, random, SNR_DB), len(rows)
        plan = model.plan(k, True)
        symbols = plan.sent(model.symbols(coordinates[i : i + 1]))
        sketch = model.expected(symbols)
        lack = _residual(model).difference(to_float(images[i : i + 1]), sketch, k)
        scale = scaled(plan, _loud(_residual(model), plan, lack))
        noise = noise_of(plan, noise_power(snr_db) / scale, received_of(k, seed))
        codes = model.codes_of(*plan.over_noise(symbols, noise[:, plan.codes_at], random))
        with torch.autocast("cpu", torch.bfloat16):
            picture = model.generator(codes, FULL).image.float()
        numbers = torch.tensor([k]), snr_db, torch.tensor([seed])
        rows.append((to_bytes(picture.clamp(-1, 1)), model.sketch(codes).half(), sketch.half(), *numbers))
    names = ("drawn", "base", "sketch", "k", "snr_db", "seed")
    found = dict(zip(names, map(torch.cat, zip(*rows, strict=True)), strict=True))
    write_torch(path, found)
    return found


def scaled(plan: Plan, loud: Tensor) -> Tensor:
    """The power (B,) by which X is scaled for coefficients that are ``loud`` (B, the plan's)."""
    return plan.k / (plan.code_energy + loud.square().sum(1))


def noise_of(plan: Plan, power: Tensor, received: Tensor) -> Tensor:
    """The noise (1, k) of numbers as the plan sends them, at the channel's noise ``power`` (1,), of whose symbols those
    ``received`` (k,) bool arrive; infinite where nothing is known."""
    noise = power.expand(plan.k).masked_fill(~received, math.inf)[None]
    return plan.diversity.gather(torch.zeros_like(noise), noise)[1]


def over_air(
    model: FaceModel, difference: Tensor, k: int, snr_db: Tensor, received: Tensor, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The difference (1, 3, 512, 512) that arrives of ``difference`` (1, 3, 512, 512) in ``k`` symbols at ``snr_db``
    (1,), of which those ``received`` (k,) bool arrive, and how much softer X became for its energy, (1,), a natural
    logarithm; gradients pass."""
    plan, residual = model.plan(k, True), _residual(model)
    loud = _loud(residual, plan, difference)
    scale = scaled(plan, loud)
    noise = noise_of(plan, noise_power(snr_db), received)[:, plan.coefficients_at]
    known = noise.isfinite()
    power, noise = plan.coefficient_power, noise.where(known, 1.0) / scale
    arrived = loud + torch.randn(loud.shape, generator=random) * noise.sqrt()
    return residual.restored(arrived * known * (power.sqrt() / (power + noise))), -scale.log()


def _loud(residual: Residual, plan: Plan, difference: Tensor) -> Tensor:
    """Coefficients (B, the plan's) of ``difference`` (B, 3, 512, 512) with their power."""
    return plan.limited(residual.coefficients(difference, plan.coefficients) * plan.coefficient_power.sqrt())


def train_residual(
    model: FaceModel, images: Tensor, arrived: dict[str, Tensor], lpips: LPIPS, run: Path, schedule: Schedule,
    lpips_weight: float, precision: str = "bf16",
) -> FaceModel:  # fmt: skip
    """Train the networks of the model's residual on photographs ``images`` (N, 3, 512, 512) uint8 and what
    :func:`arrived_pictures` gave of them."""
    model.requires_grad_(False)

    def loss(residual: Residual, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        index = pick(len(images), schedule.batch, random)
        truth, drawn = (to_float(of[index]) for of in (images, arrived["drawn"]))
        sketch, base, snr_db = (arrived[name][index].float() for name in ("sketch", "base", "snr_db"))
        if torch.rand((), generator=random) < 0.5:
            truth, drawn, sketch, base = (each.flip(3) for each in (truth, drawn, sketch, base))
        ks = [int(k) for k in arrived["k"][index]]
        found, counts = [], []
        for i, k in enumerate(ks):
            row = slice(i, i + 1)
            difference = residual.difference(truth[row], sketch[row], k)
            received = received_of(k, int(arrived["seed"][index][i]))
            counts.append(float(received.sum()))
            with torch.autocast(device.type, enabled=False):
                found.append(over_air(model, difference.float(), k, snr_db[row], received, random))
        differences, softer = (torch.cat(each) for each in zip(*found, strict=True))
        description = enlarged(base) + differences
        picture = residual.blend(drawn, description, torch.tensor(counts), snr_db).float()
        squared = (picture - truth).square().mean((1, 2, 3))
        down, right = torch.randint(SHIFT, (2,), generator=random).tolist()
        pairs = [(picture, truth), [functional.avg_pool2d(each, 2) for each in (picture, truth)]]
        distances = [lpips(*(each[..., down:, right:] for each in pair)) for pair in pairs]
        perceived = FULL_SIZE * distances[0] + (1 - FULL_SIZE) * distances[1]
        perceived = (perceived * perceptual_share(arrived["k"][index]).to(device)).mean()
        relative = (squared / (squared.detach() + RELATIVE_FLOOR)).mean()
        # Codes go on air once, so their loss where the residual is louder than planned is not seen; it is priced here.
        few = (256 / arrived["k"][index]).clamp_max(1).sqrt().to(device)
        priced = LOUD_WEIGHT * (softer.relu() * few).mean()
        total = MSE_WEIGHT * squared.mean() + RELATIVE_WEIGHT * relative + lpips_weight * perceived + priced
        psnr = (10 * torch.log10(4 / squared.detach())).mean()
        return {"loss": total, "psnr": psnr, "lpips_512": distances[0].mean(), "lpips_256": distances[1].mean()}

    residual = _residual(model).requires_grad_(True)
    fit(residual, loss, schedule, run, precision)
    return model
