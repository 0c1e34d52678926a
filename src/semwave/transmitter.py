"""The transmitter: a photograph becomes k real numbers. The left half of the paper's Fig. 1, and what goes past it.

    photograph F -> invert -> codes L [-> privacy filter -> L' -> knowledge base -> P] -> flow -> N -> encoder -> X
           +---------------------------> what codes lack of what is visible -----------------------------^

Flow and channel encoder are the model's :meth:`encode`. Networks are loaded with the first model, not before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from semwave.errors import SemwaveError
from semwave.pretrained import Pretrained, loaded
from semwave.privacy.settings import Privacy
from semwave.types import Inversion, Model, Scene, Signal
from semwave.zoo import DEFAULT

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from semwave.types import Distance

MOST_REFINE_STEPS = 10_000


class Transmitter(Pretrained):
    """Turns aligned photographs into signals.

    Args:
        model: name of a shipped model, or a loaded one.
        k: number of real symbols a picture, any that the model offers; the model's own without it.
        layers: what to send, of ("codes", "residual"); None for all that the model can send in k symbols. ("codes",)
            is the paper's own scheme.
        refine_steps: steps of gradient descent after the first estimate of the codes.
        start: where inversion starts, "encoder" or "mean" (the mean face, for descent alone, as in the paper).
        distance: of two batches of pictures, (B,), that refinement lowers beside the MSE, such as
            :class:`semwave.pictures.metrics.LPIPS`; None for the MSE alone, as in the paper.
        privacy: what is not to be given away; None for nothing.

    Raises:
        SemwaveError: an unknown model, a k, layers, part or number of steps that is not offered, or a knowledge base
            that cannot be read or is another model's.

    >>> import torch
    >>> transmitter = Transmitter("faces-512", k=256)
    >>> signal = transmitter(torch.zeros(1, 3, 512, 512))
    >>> signal.iq.shape, signal.header.k, signal.header.layers
    (torch.Size([1, 128]), 256, ('codes', 'residual'))
    """

    def __init__(
        self,
        model: str | Model = DEFAULT,
        k: int | None = None,
        layers: tuple[str, ...] | None = None,
        refine_steps: int = 0,
        start: str = "encoder",
        distance: Distance | None = None,
        privacy: Privacy | None = None,
    ):
        self.model: Model = loaded(model)
        self.k = self.model.config.k if k is None else k
        self.layers = self.model.config.checked_layers(self.k, layers)
        if not 0 <= refine_steps <= MOST_REFINE_STEPS:
            raise SemwaveError(f"refine steps must be from 0 to {MOST_REFINE_STEPS}, not {refine_steps}")
        self.inversion = Inversion(start, refine_steps, self.k, self.layers, distance)
        self.protection = _protection(self.model, privacy) if privacy else None

    def __call__(self, images: Tensor, region: Tensor | None = None) -> Signal:
        """The signal of ``images`` (B, 3, H, H) in [-1, 1], aligned. ``region`` (B, h, h) bool is private, and needs a
        transmitter with privacy; errors are those of :meth:`scene`."""
        return self.encode(self.scene(images, region))

    def scene(
        self,
        images: Tensor,
        region: Tensor | None = None,
        random: torch.Generator | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> Scene:
        """What may be read of ``images`` (B, 3, H, H) in [-1, 1], with its codes.

        Args:
            images: aligned photographs.
            region: (B, h, h) bool, private; None for the one that the parser finds for the private parts.
            random: source of bias and replacement on the CPU; None for one with the privacy's seed.
            progress: called after every step of refinement, with its number and the MSE.

        Raises:
            SemwaveError: not a batch of square pictures, values that are not finite, a region without privacy, or a
                photo without a part that the privacy names.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
            raise SemwaveError(f"need square pictures (B, 3, H, H), not {tuple(images.shape)}; align them first")
        if self.protection:
            return self.protection.scene(images, lambda picture: self._invert(picture, progress), region, random)
        if region is not None:
            raise SemwaveError("a region is private, but the transmitter has no privacy: give Transmitter(privacy=...)")
        return Scene(images, codes=self._invert(images, progress))

    def encode(self, scene: Scene, k: int | None = None) -> Signal:
        """The signal of a ``scene`` with codes, which another transmitter without refinement may have made, in ``k``
        real symbols; the transmitter's own number without it.

        Raises:
            SemwaveError: a k that the model does not offer, a scene without codes, or with privacy one that does not
                say what of it is visible.
        """
        if self.protection and scene.visible is None:
            raise SemwaveError("the scene does not say what of it is private; make it with Transmitter.scene")
        return self.model.encode(scene, self.k if k is None else k, self.layers)

    def _invert(self, images: Tensor, progress: Callable[[int, float], None] | None) -> Tensor:
        if not images.isfinite().all():
            raise SemwaveError("the pictures have values that are not finite numbers")
        return self.model.invert(Scene(images), self.inversion.reporting(progress))


def _protection(model: Model, privacy: Privacy):
    from semwave.privacy.protection import Protection

    return Protection(model, privacy)
