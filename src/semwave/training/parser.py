"""Train the face parser on human-made masks, and measure it."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from semwave.generators.memory import channels_last
from semwave.inversion.parser import FaceParser
from semwave.latent.layout import FACES
from semwave.pictures.images import INPUT
from semwave.training.data import Photos, augment, pick, read_photos, to_float
from semwave.training.loop import Schedule, fit

RARE = ("glasses", "hat", "earrings")
"""Parts that few test photographs show: their F1 is left out of the mean."""


def soft_f1_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """One minus the soft F1 score (Dice), averaged over the parts that ``labels`` (B, H, W) shows."""
    probability = logits.softmax(1)
    truth = functional.one_hot(labels.long(), logits.shape[1]).permute(0, 3, 1, 2)
    both = (probability * truth).sum((0, 2, 3))
    size = probability.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    return 1 - (2 * both / size.clamp_min(1))[present].mean()


def train_parser(data: Path, run: Path, schedule: Schedule, precision: str = "bf16") -> FaceParser:
    """Train on ``data``/train.txt; cross-entropy plus soft F1 at 128 pixels."""
    photos = read_photos(data, "train", INPUT)

    def loss(model: FaceParser, step: int, generator: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        model.train()
        index = pick(len(photos), schedule.batch, generator)
        images, labels = augment(to_float(photos.images[index]), photos.labels[index], generator)
        images, labels = images.to(device), labels[:, 1::2, 1::2].to(device)
        logits = model(images)
        cross = functional.cross_entropy(logits, labels.long())
        overlap = soft_f1_loss(logits, labels)
        return {"loss": cross + overlap, "cross_entropy": cross, "soft_f1": 1 - overlap}

    torch.manual_seed(schedule.seed)
    model = channels_last(FaceParser(FACES))
    return fit(model, loss, schedule, run, precision)


@torch.inference_mode()
def evaluate_parser(parser: FaceParser, photos: Photos, batch: int = 10) -> dict[str, float]:
    """F1 of every part over all pixels of ``photos``, ``pixel_accuracy``, and ``mean_f1`` over the
    parts that are not :data:`RARE`."""
    parts = len(FACES.parts)
    confusion = torch.zeros(parts, parts, dtype=torch.long)
    for start in range(0, len(photos), batch):
        truth = photos.labels[start : start + batch]
        found = parser.labels(to_float(photos.images[start : start + batch]), truth.shape[-1])
        pairs = truth.long() * parts + found
        confusion += torch.bincount(pairs.flatten(), minlength=parts**2).reshape(parts, -1)
    right = confusion.diag()
    f1 = 2 * right / (confusion.sum(0) + confusion.sum(1)).clamp_min(1)
    scores = {part: float(score) for part, score in zip(FACES.parts, f1, strict=True)}
    common = [i for i, part in enumerate(FACES.parts) if part not in RARE]
    scores["mean_f1"] = float(f1[common].mean())
    scores["pixel_accuracy"] = float(right.sum() / confusion.sum())
    return scores
