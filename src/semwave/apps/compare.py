"""Generators beside each other on the same codes and photographs: what ``semwave compare`` measures.

pairs of random faces -> one part's two codes swapped -> share of the change that lies in that part and near it
photographs -> codes -> pictures, without a channel -> PSNR, LPIPS(alex)
photographs and as many random faces -> KID
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.evaluation.kid import Features, distance_of_faces
from semwave.pictures import align, images
from semwave.pictures.metrics import LPIPS, psnr
from semwave.types import Generative, Inversion, Scene

SWAPPED = ("eyes", "mouth", "nose", "hair")
MARGIN = 0.05
"""By which share of the width a part's mask is grown before change counts as outside of it."""


@torch.no_grad()
def drawn(model: Generative, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Pictures (B, 3, size, size) in [-1, 1] of ``codes``, averaged down from the model's next larger size, and masks.

    Raises :class:`SemwaveError` for a size above the model's.
    """
    if size < 1:
        raise SemwaveError(f"pictures cannot be compared at {size} px; give 1 or more")
    larger = [offered for offered in model.config.sizes if offered >= size]
    if not larger or min(larger) % size:
        raise SemwaveError(f"{model.config.name} cannot be compared at {size} px; its sizes are {model.config.sizes}")
    faces = model.generate(codes, min(larger))
    return functional.avg_pool2d(faces.image.clamp(-1, 1), min(larger) // size), faces.masks


def change_inside(before: Tensor, after: Tensor, mask: Tensor) -> float | None:
    """Share of the squared change between two pictures (1, 3, S, S) that lies in ``mask`` (1, 1, w, w) bool, grown by
    5 % of the width; None where nothing is masked or nothing changes."""
    change = (after - before).square().sum(1, keepdim=True)
    if not mask.any() or not change.any():
        return None
    width = change.shape[-1]
    reach = round(MARGIN * width)
    near = functional.max_pool2d(functional.interpolate(mask.float(), size=width), 2 * reach + 1, 1, reach)
    return float((change * near).sum() / change.sum())


def locality(model: Generative, size: int, pairs: Iterable[int], seed: int) -> dict[str, list[float]]:
    """For every part of :data:`SWAPPED` and pair of random faces the share of :func:`change_inside`, at ``size`` px.

    A face without the part is left out. The faces of a pair depend on its number and the seed, not on the model, as
    long as the models share their codes.
    """
    shares: dict[str, list[float]] = {part: [] for part in SWAPPED}
    for pair in pairs:
        codes = model.sample(2, torch.Generator().manual_seed(seed * 1_000_003 + pair))
        before, masks = drawn(model, codes[:1], size)
        likeliest = masks.argmax(1, keepdim=True)
        layout = model.config.layout
        for part in SWAPPED:
            swapped, first = codes[:1].clone(), layout.shape_index(part)
            swapped[:, first : first + 2] = codes[1:, first : first + 2]
            share = change_inside(before, drawn(model, swapped, size)[0], likeliest == layout.part_index(part))
            if share is not None:
                shares[part].append(share)
    return shares


def inversion(
    model: Generative, photos: Iterable[Path], size: int, refine_steps: int, lpips: LPIPS
) -> Iterator[tuple[float, float]]:
    """PSNR in dB and LPIPS(alex) at ``size`` px of every photo, aligned already, inverted and drawn, no channel."""
    for path in photos:
        photo = _framed(path, size)
        picture = drawn(model, model.invert(Scene(photo), Inversion(steps=refine_steps)), size)[0]
        yield psnr(picture, photo, data_range=2).item(), lpips(picture, photo).item()


@torch.no_grad()
def naturalness(model: Generative, photos: Iterable[Path], size: int, seed: int, features: Features) -> float:
    """KID at ``size`` px between photos, aligned already, and as many random faces, at least 3."""

    def face(count: int, number: int) -> Tensor:
        codes = model.sample(count, torch.Generator().manual_seed(seed * 1_000_003 + number))
        return drawn(model, codes, size)[0]

    return distance_of_faces(features, (_framed(path, size) for path in photos), face)[0]


def _framed(path: Path, size: int) -> Tensor:
    return images.to_tensor(align.in_frame(images.read_image(path), size))


def row(
    model: Generative, size: int, shares: dict[str, list[float]], quality: list[tuple[float, float]], kid: float | None
) -> dict:
    """A row of the report: means over pairs and photos; ``inside`` is the mean over the parts of their means."""
    inside = {part: float(np.mean(found)) for part, found in shares.items() if found}
    psnrs = [psnr_db for psnr_db, _ in quality]
    distances = [distance for _, distance in quality]
    return {
        "model": model.config.name,
        "size": size,
        "pairs": max(map(len, shares.values()), default=0),
        "inside_parts": inside,
        "inside": float(np.mean(list(inside.values()))) if inside else None,
        "photos": len(quality),
        "psnr_db": float(np.mean(psnrs)) if psnrs else None,
        "lpips_alex": float(np.mean(distances)) if distances else None,
        "kid": kid,
    }
