"""Fit the coarse residual and train its networks: what to send of it, and how to blend it with the picture of codes.

    photographs -> encoder -> codes -> symbols -> which to send -> codes that arrive without noise -> picture, 128 px
    photographs, pictures -> differences -> which coefficients to send, and how loud
    codes ~~ AWGN, 0 to 20 dB ~~> picture of the codes
    photograph, picture of 128 px -> emphasis -> difference ~~ AWGN ~~> coarse picture -> blend -> MSE, LPIPS

All else stays as it is, so a photograph's codes go on air once; noise on the coefficients is drawn at every step.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.air.channels import noisy
from semwave.air.iq import noise_power
from semwave.coding.residual import Residual, deficit
from semwave.model import FaceModel
from semwave.pictures.arrays import read_safetensors, read_torch
from semwave.pictures.console import track
from semwave.pictures.images import INPUT, coarse, resized
from semwave.pictures.metrics import LPIPS
from semwave.training.codec import draw_snr_db
from semwave.training.data import Photos, pick, to_float
from semwave.training.encoder import MSE_WEIGHT
from semwave.training.faces import save_tensors, to_bytes
from semwave.training.loop import Schedule, fit
from semwave.zoo import residual_file

SNR_DB = (0.0, 20.0)
FULL_SIZE = 0.8
"""Share of LPIPS that is taken at 512 px; the rest is of half the size."""
SHIFT = 4
"""AlexNet looks at every fourth pixel, so LPIPS sees a picture moved by up to three: no pattern can hide from it."""


@torch.no_grad()
def start_residual(model: FaceModel, k: int, images: Tensor, coordinates: Tensor) -> None:
    """Fit a new residual of the model, for ``k``, to photographs ``images`` (N, 3, S, S) uint8 with ``coordinates`` (N,
    codes, coordinates)."""
    residual = model.residual[str(k)] = model.new_residual(k)
    residual.choose(torch.cat([_code_symbols(model, rows, residual) for rows in coordinates.split(8)]))
    rows = range(len(images))
    pairs = ((to_float(images[i : i + 1]), coordinates[i : i + 1]) for i in track(rows, "comparing"))
    residual.start(torch.cat([coarse(_sent(model, k, *pair)[2]) for pair in pairs]))


def earlier_networks(weights: Path, ks: Iterable[int]) -> dict[str, Tensor]:
    """What the networks of a residual start from: those for the first of ``ks`` that is in the folder ``weights``;
    nothing where none is."""
    files = [file for k in ks if (file := weights / f"{residual_file(k)}.safetensors").is_file()]
    state = read_safetensors(files[0], "train it again")[0] if files else {}
    return {name: tensor for name, tensor in state.items() if name.startswith(("emphasis.", "blend."))}


def _code_symbols(model: FaceModel, coordinates: Tensor, residual: Residual) -> Tensor:
    """Codes' symbols (B, codec_k) as a transmitter makes them, which has codes and no coordinates."""
    return model.symbols(model.space.coordinates(model.space.codes(coordinates)), residual.codec_k)


def _sent(model: FaceModel, k: int, images: Tensor, coordinates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Codes' symbols that are sent, the picture that the transmitter expects of them, and its deficit."""
    residual = model.residuals[k]
    symbols = residual.select_code_symbols(_code_symbols(model, coordinates, residual))
    drawn = model.expected(symbols)
    return symbols, drawn, deficit(resized(images, INPUT), drawn)


@torch.no_grad()
def arrived_pictures(
    model: FaceModel, k: int, images: Tensor, coordinates: Tensor, random: torch.Generator, path: Path
) -> dict[str, Tensor]:
    """What the codes of ``images`` (N, 3, 512, 512) uint8 draw once they have arrived, kept in ``path``: "drawn" (N, 3,
    512, 512) uint8 and "coarse" (N, 3, 64, 64), at "snr_db"; with the "symbols" that were sent, and "sketch" (N, 3,
    128, 128), the picture that the transmitter expects."""
    if path.exists():
        return read_torch(path, "delete it, and it is made again")
    residual, rows = model.residuals[k], []
    for i in track(range(len(images)), "sending photographs"):
        symbols, sketch, missing = _sent(model, k, to_float(images[i : i + 1]), coordinates[i : i + 1])
        snr_db = draw_snr_db(1, random, SNR_DB)
        received = noisy(residual.join(symbols, coarse(missing)), snr_db, random)
        noise = noise_power(snr_db)[:, None].expand_as(received)
        codes = model.codes_of(*residual.split(received, noise)[:2])
        with torch.autocast("cpu", torch.bfloat16):
            picture = model.generator(codes, images.shape[-1]).image.float()
        rows.append((to_bytes(picture.clamp(-1, 1)), model.coarse(codes), symbols, sketch, snr_db))
    names = ("drawn", "coarse", "symbols", "sketch", "snr_db")
    found = dict(zip(names, map(torch.cat, zip(*rows, strict=True)), strict=True))
    save_tensors(found, path)
    return found


@torch.no_grad()
def settle_residual(residual: Residual, photos: Photos, arrived: dict[str, Tensor]) -> Residual:
    """Set how loud ``residual`` sends what it says of ``photos``: emphasis makes it ever louder, which costs codes
    power, and low SNRs need them most."""
    differences = []
    for i in range(len(photos)):
        photo = resized(to_float(photos.images[i : i + 1]), INPUT)
        differences.append(residual.difference(photo, arrived["sketch"][i : i + 1]))
    return residual.settle(torch.cat(differences))


def train_residual(
    residual: Residual, photos: Photos, arrived: dict[str, Tensor], lpips: LPIPS, run: Path, schedule: Schedule,
    lpips_weight: float, precision: str = "bf16",
) -> Residual:  # fmt: skip
    """Train the networks of ``residual`` on ``photos`` at 512 px and what :func:`arrived_pictures` gave of them."""

    def loss(_: nn.Module, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        index = pick(len(photos), schedule.batch, random)
        truth, drawn = (to_float(of[index]).to(device) for of in (photos.images, arrived["drawn"]))
        symbols, sketch, base, snr_db = (
            arrived[name][index].float().to(device) for name in ("symbols", "sketch", "coarse", "snr_db")
        )
        if torch.rand((), generator=random) < 0.5:
            truth, drawn, sketch, base = (images.flip(3) for images in (truth, drawn, sketch, base))
        difference = residual.difference(resized(truth, INPUT), sketch)
        with torch.autocast(device.type, enabled=False):
            received = noisy(residual.join(symbols, difference), snr_db, random)
            small = base + residual.split(received, noise_power(snr_db)[:, None].expand_as(received))[2]
        picture = residual.blend(drawn, small, snr_db).float()
        squared = (picture - truth).square().mean((1, 2, 3))
        down, right = torch.randint(SHIFT, (2,), generator=random).tolist()
        pairs = [(picture, truth), [functional.avg_pool2d(images, 2) for images in (picture, truth)]]
        distances = [lpips(*(images[..., down:, right:] for images in pair)).mean() for pair in pairs]
        perceived = FULL_SIZE * distances[0] + (1 - FULL_SIZE) * distances[1]
        total = MSE_WEIGHT * squared.mean() + lpips_weight * perceived
        psnr = (10 * torch.log10(4 / squared.detach())).mean()
        return {"loss": total, "psnr": psnr, "lpips_512": distances[0], "lpips_256": distances[1]}

    return fit(residual.requires_grad_(True), loss, schedule, run, precision)
