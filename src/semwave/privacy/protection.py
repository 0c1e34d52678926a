"""The three modes, between photograph and codes.

    filter      photo -> codes -> private ones moved away (eq. 4)
    knowledge   photo -> codes -> private ones moved away (eq. 4) -> towards natural ones (eq. 5)
    strict      photo -> private region removed and filled -> codes -> private ones from the knowledge base

Base codes belong to no part, yet an encoder writes of every part into them: base code 1 is the outline of them all.
So in every mode they are those of strict mode, and know nothing of the private region.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from semwave import model as models
from semwave.inversion.parser import INPUT
from semwave.latent.layout import BASE_CODES, part_index
from semwave.privacy.filter import filtered
from semwave.privacy.knowledge import corrected, load_knowledge
from semwave.privacy.settings import Mode, Privacy
from semwave.privacy.strict import choose_prototypes, fill, part_labels, private_region, varied, without_region

Invert = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Substitute:
    """What strict mode reads in a photo's place: ``picture`` (B, 3, 256, 256), whose private region shows the face that
    ``codes`` (B, 28, 512) draw."""

    picture: Tensor
    codes: Tensor


class Protection:
    """Applies a :class:`Privacy` to the photographs of one model.

    Raises:
        SemwaveError: the knowledge base cannot be read, or is another model's.
    """

    def __init__(self, model: models.Model, privacy: Privacy):
        self.model, self.privacy = model, privacy
        self.knowledge = load_knowledge(model.name, privacy.knowledge)
        self.kept = None
        if privacy.keep:
            with torch.no_grad():
                masks = model.generator.masks(self.knowledge.prototypes)
            self.kept = masks[:, [part_index(part) for part in privacy.keep]].sum(1)

    @torch.no_grad()
    def region(self, images: Tensor) -> Tensor:
        """The private region (B, 128, 128) bool of aligned ``images`` (B, 3, H, H) in [-1, 1].

        Raises :class:`SemwaveError` for a photo that lacks a part that the privacy names.
        """
        labels = part_labels(self.model, images)
        return private_region(labels, self.privacy.hidden, bool(self.privacy.keep), self.knowledge)

    @torch.no_grad()
    def substitute(self, images: Tensor, region: Tensor, random: torch.Generator) -> Substitute:
        """What may be read of ``images`` (B, 3, H, H); a function of the ``region`` (B, h, h) and the rest alone."""
        visible, seen = without_region(images, region)
        codes = varied(self.knowledge, choose_prototypes(visible, seen, self.knowledge, random, self.kept), random)
        rough = fill(visible, seen, self.model.generate(codes, INPUT).image)
        in_line = self._with_private(self.model.invert(rough), codes[:, self.privacy.codes])
        return Substitute(fill(visible, seen, self.model.generate(in_line, INPUT).image), codes)

    def __call__(
        self, images: Tensor, invert: Invert, region: Tensor | None = None, random: torch.Generator | None = None
    ) -> Tensor:
        """Codes (B, 28, 512) that may be sent of aligned ``images`` (B, 3, H, H) in [-1, 1].

        Args:
            images: the photographs.
            invert: from pictures (B, 3, H, H) to codes; in strict mode it is given no private pixel.
            region: (B, h, h) bool, private; None for the one that the parser finds.
            random: source of bias and replacement on the CPU; None for one with the privacy's seed.

        Raises:
            SemwaveError: as :meth:`region`.
        """
        random = random or torch.Generator().manual_seed(self.privacy.seed)
        region = self.region(images) if region is None else region
        codes = self.strict(images, invert, region, random)
        return codes if self.privacy.mode == Mode.strict else self.moved(invert(images), codes, random)

    def strict(self, images: Tensor, invert: Invert, region: Tensor, random: torch.Generator) -> Tensor:
        """Codes (B, 28, 512) that depend on the ``region`` and the visible rest alone; arguments as when called."""
        stand_in = self.substitute(images, region, random)
        return self._with_private(invert(stand_in.picture), stand_in.codes[:, self.privacy.codes])

    def moved(self, whole: Tensor, strict: Tensor, random: torch.Generator) -> Tensor:
        """Codes (B, 28, 512) of filter and knowledge mode, from those of the ``whole`` photo and of strict mode.

        The private ones are filtered and, in knowledge mode, corrected; base codes are those of strict mode.
        """
        private = self.privacy.codes
        moved = filtered(whole[:, private], self.privacy.lambda1, self.model.space.directions, random)
        if self.privacy.mode == Mode.knowledge:
            moved = corrected(moved, self.knowledge.mean[private], self.privacy.lambda2)
        return torch.cat([strict[:, :BASE_CODES], self._with_private(whole, moved)[:, BASE_CODES:]], 1)

    def _with_private(self, codes: Tensor, others: Tensor) -> Tensor:
        """``codes`` (B, 28, 512), the private ones replaced by ``others`` (B, n, 512)."""
        return codes.index_copy(1, torch.tensor(self.privacy.codes, dtype=torch.long), others)
