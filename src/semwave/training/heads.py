"""Train the output heads below 1024 px to give the original 1024 px image, averaged down."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwave.generators.compositional import HEADS, CompositionalGenerator
from semwave.latent.layout import CODE_SIZE, CODES
from semwave.training.loop import Schedule, fit


def train_heads(
    generator: CompositionalGenerator, run: Path, schedule: Schedule, precision: str = "bf16"
) -> CompositionalGenerator:
    """Distil the original head on random faces; MSE plus L1, both in [-1, 1]."""
    generator.requires_grad_(False)
    generator.heads.requires_grad_(True)

    if not (run / "checkpoint.pt").exists():
        start(generator, schedule.seed + 1)

    def loss(model: nn.Module, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        z = torch.randn(schedule.batch, CODE_SIZE, generator=random).to(device)
        codes = generator.body.map(z)[:, None].expand(-1, CODES, -1)
        images = model.images(codes, (*HEADS, 1024))
        terms = {}
        for size in HEADS:
            truth = functional.avg_pool2d(images[1024].detach().float(), 1024 // size).clamp(-1, 1)
            error = images[size].float() - truth
            terms[f"mse{size}"] = error.square().mean()
            terms[f"l1_{size}"] = error.abs().mean()
        return {"loss": sum(terms.values()), **terms}

    slow = tuple(f"heads.{size}.{layer}" for size in HEADS for layer in ("modulation", "direct"))
    return fit(generator, loss, schedule, run, precision, slow=slow)


@torch.no_grad()
def start(generator: CompositionalGenerator, seed: int, faces: int = 8) -> None:
    """Set each head to the best linear one, on a few random faces."""
    w = generator.body.map(torch.randn(faces, CODE_SIZE, generator=torch.Generator().manual_seed(seed)))
    seen: dict[str, Tensor] = {}
    hooks = [
        head.wide.register_forward_pre_hook(lambda _, x, size=size: seen.update({size: x[0]}))
        for size, head in generator.heads.items()
    ]
    codes = w[:, None].expand(-1, CODES, -1)
    with torch.autocast("cpu", torch.bfloat16):
        images = generator.images(codes, (*HEADS, 1024))
    for hook in hooks:
        hook.remove()
    for size, head in generator.heads.items():
        head.start_linear(
            seen[size].float(), functional.avg_pool2d(images[1024].float(), 1024 // int(size)).clamp(-1, 1)
        )
