"""Train a Semantic StyleGAN to draw the codes of a trained model: distillation on paired codes.

    random faces, faces composed of parts of several -> the model's generator -> pictures ---+
    photographs -> the model's encoder [-> channel] -> codes; the photographs as pictures ---+-> loss
    codes -> Semantic StyleGAN -> pictures, masks, segmentation -----------------------------+

    loss: 8 MSE + LPIPS(alex) of pictures, cross-entropy of masks, MSE of segmentation; masks out of the layout code

A pair says at every pixel what is wrong, which a discriminator does not, so that hours of a CPU are enough.

:func:`train_enlarged` goes on from such a network with the layers of larger pictures, on photographs of full size; the
same loss at every size that it draws, without the segmentation.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from semwave.generators.distilled import DistilledGenerator
from semwave.generators.semantic_stylegan import Architecture, SemanticStyleGAN
from semwave.latent.layout import FACES, MASK_CODE
from semwave.latent.masks import mask_pyramid
from semwave.model import FaceModel
from semwave.training.codec import draw_k, draw_snr_db, photo_codes, through_channel
from semwave.training.data import Photos, pick, to_float
from semwave.training.encoder import MSE_WEIGHT
from semwave.training.faces import batch_of
from semwave.training.loop import Schedule, fit

ARCHITECTURE = Architecture(
    size=128,
    coarse_size=32,
    smallest_size=16,
    code_size=FACES.coordinates,
    mapping_layers=0,
    base_layers=3,
    coarse_channels=128,
    channel_multiplier=0.75,
    max_channels=160,
)
"""Of what is distilled first: as few weights as a download may have, as many as two CPU cores can train."""
SEGMENTATION_WEIGHT = 0.25
ARRIVED = 0.67
"""Share of photographs whose codes come over the channel."""
SMALLER = 0.5
"""Weight of the pictures on the way to the largest, each."""


def train_distilled(
    teacher: FaceModel, architecture: Architecture, photos: Photos, faces: dict[str, Tensor],
    lpips: Callable[[Tensor, Tensor], Tensor], run: Path,
    schedule: Schedule, precision: str = "bf16",
) -> SemanticStyleGAN:  # fmt: skip
    """Half of a batch are generated ``faces``, half ``photos``, both at 256 px; pictures are compared at the
    architecture's size, by ``lpips`` (B,) too. Codes of photographs come as the encoder gives them, or as they arrive
    at any k at 5 to 10 dB."""
    size, grid = architecture.size, architecture.coarse_size
    images = torch.cat([photos.images, photos.images.flip(3)])
    codes = photo_codes(teacher, images, run.with_name(run.name + "-photos.pt"))
    teacher.requires_grad_(False)

    def loss(
        student: DistilledGenerator, step: int, random: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        real = schedule.batch // 2
        made, coordinates = batch_of(faces, pick(len(faces["images"]), schedule.batch - real, random))
        index = pick(len(images), real, random)
        with torch.no_grad():
            coordinates = torch.cat([coordinates, _as_received(teacher, codes[index].float(), random)])
            masks, fine = (masks.to(device) for masks in _masks(teacher, coordinates, grid, size))
        truth = torch.cat([made, to_float(images[index])]).to(device)
        truth = functional.avg_pool2d(truth, truth.shape[-1] // size)
        drawn = student.render(coordinates.to(device))
        squared = (drawn.image - truth).square().mean((1, 2, 3))
        distance = lpips(drawn.image, truth).mean()
        cross = _cross_entropy(masks, drawn.masks)
        assert drawn.segmentation is not None
        segmentation = functional.mse_loss(drawn.segmentation, 2 * fine - 1)
        total = MSE_WEIGHT * squared.mean() + distance + cross + SEGMENTATION_WEIGHT * segmentation
        psnr = 10 * torch.log10(4 / squared.detach())
        return {
            "loss": total,
            "psnr_faces": psnr[: len(made)].mean(),
            "psnr_photos": psnr[len(made) :].mean(),
            "lpips": distance,
            "masks": cross,
            "segmentation": segmentation,
        }

    torch.manual_seed(schedule.seed)
    student = DistilledGenerator(SemanticStyleGAN(architecture), teacher.space)
    return fit(student, loss, schedule, run, precision).network


def train_enlarged(
    teacher: FaceModel, network: SemanticStyleGAN, images: Tensor, coordinates: Tensor,
    lpips: Callable[[Tensor, Tensor], Tensor], run: Path,
    schedule: Schedule, precision: str = "bf16",
) -> SemanticStyleGAN:  # fmt: skip
    """Train all of ``network``, which is enlarged to S px, on photographs ``images`` (N, 3, S, S) uint8 with their
    ``coordinates`` (N, codes, coordinates); these come as a transmitter has them, or as they arrive at any k."""
    teacher.requires_grad_(False)

    def loss(
        student: DistilledGenerator, step: int, random: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        index = pick(len(images), schedule.batch, random)
        with torch.no_grad():
            codes = _as_received(teacher, coordinates[index].float(), random)
            (masks,) = _masks(teacher, codes, network.architecture.coarse_size)
            masks = masks.to(device)
        truth = to_float(images[index]).to(device).contiguous(memory_format=torch.channels_last)
        drawn = student.render(codes.to(device), segment=False)
        total = cross = _cross_entropy(masks, drawn.masks)
        report = {"masks": cross}
        for weight, picture in ((1.0, drawn.image), *((SMALLER, each) for each in drawn.smaller)):
            size = picture.shape[-1]
            seen = functional.avg_pool2d(truth, truth.shape[-1] // size)
            squared, distance = (picture - seen).square().mean((1, 2, 3)), lpips(picture, seen).mean()
            total = total + weight * (MSE_WEIGHT * squared.mean() + distance)
            report |= {f"psnr_{size}": (10 * torch.log10(4 / squared.detach())).mean(), f"lpips_{size}": distance}
        return {"loss": total, **report}

    student = DistilledGenerator(network, teacher.space)
    for heads in network.render_net.to_segs:
        heads.requires_grad_(False)
    return fit(student, loss, schedule, run, precision).network


def _as_received(teacher: FaceModel, coordinates: Tensor, random: torch.Generator) -> Tensor:
    """``coordinates`` as they arrive, or, now and then, as they are sent."""
    k = draw_k(teacher.config.highest_k, random) if torch.rand((), generator=random) < ARRIVED else None
    snr_db = draw_snr_db(len(coordinates), random)
    return teacher.space.coordinates(through_channel(teacher, coordinates, k, snr_db, random)[2])


def _masks(teacher: FaceModel, coordinates: Tensor, *widths: int) -> list[Tensor]:
    """Part masks (B, parts, width, width), one of every width, that the layout code of ``coordinates`` holds."""
    layout = teacher.native.layout.decode(teacher.space.codes(coordinates)[:, MASK_CODE])
    return [mask_pyramid(layout, width) for width in widths]


def _cross_entropy(masks: Tensor, drawn: Tensor) -> Tensor:
    return -(masks * drawn.clamp_min(1e-6).log()).sum(1).mean()
