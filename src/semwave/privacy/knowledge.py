"""The knowledge base: what natural faces are like, and the correction of filtered codes by it (the paper's eq. 5).

    data set -> codes -> for every part: average L_m, spread, where it lies in the frame
                      -> prototypes: varied natural faces, the medoids of k-means clusters, and thumbnails of them

    P = L' + t (L_m - L'),  t as large as  d(P, L') < lambda2 d(P, L_m)  allows

One safetensors file, whose metadata says for which model it was made and from what.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.latent.layout import Layout
from semwave.pictures import files
from semwave.pictures.arrays import read_safetensors
from semwave.pictures.files import FILE as REGULAR
from semwave.pictures.files import kind_of
from semwave.pictures.images import INPUT
from semwave.types import PartModel
from semwave.zoo import MODELS, ModelConfig

VERSION = 1
FILE = "knowledge.safetensors"
CELLS = 32
"""Width and height of the coarse grid on which private regions and thumbnails are drawn."""
PROTOTYPES = 48
LEAST_FACES = 8
LARGEST_BYTES = 2**26
# A part covers a cell, or a face has a part, from these shares of its pixels on.
COVERED, PRESENT = 0.05, 0.001
MARGIN = 1e-5
ROUNDS, BATCH = 20, 32


@dataclass(frozen=True)
class Knowledge:
    """What is known of natural faces.

    Args:
        mean: (codes, code_size), the average of every code over the faces that have its part: the paper's L_m.
        spread: (codes, code_size), the standard deviation of the same.
        prototypes: (P, codes, code_size), codes of natural faces.
        thumbnails: (P, 3, 32, 32) uint8, their pictures.
        places: (parts, 32, 32), the share of the faces with a part that have it in a cell of the frame.
        faces: (parts,), how many faces have a part.
        made_for: the model whose codes these are.
        made_from: the source of the faces.
        total: number of faces.
    """

    mean: Tensor
    spread: Tensor
    prototypes: Tensor
    thumbnails: Tensor
    places: Tensor
    faces: Tensor
    made_for: str
    made_from: str
    total: int

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises :class:`SemwaveError` where it cannot be written."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value.contiguous() for name, value in values.items() if isinstance(value, Tensor)}
        halved = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
        about = {"made_for": self.made_for, "made_from": self.made_from, "total": self.total}
        files.write_bytes(path, save(halved, {"semwave_knowledge": str(VERSION), "about": json.dumps(about)}))


def _shapes(prototypes: int, layout: Layout) -> dict[str, tuple[int, ...]]:
    codes, parts = (layout.codes, layout.code_size), len(layout.parts)
    return {
        "mean": codes,
        "spread": codes,
        "prototypes": (prototypes, *codes),
        "thumbnails": (prototypes, 3, CELLS, CELLS),
        "places": (parts, CELLS, CELLS),
        "faces": (parts,),
    }


def load_knowledge(config: ModelConfig, path: Path | None = None) -> Knowledge:
    """The knowledge base in ``path``, or the one that comes with the model of ``config``, which is that of its codes.

    Raises:
        SemwaveError: no such file, not a knowledge base, one of another version or of another model, or damaged.
    """
    model = config.code_model
    if path is None:
        path = MODELS.get(model, Path(model))
        if callable(path):
            raise SemwaveError(f"{model} brings no knowledge base; make one with 'semwave knowledge build' and give it")
        path = path / FILE
    if kind_of(path) != REGULAR:
        raise SemwaveError(f"{path}: no such knowledge base; make it with 'semwave knowledge build'")
    tensors, about = read_safetensors(path, "make it with 'semwave knowledge build'", LARGEST_BYTES)
    version = about.get("semwave_knowledge")
    if version is None:
        raise SemwaveError(f"{path}: not a knowledge base; make one with 'semwave knowledge build'")
    if version != str(VERSION):
        raise SemwaveError(
            f"{path}: knowledge base of version {version}, but version {VERSION} is read; build it again"
        )
    damaged = SemwaveError(f"{path}: the knowledge base is damaged; build it again")
    count = tensors["prototypes"].shape[0] if tensors.get("prototypes", torch.empty(())).ndim else 0
    shapes = _shapes(count, config.layout)
    if {name: tuple(t.shape) for name, t in tensors.items()} != shapes or not shapes["prototypes"][0]:
        raise damaged
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    if not all(t.isfinite().all() for t in tensors.values()):
        raise damaged
    try:
        origin = json.loads(about["about"])
        if {name: type(value) for name, value in origin.items()} != {"made_for": str, "made_from": str, "total": int}:
            raise ValueError(origin)
        given: dict[str, Any] = tensors | origin
        knowledge = Knowledge(**given)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise damaged from None
    if knowledge.made_for != model:
        raise SemwaveError(f"{path}: made for model {knowledge.made_for}, not for {model}; build one for {model}")
    return knowledge


def corrected(codes: Tensor, average: Tensor, lambda2: float) -> Tensor:
    """P (B, n, code_size): filtered ``codes`` L' moved towards the ``average`` L_m (n, code_size) of natural faces.

    On the way from L' to L_m, at t, d(P, L') = t d(L', L_m) and d(P, L_m) = (1 - t) d(L', L_m). A bias that grows
    from small while eq. 5 holds therefore ends at t = lambda2 / (1 + lambda2), for every part alike.
    """
    t = lambda2 / (1 + lambda2) * (1 - MARGIN)
    start = codes.double()
    return (start + t * (average.double() - start)).to(codes.dtype)


@torch.no_grad()
def build(
    model: PartModel, codes: Iterable[Tensor], made_from: str, prototypes: int = PROTOTYPES, seed: int = 0
) -> Knowledge:
    """The knowledge base of a data set's ``codes``, batches (B, codes, code_size), with so many ``prototypes`` at most.

    Raises:
        SemwaveError: fewer than 8 faces that show what is essential and nothing that covers it, or codes of another
            shape or not finite.
    """
    layout = model.config.layout
    found = [_checked(batch, layout) for batch in codes]
    everything = torch.cat(found or [torch.empty(0, layout.codes, layout.code_size)])
    masks = torch.cat([model.masks(batch) for batch in everything.split(BATCH)])
    has = (masks.mean((2, 3)) >= PRESENT).float()
    essential, covering = (has[:, layout.part_indices(parts)].bool() for parts in (layout.essential, layout.covering))
    whole = essential.all(1) & ~covering.any(1)
    if whole.sum() < LEAST_FACES:
        bare = f" without {' or '.join(layout.covering)}" if layout.covering else ""
        raise SemwaveError(f"a knowledge base needs at least {LEAST_FACES} faces{bare}, not {int(whole.sum())}")
    covered = (functional.adaptive_avg_pool2d(masks, CELLS) >= COVERED).float()
    weight = torch.cat([torch.ones(len(has), 2), has.repeat_interleave(2, 1)], 1)
    # Where no face has a part its codes still belong to something that looks like a face.
    weight = torch.where(weight.sum(0) == 0, 1.0, weight)[..., None]
    mean = (everything * weight).sum(0) / weight.sum(0)
    spread = ((everything - mean).square() * weight).sum(0).div(weight.sum(0)).sqrt()
    candidates = everything[whole]
    chosen = candidates[_medoids(model.coordinates(candidates).flatten(1), prototypes, seed)]
    faces = torch.cat([model.generate(one, INPUT).image for one in chosen.split(1)])
    return Knowledge(
        mean=mean,
        spread=spread,
        prototypes=chosen,
        thumbnails=functional.adaptive_avg_pool2d(faces.clamp(-1, 1), CELLS).add(1).mul(127.5).round().to(torch.uint8),
        places=(covered * has[..., None, None]).sum(0) / has.sum(0).clamp_min(1)[:, None, None],
        faces=has.sum(0).int(),
        made_for=model.config.code_model,
        made_from=made_from,
        total=len(everything),
    )


def _checked(codes: Tensor, layout: Layout) -> Tensor:
    expected = layout.codes, layout.code_size
    if codes.ndim != 3 or codes.shape[1:] != expected or not codes.is_floating_point():
        raise SemwaveError(f"codes must be real numbers (N, {expected[0]}, {expected[1]}), not {tuple(codes.shape)}")
    if not codes.isfinite().all():
        raise SemwaveError("the codes have values that are not finite numbers")
    return codes.float()


def _medoids(points: Tensor, count: int, seed: int) -> Tensor:
    """Indices of at most ``count`` of ``points`` (N, D): those nearest to the centres of k-means (Lloyd 1982).

    Centres lie where faces are dense, so what is nearest to them is natural, and each in a region of its own.
    """
    random = torch.Generator().manual_seed(seed)
    centres = points[torch.randperm(len(points), generator=random)[:count]]
    for _ in range(ROUNDS):
        nearest = torch.cdist(points, centres).argmin(1)
        centres = torch.stack(
            [points[nearest == i].mean(0) if (nearest == i).any() else centre for i, centre in enumerate(centres)]
        )
    return torch.cdist(centres, points).argmin(1).unique()
