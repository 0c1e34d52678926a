"""The three modes, between photograph and codes.

    filter      photo -> codes L -> private ones moved away, L' (eq. 4)
    knowledge   photo -> codes L -> private ones moved away, L' (eq. 4) -> towards natural ones, P (eq. 5)
    strict      photo -> private region removed and filled -> codes -> private ones from the knowledge base

Base codes belong to no part, yet an encoder writes of every part into them: base code 1 is the outline of them all.
So in every mode they are those of strict mode, and know nothing of the private region.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.latent.layout import BASE_CODES
from semwave.pictures.images import INPUT, visible_at
from semwave.privacy.filter import filtered
from semwave.privacy.knowledge import corrected, load_knowledge
from semwave.privacy.settings import Mode, Privacy
from semwave.privacy.strict import LABELS, choose_prototypes, fill, private_region, varied, visible_scene
from semwave.types import Inversion, Model, PartModel, Scene

Invert = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Substitute:
    """What strict mode reads in a photo's place: ``picture`` (B, 3, 256, 256), whose private region shows the face that
    ``codes`` (B, codes, code_size) draw."""

    picture: Tensor
    codes: Tensor


def part_model(model: Model) -> PartModel:
    """``model``, if its pictures can be taken apart. Raises :class:`SemwaveError` if not."""
    if not all(hasattr(model, name) for name in ("generate", "sample", "masks", "labels", "coordinates", "directions")):
        raise SemwaveError(f"{model.config.name} cannot hide parts: it has no parser that finds them in a photograph")
    return cast(PartModel, model)


class Protection:
    """Applies a :class:`Privacy` to the photographs of one model.

    Raises:
        SemwaveError: a model without parts that could be hidden, a part that it does not have, or a knowledge base that
            cannot be read or is another model's.
    """

    def __init__(self, model: Model, privacy: Privacy):
        self.model, self.privacy = part_model(model), privacy
        layout = model.config.layout
        self.hidden = privacy.hidden(layout)
        self.private = layout.code_indices(self.hidden)
        self.knowledge = load_knowledge(model.config, privacy.knowledge)
        self.kept = None
        if privacy.keep:
            with torch.no_grad():
                masks = self.model.masks(self.knowledge.prototypes)
            self.kept = masks[:, layout.part_indices(privacy.keep)].sum(1)

    @torch.no_grad()
    def region(self, images: Tensor) -> Tensor:
        """The private region (B, 128, 128) bool of aligned ``images`` (B, 3, H, H) in [-1, 1].

        Raises :class:`SemwaveError` for a photo that lacks a part that the privacy names, and where it names none.
        """
        if not self.hidden:
            raise SemwaveError("the privacy names no parts, so a photo needs a region of its own that is private")
        labels = self.model.labels(images, LABELS)
        return private_region(labels, self.hidden, bool(self.privacy.keep), self.knowledge, self.model.config.layout)

    def scene(
        self, images: Tensor, invert: Invert, region: Tensor | None = None, random: torch.Generator | None = None
    ) -> Scene:
        """What may be read of aligned ``images`` (B, 3, H, H) in [-1, 1], with codes that may be sent.

        Args:
            images: the photographs.
            invert: from pictures (B, 3, H, H) to codes; in strict mode it is given no private pixel.
            region: (B, h, h) bool, private; None for the one that the parser finds.
            random: source of bias and replacement on the CPU; None for one with the privacy's seed.

        Raises:
            SemwaveError: as :meth:`region`, or a region that is not (B, h, h) bool.
        """
        random = random or torch.Generator().manual_seed(self.privacy.seed)
        region = self.region(images) if region is None else region
        square = region.ndim == 3 and region.shape[1] == region.shape[2] > 0
        if region.dtype != torch.bool or not square or len(region) != len(images):
            raise SemwaveError(
                f"a private region is ({len(images)}, h, h) bool, not {tuple(region.shape)} {region.dtype}"
            )
        scene = visible_scene(images, region)
        codes = self.strict(scene, invert, random)
        return scene.with_codes(
            codes if self.privacy.mode == Mode.strict else self.moved(invert(images), codes, random)
        )

    @torch.no_grad()
    def substitute(self, scene: Scene, random: torch.Generator) -> Substitute:
        """What is read in place of the photos of ``scene``; a function of what is visible alone."""
        visible, seen = visible_at(scene.picture, scene.visible, INPUT)
        assert seen is not None
        codes = varied(self.knowledge, choose_prototypes(visible, seen, self.knowledge, random, self.kept), random)
        rough = fill(visible, seen, self.model.generate(codes, INPUT).image)
        in_line = self._with_private(self.model.invert(Scene(rough), Inversion()), codes[:, self.private])
        return Substitute(fill(visible, seen, self.model.generate(in_line, INPUT).image), codes)

    def strict(self, scene: Scene, invert: Invert, random: torch.Generator) -> Tensor:
        """Codes (B, codes, code_size) that depend on what is visible in ``scene`` alone; the other arguments are those
        of :meth:`scene`."""
        stand_in = self.substitute(scene, random)
        return self._with_private(invert(stand_in.picture), stand_in.codes[:, self.private])

    def moved(self, whole: Tensor, strict: Tensor, random: torch.Generator) -> Tensor:
        """Codes (B, codes, code_size) of filter and knowledge mode, from those of the ``whole`` photo and of strict
        mode.

        The private ones are filtered and, in knowledge mode, corrected; base codes are those of strict mode.
        """
        moved = filtered(whole[:, self.private], self.privacy.lambda1, self.model.directions, random)
        if self.privacy.mode == Mode.knowledge:
            moved = corrected(moved, self.knowledge.mean[self.private], self.privacy.lambda2)
        return torch.cat([strict[:, :BASE_CODES], self._with_private(whole, moved)[:, BASE_CODES:]], 1)

    def _with_private(self, codes: Tensor, others: Tensor) -> Tensor:
        """``codes`` (B, codes, code_size), the private ones replaced by ``others`` (B, n, code_size)."""
        return codes.index_copy(1, torch.tensor(self.private, dtype=torch.long), others)
