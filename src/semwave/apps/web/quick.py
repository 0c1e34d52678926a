"""The model for live pictures: it goes on from the frame before, draws in bf16, and each picture once.

    first frame     parser, encoder -> corrections -> codes
    the next ones   picture of 128 px of what arrived of the frame before, which the residual was the difference to
                    -> its gradient towards the frame at hand -> codes of the frame before, corrected

A correction is a step of descent towards the picture at hand, and a face does not change much between two frames. The
picture that its gradient needs was drawn for the frame before already, so it costs the way back alone.
"""

import torch
from torch import Tensor, nn

from semwave.air.iq import noise_power
from semwave.generators.compositional import CompositionalGenerator
from semwave.inversion.correction import LONGEST, weights
from semwave.model import CLEAN_SNR_DB, FaceModel
from semwave.pictures.images import SKETCH, resized
from semwave.types import Drawing, Inversion, Scene, Signal

LENGTH = 0.3
"""Share of a damped Gauss-Newton step by which a frame goes on from another one."""


class QuickModel(FaceModel):
    """``model`` with a memory of the last picture; all weights are shared with it. One thread may send while another
    one receives."""

    def __init__(self, model: FaceModel):
        nn.Module.__init__(self)
        own = {name: value for name, value in vars(model).items() if name not in vars(self)}
        vars(self).update(own, _modules=model._modules, _buffers=model._buffers, training=False)
        self._coordinates: Tensor | None = None
        self._at: Tensor | None = None
        self._picture: Tensor | None = None

    def invert(self, scene: Scene, inversion: Inversion = Inversion()) -> Tensor:
        """Codes (1, codes, code_size) of the picture of ``scene``."""
        if self._coordinates is None or self._at is None or self._picture is None:
            codes = super().invert(scene, inversion)
            self._coordinates = self.space.coordinates(codes)
            return codes
        photo = resized(scene.picture, SKETCH)
        error = (weights(photo) * (self._picture.float() - photo).square()).mean() / 2
        gradient = torch.autograd.grad(error, self._at)[0]
        self._picture = None  # its way back is gone
        newton = torch.einsum("cij,bcj->bci", self.corrections.matrix, gradient)
        self._coordinates = self._coordinates - LENGTH * newton.clamp(-LONGEST, LONGEST)
        return self.space.codes(self._coordinates)

    @torch.no_grad()
    def encode(self, scene: Scene, k: int, layers: tuple[str, ...] | None = None) -> Signal:
        """As the model does."""
        sent = super().encode(scene, k, layers)
        if self._picture is None:  # codes alone were sent, which need no picture
            assert scene.codes is not None
            self.expected(self.plan(k, False).sent(self.symbols(self.space.coordinates(scene.codes))))
        return sent

    @torch.enable_grad()
    def expected(self, symbols: Tensor) -> Tensor:
        """The picture (1, 3, 128, 128) of what arrives of ``symbols`` (1, symbols) without noise. It is kept."""
        clean = noise_power(torch.full((len(symbols), 1), CLEAN_SNR_DB, dtype=torch.float32))
        self._at = self.arrived_coordinates(symbols, clean).detach().requires_grad_()
        self._picture = self._sketch(self.space.codes(self._at))
        return self._picture.detach().float()

    def drawn(self, codes: Tensor, size: int) -> tuple[Drawing, Tensor]:
        """The picture of ``codes`` at ``size`` px and the one of 128 px, in one pass where the generator can."""
        if not isinstance(self.sketcher, CompositionalGenerator):
            return super().drawn(codes, size)
        with torch.autocast(codes.device.type, torch.bfloat16):
            drawings = self.sketcher.drawings(codes, (SKETCH, size))
        drawing = drawings[size]
        return Drawing(drawing.image.float(), drawing.masks), drawings[SKETCH].image.float()
