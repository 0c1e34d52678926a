"""A small model in place of the shipped ones: a picture is its 8x8 average, sent through a linear map."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from semwave import model as models

NUMBERS = 3 * 8 * 8


class LinearModel:
    """Follows :class:`semwave.model.Model`; without noise it is exact for pictures of 8x8 squares."""

    name = "faces-512"
    size = 512
    sizes = (256, 512, 1024)

    def __init__(self):
        source = torch.Generator().manual_seed(0)
        self.codecs = {k: torch.linalg.qr(torch.randn(k, NUMBERS + 1, generator=source))[0] for k in (256, 2560)}
        self.info = {"licence": "Apache-2.0", "card": "docs/models.md"}
        self.residuals: dict = {}
        self.inversions = 0

    def invert(self, images: Tensor, steps=0, start="encoder", k=None, progress=None) -> Tensor:
        self.inversions += 1
        self.asked = (start, steps)
        for step in range(steps if progress else 0):
            progress(step + 1, 0.0)
        codes = torch.zeros(len(images), 28, 512)
        codes[:, 0, :NUMBERS] = functional.adaptive_avg_pool2d(images, 8).flatten(1)
        return codes

    def encode(self, codes: Tensor, k: int) -> Tensor:
        numbers = torch.cat([codes[:, 0, :NUMBERS], torch.ones(len(codes), 1)], 1) @ self.codecs[k].T
        return numbers / numbers.square().mean(1, keepdim=True).sqrt()

    def decode(self, symbols: Tensor, snr_db: Tensor) -> Tensor:
        numbers = symbols @ self.codecs[symbols.shape[1]]
        codes = torch.zeros(len(symbols), 28, 512)
        codes[:, 0, :NUMBERS] = numbers[:, :NUMBERS] / numbers[:, NUMBERS:]
        return codes

    def generate(self, codes: Tensor, size: int) -> SimpleNamespace:
        squares = codes[:, 0, :NUMBERS].reshape(-1, 3, 8, 8)
        masks = torch.eye(13).repeat(1, 5)[:, :64].repeat(len(codes), 1, 1)[..., None].expand(-1, -1, -1, 64)
        return SimpleNamespace(image=functional.interpolate(squares, size=(size, size)), masks=masks)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        codes = torch.zeros(count, 28, 512)
        codes[:, 0, :NUMBERS] = torch.rand(count, NUMBERS, generator=generator) * 2 - 1
        return codes


@pytest.fixture
def linear_model(monkeypatch):
    """Makes ``load_model`` give a :class:`LinearModel` for the names that are shipped."""
    model, shipped = LinearModel(), models.load_model
    monkeypatch.setattr(models, "load_model", lambda name: model if name in models.MODELS else shipped(name))
    return model


@pytest.fixture
def squares():
    """Makes pictures of 8x8 squares, uint8 (size, size, 3), by number."""

    def draw(number: int, size: int = 256) -> np.ndarray:
        colours = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return colours.repeat(size // 8, 0).repeat(size // 8, 1)

    return draw


@pytest.fixture
def photo(tmp_path, squares):
    """A picture in the frame, PHOTO.png."""
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(squares(0)).save(path)
    return path
