"""Strict mode: private pixels are removed before anything reads them, and a natural face stands in for them.

    photo, parser -> private region on a coarse grid                 the only step that sees private pixels
    photo, region -> visible rest -> the prototypes most like it -> one of them, by seed
                  -> its picture, in the visible rest's colours, fills the region

The filled picture is inverted and drawn once, which brings the stand-in face into line with the visible rest; that
picture then fills the region. What is computed from the filled picture depends on the region and the visible rest
alone.
"""

import torch
from torch import Tensor
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.latent.layout import BASE_CODES, Layout
from semwave.privacy.knowledge import CELLS, Knowledge
from semwave.types import Scene

# A cell is private in every photo if this share of the faces that have a compact part have it there.
COMMON = 0.05
# Private pixels grow by this share of the width before they cover cells.
MARGIN = 0.01
LABELS = 128
"""Width in pixels at which parts are labelled."""
# A photo has a part from this share of its pixels on; fewer of a part that is not compact are the parser's mistake.
PRESENT, PRESENT_LARGE = 0.001, 0.005
# The prototype is one of this share of all that look most like the visible rest.
ALIKE = 0.1
# How much more the visible rest beside the region counts in that, and how far, in cells.
BESIDE, REACH = 10.0, 2
# Parts in the same place count this much beside colours.
PLACED = 4.0
# Colours that differ by more than this are another material's and do not tint the fill; nor does a visible rest that is
# smaller than about this share.
TINT, ANCHOR = 0.4, 0.1
# A replacement differs from its prototype by this share of the natural spread.
VARIETY = 0.2


def shown_parts(labels: Tensor, layout: Layout) -> tuple[str, ...]:
    """The parts that can be seen in every one of the photos whose ``labels`` (B, 128, 128) are given."""
    shares = [(labels == i).float().mean((1, 2)).min() for i in range(len(layout.parts))]
    least = [PRESENT if part in layout.compact else PRESENT_LARGE for part in layout.parts]
    return tuple(part for part, share, floor in zip(layout.parts, shares, least, strict=True) if share >= floor)


def private_region(labels: Tensor, hidden: tuple[str, ...], keep: bool, knowledge: Knowledge, layout: Layout) -> Tensor:
    """The region (B, 128, 128) bool that is private when the parts ``hidden`` are, on a canonical coarse grid.

    The cells of a compact part are those where faces in general have it, so that neither its outline nor, as long as it
    stays in them, its place is told; where it lies elsewhere, the cells that it covers come to them. The cells of other
    parts are those that they cover, but for compact parts that are not private. With ``keep`` everything is private but
    the pixels of the parts that are not ``hidden``.

    Raises:
        SemwaveError: a photo that lacks a hidden part, or with ``keep`` one that is to be seen.
    """
    masks = functional.one_hot(labels.long(), len(layout.parts)).permute(0, 3, 1, 2).bool()
    named = tuple(part for part in layout.parts if (part in hidden) != keep)
    shown = shown_parts(labels, layout)
    for part in named:
        if part not in shown:
            raise SemwaveError(f"no {part} can be seen in the photo; it has {', '.join(shown)}")
    if keep:
        return ~masks[:, layout.part_indices(named)].any(1)
    compact = layout.part_indices(tuple(part for part in hidden if part in layout.compact))
    others = layout.part_indices(tuple(part for part in hidden if part not in layout.compact))
    seen = layout.part_indices(tuple(part for part in layout.compact if part not in hidden))
    region = _cells(masks[:, others].any(1)) & ~masks[:, seen].any(1)
    common = (knowledge.places[compact] >= COMMON).any(0)
    common = common.repeat_interleave(LABELS // CELLS, 0).repeat_interleave(LABELS // CELLS, 1)
    return region | common | _cells(masks[:, compact].any(1))


def _cells(mask: Tensor) -> Tensor:
    """The cells that a mask (B, 128, 128), grown by the margin, touches."""
    reach = round(MARGIN * LABELS)
    grown = functional.max_pool2d(mask.float()[:, None], 2 * reach + 1, 1, reach)
    return functional.interpolate(functional.adaptive_max_pool2d(grown, CELLS), scale_factor=LABELS / CELLS)[:, 0] > 0


def visible_scene(images: Tensor, region: Tensor) -> Scene:
    """The visible rest of ``images`` (B, 3, H, H), zero elsewhere, and where it is; no codes yet.

    ``region`` (B, h, h) bool is private. This is the only function of strict mode that is given private pixels, and it
    gives none of them on.
    """
    # A pixel is private if the region touches it, whichever of the two is finer.
    private = functional.adaptive_max_pool2d(region[:, None].float(), images.shape[-1]) > 0
    return Scene(torch.where(private, 0.0, images), ~private)


def choose_prototypes(
    visible: Tensor, seen: Tensor, knowledge: Knowledge, random: torch.Generator, kept: Tensor | None = None
) -> Tensor:
    """One of the prototypes most like the ``visible`` rest (B, 3, 256, 256) each, (B,); ``seen`` says where it is.

    They are compared as thumbnails, most where the region begins. Where only some parts are seen, ``kept``
    (P, w, w) is where the prototypes have them, which must be where the photo does.
    """
    weight = functional.adaptive_avg_pool2d(seen.float(), CELLS)
    small = functional.adaptive_avg_pool2d(visible, CELLS) / weight.clamp_min(1e-3)
    near = functional.max_pool2d((weight < 1).float(), 2 * REACH + 1, 1, REACH)
    weight = weight * (1 + BESIDE * near)
    weight = weight / weight.sum((2, 3), keepdim=True).clamp_min(1e-6)
    difference = small[:, None] - (knowledge.thumbnails.float() / 127.5 - 1)
    distance = (difference.square() * weight[:, None]).sum((2, 3, 4))
    if kept is not None:
        here = functional.adaptive_avg_pool2d(seen.float(), kept.shape[-1])
        both, either = torch.minimum(here, kept), torch.maximum(here, kept)
        distance = distance + PLACED * (1 - both.sum((2, 3)) / either.sum((2, 3)).clamp_min(1e-6))
    count = max(1, round(ALIKE * distance.shape[1]))
    nearest = distance.argsort(dim=1, stable=True)[:, :count]
    return nearest.gather(1, torch.randint(count, (len(visible), 1), generator=random))[:, 0]


def varied(knowledge: Knowledge, chosen: Tensor, random: torch.Generator) -> Tensor:
    """Codes (B, codes, code_size) of faces a little beside the prototypes ``chosen`` (B,), in the natural spread."""
    noise = torch.randn(len(chosen), *knowledge.spread.shape, generator=random, dtype=torch.float32)
    # The mask code repeats its numbers, and its copies must not differ.
    noise[:, :BASE_CODES] = 0
    return knowledge.prototypes[chosen] + VARIETY * knowledge.spread * noise


def fill(visible: Tensor, seen: Tensor, face: Tensor) -> Tensor:
    """The ``visible`` rest (B, 3, 256, 256), and beyond it ``face``, shifted smoothly to the colours at its edge."""
    offset = torch.where(seen, visible - face, 0.0)
    alike = (-offset.square().mean(1, keepdim=True) / TINT**2).exp()
    return torch.where(seen, visible, (face + extended(offset, seen * alike)).clamp(-1, 1))


def extended(values: Tensor, known: Tensor) -> Tensor:
    """``values`` (B, 3, H, H) as far as ``known`` (B, 1, H, H) in [0, 1], else averages of ever larger surroundings."""
    if values.shape[-1] == 1:
        return values * known / (known + ANCHOR)
    share = functional.avg_pool2d(known, 2)
    average = functional.avg_pool2d(values * known, 2) / share.clamp_min(1e-6)
    coarse = extended(average, share)
    return known * values + (1 - known) * functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")
