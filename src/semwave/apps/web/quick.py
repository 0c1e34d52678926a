"""The model for live pictures: it goes on from the codes of the frame before, and draws in bf16.

    first frame     parser, encoder -> corrections -> codes
    the next ones   codes of the frame before -> one correction -> codes

A correction is a step of descent towards the picture at hand, and a face does not change much between two frames.
"""

import copy

import torch
from torch import Tensor, nn

from semwave.inversion.correction import Corrections
from semwave.model import FaceModel
from semwave.pictures.images import SKETCH
from semwave.types import Drawing, Inversion, Message, Scene, Signal, Soft

STEPS = 1
"""Corrections of a frame that goes on from another one."""


class QuickModel:
    """A :class:`semwave.types.Model` with a memory: of the last picture's codes."""

    def __init__(self, model: FaceModel):
        self.model, self.config, self.digest = model, model.config, model.digest
        self._codes: Tensor | None = None
        self._corrections = Corrections(STEPS, model.config.layout)
        self._corrections.matrix = model.corrections.matrix
        # The last steps are those that were learned nearest to the picture.
        self._corrections.steps = nn.Parameter(model.corrections.steps[-STEPS:].detach(), requires_grad=False)
        self._drawing = _in_bf16(model)

    def invert(self, scene: Scene, inversion: Inversion = Inversion()) -> Tensor:
        """Codes (1, codes, code_size) of the picture of ``scene``."""
        if self._codes is None:
            self._codes = self.model.invert(scene, inversion)
        else:
            space = self.model.space
            coordinates = space.coordinates(self._codes)
            self._codes = space.codes(self._corrections(self._sketch, scene.picture, coordinates))
        return self._codes

    def encode(self, scene: Scene, k: int, layers: tuple[str, ...] | None = None) -> Signal:
        """As the model does."""
        return self.model.encode(scene, k, layers)

    def decode(self, soft: Soft) -> Message:
        """As the model does."""
        return self.model.decode(soft)

    def draw(self, message: Message, size: int | None = None) -> Drawing:
        """As the model does, to about a grey level."""
        if self._drawing is self.model:
            return self.model.draw(message, size)
        with torch.autocast(message.codes.device.type, torch.bfloat16):
            return self._drawing.draw(message, size)

    def _sketch(self, coordinates: Tensor) -> Tensor:
        codes = self.model.space.codes(coordinates)
        with torch.autocast(codes.device.type, torch.bfloat16):
            return (self.model.sketcher or self.model.generator)(codes, SKETCH).image


def _in_bf16(model: FaceModel) -> FaceModel:
    """``model``, whose generator is the one in bf16 where there is one; all weights are shared."""
    if model.sketcher is None:
        return model
    other = copy.copy(model)
    # A copied module shares the table of its parts with the original.
    other._modules = {**model._modules, "generator": model.sketcher}
    return other
