"""Train the encoder: first on the codes of generated faces, then on the pictures that its codes give."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.generators.compositional import CompositionalGenerator
from semwave.inversion.encoder import Encoder
from semwave.inversion.parser import FaceParser
from semwave.latent.layout import BASE_CODES, MASK_CODE
from semwave.latent.masks import GRID, part_probabilities
from semwave.latent.space import CodeSpace, used_coordinates
from semwave.pictures.images import INPUT, SKETCH
from semwave.pictures.metrics import LPIPS
from semwave.training.data import Photos, augment, pick, to_float
from semwave.training.faces import batch_of
from semwave.training.loop import Schedule, fit

MSE_WEIGHT = 8.0
PRIOR_WEIGHT = 0.003


def code_loss(found: Tensor, truth: Tensor, masks: Tensor, space: CodeSpace) -> Tensor:
    """Squared error of coordinates (B, codes, coordinates), white and as codes, each part weighted by the root of its
    area in ``masks`` (B, parts, h, w): a part that cannot be seen has no code that could be wrong."""
    area = masks.mean((2, 3)).sqrt().repeat_interleave(2, 1) + 0.02
    weight = torch.cat([torch.full((len(area), BASE_CODES), 1.0), area], 1)
    white = (found - truth).square().mean(2)
    as_codes = ((found - truth) @ space.directions.T).square().mean(2)
    if space.layout.mask_numbers:
        as_codes[:, MASK_CODE] = white[:, MASK_CODE]
    return ((0.3 * white + as_codes) * weight).sum(1).mean() / weight.sum(1).mean()


def train_codes(
    encoder: Encoder, parser: FaceParser, generator: CompositionalGenerator, space: CodeSpace, faces: dict[str, Tensor],
    run: Path, schedule: Schedule, precision: str = "bf16",
) -> Encoder:  # fmt: skip
    """First stage: the known codes of generated ``faces``."""
    encoder.requires_grad_(True)

    def loss(model: Encoder, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        images, truth = batch_of(faces, pick(len(faces["images"]), schedule.batch, random))
        with torch.no_grad():
            logits = parser(images)
        found = model(images, logits, generator.layout)
        masks = functional.adaptive_avg_pool2d(logits.softmax(1), GRID)
        return {"loss": code_loss(found, truth, masks, space)}

    return fit(encoder, loss, schedule, run, precision)


class Chain(nn.Module):
    """What trains together in the second stage: the encoder, and the generator's own head and layout."""

    def __init__(self, encoder: Encoder, generator: CompositionalGenerator):
        super().__init__()
        self.encoder, self.generator = encoder, generator


def train_pictures(
    chain: Chain, parser: FaceParser, space: CodeSpace, photos: Photos, faces: dict[str, Tensor], lpips: LPIPS,
    run: Path, schedule: Schedule, precision: str = "bf16", generated_share: float = 0.25,
) -> Chain:  # fmt: skip
    """Second stage: MSE and LPIPS between photographs and the pictures of their codes, at 128 px."""
    used = used_coordinates(space.layout)
    generated = max(1, round(schedule.batch * generated_share))
    chain.encoder.requires_grad_(True)
    layout = chain.generator.layout
    for part in (chain.generator.heads[str(SKETCH)], layout.decoder, layout.expand):
        part.requires_grad_(True)

    def loss(model: Chain, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        index = pick(len(photos), schedule.batch - generated, random)
        real, labels = augment(to_float(photos.images[index]), photos.labels[index], random, strength=0.25)
        made, truth = batch_of(faces, pick(len(faces["images"]), generated, random))
        images = torch.cat([made, real])
        with torch.no_grad():
            logits = parser(images)
        found = model.encoder(images, logits, model.generator.layout)
        face = model.generator(space.codes(found), SKETCH)
        small = functional.avg_pool2d(images, INPUT // SKETCH)
        picture = face.image.float()
        mse = (picture - small).square().mean()
        distance = lpips(picture, small).mean()
        masks = functional.adaptive_avg_pool2d(logits.softmax(1), GRID)
        codes = code_loss(found[:generated], truth, masks[:generated], space)
        target = part_probabilities(labels, space.layout)
        layout = -(target * face.masks[generated:].clamp_min(1e-6).log()).sum(1).mean()
        prior = found.square().sum((0, 1, 2)) / (len(found) * used.sum())
        total = MSE_WEIGHT * mse + distance + 0.2 * codes + 0.1 * layout + PRIOR_WEIGHT * prior
        real_mse = (picture - small)[generated:].detach().square().mean((1, 2, 3))
        psnr = (10 * torch.log10(4 / real_mse)).mean()
        return {
            "loss": total,
            "psnr": psnr,
            "lpips": distance,
            "codes": codes,
            "layout": layout,
            "prior": prior,
        }

    return fit(chain, loss, schedule, run, precision, slow=("generator.",))
