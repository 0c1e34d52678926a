"""Stage 2: train encoder, flow, codec and the generator's head together through the channel."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.air.iq import checked_snr, noise_power
from semwave.coding.flow import CodeFlow, IdentityFlow
from semwave.model import FaceModel
from semwave.pictures.arrays import read_torch, write_torch
from semwave.pictures.console import track
from semwave.pictures.images import INPUT, SKETCH, resized
from semwave.pictures.metrics import LPIPS
from semwave.training.data import Photos, augment, pick, to_float
from semwave.training.encoder import MSE_WEIGHT
from semwave.training.faces import batch_of
from semwave.training.loop import Schedule, fit
from semwave.zoo import LOWEST_K

SNR_DB = (5.0, 10.0)
"""Range of Es/N0 in dB that codes are trained for."""
QUIET_SNR_DB = 30.0
"""Es/N0 in dB at which a codec fresh from its linear start begins to learn."""
CODE_WEIGHT = 0.05
AUGMENT = 0.35
FACE = (0.3, 0.86), (0.22, 0.78)
"""Rows and columns from brows to chin in an aligned photograph, as shares of its width: what tells people apart."""
FACE_SHARE = 0.5
DETAIL = slice(4, 6)
"""The generator's blocks from 128 to 512 px."""


def draw_snr_db(count: int, random: torch.Generator, span: tuple[float, float] = SNR_DB) -> Tensor:
    """SNRs (count,) in dB, uniform in ``span``."""
    low, high = span
    return low + (high - low) * torch.rand(count, generator=random)


def through_channel(
    model: FaceModel, coordinates: Tensor, k: int | None, snr_db: Tensor | float, random: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """N (B, codes, coordinates) before AWGN at ``snr_db``, one or (B,), N^ after it, and the codes that arrive, (B,
    codes, code_size), of ``coordinates`` (B, codes, coordinates) in ``k`` symbols each, beside the residual where the
    model has one; without a channel where ``k`` is None."""
    with torch.autocast(coordinates.device.type, enabled=False):
        n = model.flow(coordinates.float())
        if k is None:
            return n, n, model.space.codes(coordinates.float())
        plan = model.plan(k, model.residual is not None)
        noise = noise_power(checked_snr(snr_db, len(n))).to(n.device)[:, None]
        arrived = model.codec.decode(*plan.over_noise(plan.sent(model.codec.encode(n)), noise, random))
        return n, arrived, model.space.codes(model.flow.inverse(arrived))


@torch.no_grad()
def coordinates_of(model: FaceModel, images: Tensor, batch: int = 16) -> Tensor:
    """Coordinates (N, codes, coordinates) of photographs ``images`` (N, 3, 256, 256) uint8."""
    rows = []
    for start in track(range(0, len(images), batch), "encoding photographs"):
        with torch.autocast("cpu", torch.bfloat16):
            rows.append(model.estimate(to_float(images[start : start + batch])).float())
    return torch.cat(rows)


def photo_codes(model: FaceModel, images: Tensor, path: Path) -> Tensor:
    """What :func:`coordinates_of` gives of ``images``, fp16; kept in ``path`` and read from there the next time."""
    if not path.exists():
        write_torch(path, coordinates_of(model, images).half())
    return read_torch(path, "delete it, and it is made again")


@torch.no_grad()
def as_sent(model: FaceModel, coordinates: Tensor) -> Tensor:
    """``coordinates`` (N, codes, coordinates) as a transmitter has them, which makes them of codes; float32."""
    rows = [model.space.coordinates(model.space.codes(each.float())) for each in coordinates.split(256)]
    return torch.cat(rows)


def sensitivity(
    model: FaceModel, at: Tensor, coordinates_at: Callable[[Tensor], Tensor], probes: int, seed: int, batch: int = 4
) -> Tensor:
    """How much the picture moves with each code, E[J^T J] (codes, coordinates, coordinates), J the Jacobian of the
    pixels of the 128 px picture over the root of their number, with respect to ``at`` (N, codes, coordinates), from
    which ``coordinates_at`` makes coordinates: estimated with ``probes`` random directions at random rows."""
    random, (codes, size) = torch.Generator().manual_seed(seed), at.shape[1:]
    total = torch.zeros(codes, size, size)
    for _ in track(range(0, probes, batch), "measuring sensitivity"):
        rows = at[pick(len(at), batch, random)].clone().requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16):
            image = model.generator(model.space.codes(coordinates_at(rows)), SKETCH).image
        direction = torch.randn(image.shape, generator=random)
        (gradient,) = torch.autograd.grad((image.float() * direction).sum(), rows)
        total += torch.einsum("bci,bcj->cij", gradient, gradient)
    return total / (batch * len(range(0, probes, batch)) * 3 * SKETCH**2)


def start_corrections(model: FaceModel, coordinates: Tensor, probes: int, seed: int) -> None:
    """Start the model's corrections from how much the picture moves at ``coordinates`` (N, codes, coordinates)."""
    model.corrections.start(sensitivity(model, coordinates, lambda rows: rows, probes, seed))


def code_metric(model: FaceModel, n: Tensor, flow: CodeFlow | IdentityFlow, probes: int, seed: int) -> Tensor:
    """The metric (codes, coordinates, coordinates) of an error in ``n`` (N, codes, coordinates), which ``flow`` gives:
    the squared error of a pixel of the picture that it makes, what joins two numbers halved."""
    metric = sensitivity(model, n, flow.inverse, probes, seed)
    # The mask code's unused coordinates move nothing and stay at zero.
    return 0.5 * metric + 0.5 * torch.diag_embed(metric.diagonal(0, 1, 2))


def start_codec(model: FaceModel, coordinates: Tensor, photos: int, probes: int, seed: int) -> None:
    """Start the model's codec for ``coordinates`` (N, codes, coordinates), the first of which are those of
    ``photos``."""
    with torch.no_grad():
        n = torch.cat([model.flow(rows) for rows in coordinates.split(64)])
    metric = code_metric(model, n[:photos], model.flow, probes, seed)
    model.codec.start_linear(n, metric)


def draw_k(highest: int, random: torch.Generator) -> int:
    """An even number of symbols from 64 to ``highest``, uniform in its logarithm."""
    span = math.log(highest / LOWEST_K)
    return 2 * round(LOWEST_K / 2 * math.exp(span * torch.rand((), generator=random).item()))


def _face(images: Tensor) -> Tensor:
    """The window :data:`FACE` of ``images`` (B, 3, S, S)."""
    rows, columns = (slice(*(round(edge * images.shape[-1]) for edge in edges)) for edges in FACE)
    return images[..., rows, columns]


def compare(model: FaceModel, lpips: LPIPS, codes: Tensor, images: Tensor, sizes: set[int]) -> tuple[Tensor, Tensor]:
    """:func:`compare_pictures` of the pictures of ``codes`` (B, codes, code_size) of all ``sizes``."""
    return compare_pictures(lpips, model.native.images(codes, tuple(sizes)), images)


def compare_pictures(lpips: LPIPS, pictures: dict[int, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """MSE and LPIPS (B,) of ``pictures`` by their width against ``images`` (B, 3, H, H), averaged over the widths; the
    LPIPS of the face counts for itself too."""
    pairs = [
        (picture.float(), functional.avg_pool2d(images, images.shape[-1] // width))
        for width, picture in pictures.items()
    ]
    squared = torch.stack([(picture - truth).square().mean((1, 2, 3)) for picture, truth in pairs]).mean(0)
    distance = torch.stack([lpips(*pair) for pair in pairs]).mean(0)
    close = torch.stack([lpips(_face(picture), _face(truth)) for picture, truth in pairs]).mean(0)
    return squared, distance + FACE_SHARE * (close - distance)


def train_codec(
    model: FaceModel, photos: Photos, faces: dict[str, Tensor], lpips: LPIPS, run: Path, schedule: Schedule,
    size: int, quiet_share: float, lpips_weight: float, generated: int, precision: str = "bf16",
) -> FaceModel:  # fmt: skip
    """Photographs through the whole chain: MSE and LPIPS at ``size`` px, and the MSE between N and N^.

    ``photos`` are at 256 px, or at ``size`` where that is larger; pictures are then compared at 256 px too.
    ``generated`` images of a batch are of ``faces``; they are also drawn from their known codes, so that the generator,
    which learns with the rest, does not forget the faces that it knew.

    Numbers of symbols are uniform in their logarithm, SNRs in 5..10 dB, reached from 30 dB over the first
    ``quiet_share`` of the steps.
    """
    small = min(size, INPUT)
    # A photograph that is turned or scaled loses the texture that the last stage is for; it is mirrored only.
    strength = AUGMENT if size <= INPUT else 0.0
    model.requires_grad_(True)
    model.parser.requires_grad_(False)
    model.native.body.mapping.requires_grad_(False)
    model.native.body.mapping_bias.requires_grad_(False)

    def loss(_: nn.Module, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        index = pick(len(photos), schedule.batch - generated, random)
        real, _labels = augment(to_float(photos.images[index]), photos.labels[index], random, strength=strength)
        made, truth = batch_of(faces, pick(len(faces["images"]), generated, random))
        real, made = real.to(device), made.to(device)
        images = torch.cat([resized(real, INPUT), made])
        quiet = max(0.0, 1 - step / (quiet_share * schedule.steps)) if quiet_share else 0.0
        snr_db = draw_snr_db(len(images), random)
        snr_db = snr_db + quiet * (QUIET_SNR_DB - snr_db)
        k = draw_k(model.config.highest_k, random)
        n, arrived, codes = through_channel(model, model.estimate(images), k, snr_db, random)
        squared, distance = compare(model, lpips, codes[: len(real)], real, {small, size})
        psnr = (10 * torch.log10(4 / squared.detach())).mean()
        known = model.space.codes(truth.to(device))
        again = compare(model, lpips, torch.cat([codes[len(real) :], known]), torch.cat([made, made]), {small})
        squared, distance = torch.cat([squared, again[0]]), torch.cat([distance, again[1]])
        code = (arrived - n).square().mean()
        total = MSE_WEIGHT * squared.mean() + lpips_weight * distance.mean() + CODE_WEIGHT * code
        shown = distance[: len(real)].mean()
        known_distance = distance[-generated:].mean()
        return {"loss": total, "psnr": psnr, "lpips": shown, "code": code, "lpips_known": known_distance}

    return fit(model, loss, schedule, run, precision, slow=("generator.",))


def train_detail(
    model: FaceModel, photos: Photos, coordinates: Tensor, faces: dict[str, Tensor], lpips: LPIPS, run: Path,
    schedule: Schedule, lpips_weight: float, precision: str = "bf16",
) -> FaceModel:  # fmt: skip
    """The generator's blocks and heads above 128 px alone, on what arrives of ``photos`` (N, 3, 512, 512).

    ``coordinates`` (N, codes, coordinates) are the model's own of the photographs. Corrections look at 128 px, so these
    coordinates stay what they are, and a step takes half as long as one of :func:`train_codec`.
    """
    model.requires_grad_(False)
    sizes = (INPUT, 2 * INPUT)
    for module in (*model.native.body.blocks[DETAIL], *(model.native.heads[str(size)] for size in sizes)):
        module.requires_grad_(True)

    def loss(_: nn.Module, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        index = pick(len(photos), schedule.batch - 1, random)
        real = to_float(photos.images[index]).to(device)
        made, truth = batch_of(faces, pick(len(faces["images"]), 1, random))
        k = draw_k(model.config.highest_k, random) if step % 3 else None
        snr_db = draw_snr_db(len(real), random)
        with torch.no_grad():
            codes = through_channel(model, coordinates[index].to(device), k, snr_db, random)[-1]
        squared, distance = compare(model, lpips, codes, real, {*sizes})
        again = compare(model, lpips, model.space.codes(truth.to(device)), made.to(device), {INPUT})
        total = (
            MSE_WEIGHT * torch.cat([squared, again[0]]).mean() + lpips_weight * torch.cat([distance, again[1]]).mean()
        )
        psnr = (10 * torch.log10(4 / squared.detach())).mean()
        return {"loss": total, "psnr": psnr, "lpips": distance.mean(), "lpips_known": again[1].mean()}

    return fit(model, loss, schedule, run, precision, slow=("generator.body.",))
