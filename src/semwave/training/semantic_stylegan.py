"""Train a Semantic StyleGAN against its discriminator.

Shi et al., "SemanticStyleGAN: learning compositional generative priors for controllable image synthesis and editing"
(CVPR 2022), over the losses of StyleGAN2 (Karras et al., CVPR 2020, called [K] below).

    z -> mapping, style mixing -> codes -> picture, segmentation, masks -+
                                                                         +-> augmentation -> discriminator -> scores
    photographs and part labels, mirrored by chance ---------------------+

    discriminator: logistic loss; every 16 steps R1, 10 on the picture and 1000 on the segmentation
    generator: non-saturating logistic loss + 100 MSE of masks and segmentation; every 4 steps path length, 0.5
    what is kept: the running average of the generator
"""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.generators.discriminator import DualBranchDiscriminator
from semwave.generators.semantic_stylegan import Architecture, Rendering, SemanticStyleGAN
from semwave.latent.layout import BASE_CODES
from semwave.pictures import images
from semwave.pictures.grid import coloured_parts, grid, side_by_side
from semwave.training.ada import AdaptiveAugmentation
from semwave.training.data import Photos, pick, to_float
from semwave.training.loop import Schedule, Stateful, accelerated, check_finite, iterate
from semwave.types import Drawing

R1_IMAGE, R1_SEGMENTATION, R1_EVERY = 10.0, 1000.0, 16
PATH_LENGTH, PATH_EVERY, PATH_DECAY = 0.5, 4, 0.01
MASK_WEIGHT = 100.0
MIXING = 0.3
"""Share of faces whose codes are of two random faces."""
HALF_LIFE = 10_000
"""Images after which a weight counts half in the running average."""
BETAS = (0.0, 0.99)
SAMPLES = 8


def train_semantic_stylegan(
    photos: Photos, architecture: Architecture, run: Path, schedule: Schedule, precision: str = "no",
    adaptive: bool = True, augmented_images: int | None = None,
    watch: Callable[[SemanticStyleGAN, int], None] | None = None,
) -> SemanticStyleGAN:  # fmt: skip
    """Train on ``photos`` of the architecture's size; the learning rate is the schedule's ``rate`` throughout.

    With every checkpoint a grid of samples and their masks goes to ``run``. ``adaptive`` augments what the
    discriminator sees, as a set of a few thousand photographs needs; ``augmented_images`` is how many it takes to full
    augmentation. ``watch`` is shown the running average and the number of steps with every checkpoint.

    Raises:
        SemwaveError: photographs of another size, a precision other than no and bf16, or a loss that is not finite.
    """
    if photos.images.shape[-1] != architecture.size:
        raise SemwaveError(f"photographs of {photos.images.shape[-1]} px for a generator of {architecture.size} px")
    if precision not in ("no", "bf16"):
        raise SemwaveError(f"precision {precision} is too coarse for the penalties on gradients; use no or bf16")
    accelerator = accelerated(precision)
    torch.manual_seed(schedule.seed)
    augmentation = AdaptiveAugmentation(**({} if augmented_images is None else {"images": augmented_images}))
    contest = Contest(photos, architecture, schedule, run, accelerator, augmentation if adaptive else None)

    def take(step: int, random: torch.Generator) -> dict[str, Tensor]:
        terms = contest.teach_discriminator(step, random) | contest.teach_generator(step, random)
        done = step + 1
        if accelerator.is_main_process and (done % schedule.checkpoint_every == 0 or done == schedule.steps):
            write_samples(contest.average, run / f"samples-{done:06d}.png")
            if watch is not None:
                watch(contest.average, done)
        return terms

    iterate(take, contest.state(), schedule, run, accelerator)
    return contest.average.eval()


class Contest:
    """Generator and discriminator, and all that decides how their training goes on.

    Every process has the same weights; gradients are averaged over the processes by hand, since the penalties
    differentiate twice and do not reach all weights.
    """

    def __init__(
        self, photos: Photos, architecture: Architecture, schedule: Schedule, run: Path, accelerator: Accelerator,
        augmentation: AdaptiveAugmentation | None,
    ):  # fmt: skip
        self.photos, self.batch, self.run, self.accelerator = photos, schedule.batch, run, accelerator
        self.device = accelerator.device
        self.generator = SemanticStyleGAN(architecture).to(self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.discriminator = DualBranchDiscriminator(
            architecture.size, architecture.parts, architecture.channel_multiplier, architecture.max_channels
        ).to(self.device)
        self.augmentation = augmentation.to(self.device) if augmentation else None
        self.path = _PathLength().to(self.device)
        self.generator_optimizer = _lazy_adam(self.generator, schedule.rate, PATH_EVERY)
        self.discriminator_optimizer = _lazy_adam(self.discriminator, schedule.rate, R1_EVERY)

    def state(self) -> dict[str, Stateful]:
        """What a checkpoint keeps."""
        state = {
            name: getattr(self, name)
            for name in (
                "generator", "average", "discriminator", "generator_optimizer", "discriminator_optimizer", "path"
            )
        }  # fmt: skip
        return state | ({"augmentation": self.augmentation} if self.augmentation else {})

    def teach_discriminator(self, step: int, random: torch.Generator) -> dict[str, Tensor]:
        """One step of the discriminator, and one for R1 when it is due."""
        real = self._augmented(*self._real(random), random)
        self.discriminator.requires_grad_(True)
        with self.accelerator.autocast():
            with torch.no_grad():
                made = self._draw(self.batch, random)
            drawn = self._augmented(*_shown(made), random)
            real_scores, made_scores = self.discriminator(*real).float(), self.discriminator(*drawn).float()
        loss = functional.softplus(-real_scores).mean() + functional.softplus(made_scores).mean()
        self._step(self.discriminator_optimizer, loss, step)
        terms = {"discriminator": loss, "real": real_scores.mean(), "made": made_scores.mean()}
        if self.augmentation:
            sign = self.accelerator.reduce(real_scores.detach().sign().mean(), "mean")
            self.augmentation.update(sign, self.batch * self.accelerator.num_processes)
            terms["augmentation"] = self.augmentation.p.clone()
        if step % R1_EVERY == 0:
            penalty = r1_penalty(self.discriminator, *real)
            self._step(self.discriminator_optimizer, R1_EVERY * penalty, step)
            terms["r1"] = penalty
        return terms

    def teach_generator(self, step: int, random: torch.Generator) -> dict[str, Tensor]:
        """One step of the generator and of its average, and one for the path length when it is due."""
        self.discriminator.requires_grad_(False)
        with self.accelerator.autocast():
            made = self._draw(self.batch, random)
            scores = self.discriminator(*self._augmented(*_shown(made), random)).float()
        loss, masks = functional.softplus(-scores).mean(), mask_loss(made)
        self._step(self.generator_optimizer, loss + MASK_WEIGHT * masks, step)
        terms = {"generator": loss, "masks": masks}
        if step % PATH_EVERY == 0:
            length, penalty = self._path_penalty(random)
            self._step(self.generator_optimizer, PATH_EVERY * PATH_LENGTH * penalty, step)
            terms |= {"path": length, "path_penalty": penalty}
        kept = 0.5 ** (self.batch * self.accelerator.num_processes / HALF_LIFE)
        with torch.no_grad():
            for average, weight in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                average.lerp_(weight, 1 - kept)
        return terms

    def _real(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        index = pick(len(self.photos), self.batch, random)
        image, labels = to_float(self.photos.images[index]), self.photos.labels[index].long()
        segmentation = functional.one_hot(labels, self.generator.architecture.parts).permute(0, 3, 1, 2) * 2.0 - 1
        mirror = torch.rand(len(index), 1, 1, 1, generator=random) < 0.5
        image, segmentation = (torch.where(mirror, x.flip(3), x).to(self.device) for x in (image, segmentation))
        return image, segmentation

    def _augmented(self, image: Tensor, segmentation: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        return self.augmentation(image, segmentation, random) if self.augmentation else (image, segmentation)

    def _codes(self, count: int, random: torch.Generator, source: torch.Generator) -> Tensor:
        size = self.generator.architecture.code_size
        w = self.generator.map(torch.randn(2, count, size, generator=source, device=self.device))
        return mixed(w[0], w[1], self.generator.architecture.codes, random)

    def _source(self, random: torch.Generator) -> torch.Generator:
        """Random numbers where the model is."""
        return torch.Generator(self.device).manual_seed(int(torch.randint(2**62, (), generator=random)))

    def _draw(self, count: int, random: torch.Generator) -> Rendering:
        source = self._source(random)
        return self.generator.render(
            self._codes(count, random, source), self.generator.random_noise(count, source), segment=True
        )

    def _path_penalty(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Mean path length and its penalty ([K], eq. 4), on half a batch, in float32."""
        count, source = max(1, self.batch // 2), self._source(random)
        codes = self._codes(count, random, source)
        image = self.generator.render(codes, self.generator.random_noise(count, source), segment=False).image
        noise = torch.randn(image.shape, generator=source, device=self.device) / image.shape[-1]
        (slope,) = torch.autograd.grad((image * noise).sum(), codes, create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()
        mean = self.path.follow(self.accelerator.reduce(lengths.detach().mean(), "mean"))
        return mean, (lengths - mean).square().mean()

    def _step(self, optimizer: torch.optim.Optimizer, loss: Tensor, step: int) -> None:
        check_finite(loss, self.run, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.accelerator.num_processes > 1:
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            mean = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
            for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))
        optimizer.step()


class _PathLength(nn.Module):
    """Running mean of the path length."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def follow(self, length: Tensor) -> Tensor:
        self.mean.lerp_(length, PATH_DECAY)
        return self.mean.clone()


def _shown(made: Rendering) -> tuple[Tensor, Tensor]:
    """What a discriminator sees of what was drawn: image and segmentation."""
    assert made.segmentation is not None
    return made.image, made.segmentation


def _lazy_adam(module: nn.Module, rate: float, every: int) -> torch.optim.Adam:
    """Adam as if the penalty of every so many steps were in each of them ([K], appendix B)."""
    share = every / (every + 1)
    return torch.optim.Adam(module.parameters(), lr=rate * share, betas=(BETAS[0] ** share, BETAS[1] ** share))


def mixed(first: Tensor, second: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Codes (B, count, C) of two random faces (B, C) each.

    Most faces are the first alone; with probability :data:`MIXING` the base codes together, and every code of a part
    for itself, are of either face.
    """
    either = torch.rand(len(first), count, generator=random) < 0.5
    either[:, :BASE_CODES] = either[:, :1]
    either &= torch.rand(len(first), 1, generator=random) < MIXING
    return torch.where(either[..., None].to(first.device), second[:, None], first[:, None])


def r1_penalty(discriminator: DualBranchDiscriminator, image: Tensor, segmentation: Tensor) -> Tensor:
    """R1 (Mescheder et al., ICML 2018) at what the discriminator sees of real faces, weighted, in float32."""
    image, segmentation = (x.detach().float().requires_grad_() for x in (image, segmentation))
    score = discriminator(image, segmentation).sum()
    slopes = torch.autograd.grad(score, (image, segmentation), create_graph=True)
    power = [slope.square().sum((1, 2, 3)).mean() for slope in slopes]
    return 0.5 * (R1_IMAGE * power[0] + R1_SEGMENTATION * power[1])


def mask_loss(made: Rendering) -> Tensor:
    """MSE between the masks that a face was composed by and its segmentation, averaged down to their size."""
    coarse, (_, segmentation) = made.coarse_segmentation, _shown(made)
    pooled = functional.avg_pool2d(segmentation, segmentation.shape[-1] // coarse.shape[-1])
    return functional.mse_loss(pooled, coarse)


@torch.no_grad()
def write_samples(generator: SemanticStyleGAN, path: Path, count: int = SAMPLES, seed: int = 0) -> None:
    """Write a grid of random faces and their part masks to ``path``, .png."""
    architecture = generator.architecture
    faces = random_faces(generator, count, seed)
    pairs = zip(faces.image, faces.masks.cpu(), strict=True)
    images.write_png(
        path, grid([side_by_side(images.to_uint8(i), coloured_parts(m, architecture.size)) for i, m in pairs])
    )


@torch.no_grad()
def random_faces(generator: SemanticStyleGAN, count: int, seed: int) -> Drawing:
    """``count`` faces of one random code each, at the generator's size."""
    architecture = generator.architecture
    z = torch.randn(count, architecture.code_size, generator=torch.Generator().manual_seed(seed))
    codes = generator.map(z.to(next(generator.parameters()).device))[:, None].expand(-1, architecture.codes, -1)
    return generator(codes)
