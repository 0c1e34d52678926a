"""Train the output heads below 1024 px to give the original 1024 px image, averaged down."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from semwave.generators.compositional import HEADS, SIZES, CompositionalGenerator, Head
from semwave.training.faces import random_styles
from semwave.training.loop import Schedule, fit

LARGEST = max(SIZES)


def train_heads(
    generator: CompositionalGenerator, run: Path, schedule: Schedule, precision: str = "bf16"
) -> CompositionalGenerator:
    """Distil the original head on random faces; MSE plus L1, both in [-1, 1]."""
    generator.requires_grad_(False)
    generator.heads.requires_grad_(True)

    if not (run / "checkpoint.pt").exists():
        start(generator, schedule.seed + 1)

    def loss(
        model: CompositionalGenerator, step: int, random: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        codes = random_styles(generator, schedule.batch, random)[:, None].expand(-1, generator.codes, -1)
        images = model.images(codes, (*HEADS, LARGEST))
        terms = {}
        for size in HEADS:
            truth = functional.avg_pool2d(images[LARGEST].detach().float(), LARGEST // size).clamp(-1, 1)
            error = images[size].float() - truth
            terms[f"mse{size}"] = error.square().mean()
            terms[f"l1_{size}"] = error.abs().mean()
        return {"loss": torch.stack([*terms.values()]).sum(), **terms}

    slow = tuple(f"heads.{size}.{layer}" for size in HEADS for layer in ("modulation", "direct"))
    return fit(generator, loss, schedule, run, precision, slow=slow)


@torch.no_grad()
def start(generator: CompositionalGenerator, seed: int, faces: int = 8) -> None:
    """Set each head to the best linear one, on a few random faces."""
    styles = random_styles(generator, faces, torch.Generator().manual_seed(seed))
    features: dict[str, Tensor] = {}
    heads = {size: head for size, head in generator.heads.items() if isinstance(head, Head)}
    hooks = [
        head.wide.register_forward_pre_hook(lambda _, x, size=size: features.update({size: x[0]}))
        for size, head in heads.items()
    ]
    codes = styles[:, None].expand(-1, generator.codes, -1)
    with torch.autocast("cpu", torch.bfloat16):
        images = generator.images(codes, (*HEADS, LARGEST))
    for hook in hooks:
        hook.remove()
    for size, head in heads.items():
        head.start_linear(
            features[size].float(), functional.avg_pool2d(images[LARGEST].float(), LARGEST // int(size)).clamp(-1, 1)
        )
