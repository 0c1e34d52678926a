"""Train the layout coder on part masks, and measure how well masks come back out of base code 1."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.latent.masks import LayoutCoder, part_probabilities
from semwave.training.data import augment, pick
from semwave.training.loop import Schedule, fit

CODE_NOISE = 0.1


class _RoundTrip(nn.Module):
    """Masks to code, noise on the code, and back: noise makes neighbouring codes mean neighbouring layouts."""

    def __init__(self, coder: LayoutCoder):
        super().__init__()
        self.coder = coder

    def forward(self, probabilities: Tensor, noise: Tensor) -> Tensor:
        code = self.coder.encode(probabilities)
        return self.coder.decode(code + CODE_NOISE * noise.to(code).repeat(1, self.coder.layout.copies))


def train_masks(
    coder: LayoutCoder, labels: Tensor, run: Path, schedule: Schedule, precision: str = "bf16"
) -> LayoutCoder:
    """Train on ``labels`` (N, S, S) uint8 part indices, S at least 64; cross-entropy at 64 x 64 cells."""
    coder.requires_grad_(True)

    def loss(model: _RoundTrip, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        model.train()
        chosen = labels[pick(len(labels), schedule.batch, random)]
        blank = torch.zeros(len(chosen), 3, *chosen.shape[1:])
        _, chosen = augment(blank, chosen, random, strength=0.5)
        truth = part_probabilities(chosen, coder.layout).to(device)
        noise = torch.randn(len(truth), coder.layout.mask_numbers, generator=random).to(device)
        logits = model(truth, noise)
        cross = functional.cross_entropy(logits, truth)
        # Small parts decide how a face looks, but hold few cells: give every part its own say.
        probability = logits.softmax(1)
        both, size = (probability * truth).sum((0, 2, 3)), (probability + truth).sum((0, 2, 3))
        overlap = 1 - (2 * both / size.clamp_min(1))[truth.sum((0, 2, 3)) > 0].mean()
        return {"loss": cross + 0.5 * overlap, "cross_entropy": cross, "soft_f1": 1 - overlap}

    return fit(_RoundTrip(coder), loss, schedule, run, precision).coder


@torch.inference_mode()
def evaluate_masks(coder: LayoutCoder, labels: Tensor) -> dict[str, float]:
    """Agreement of masks through the code with ``labels`` (N, S, S): F1 a part and ``pixel_accuracy`` at 64 x 64."""
    parts = coder.layout.parts
    truth = part_probabilities(labels, coder.layout)
    found = coder.decode(coder.encode(truth)).argmax(1)
    pairs = truth.argmax(1) * len(parts) + found
    confusion = torch.bincount(pairs.flatten(), minlength=len(parts) ** 2).reshape(len(parts), -1)
    f1 = 2 * confusion.diag() / (confusion.sum(0) + confusion.sum(1)).clamp_min(1)
    return {
        **{p: float(s) for p, s in zip(parts, f1, strict=True)},
        "pixel_accuracy": float(confusion.trace() / pairs.numel()),
    }
