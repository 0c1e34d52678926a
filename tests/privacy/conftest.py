"""The model, its knowledge base and two faces that it draws, and a small model with parts."""

import pytest
import torch
from linear_model import NUMBERS, LinearModel

from semwave.model import load_model
from semwave.privacy.faces import drawn
from semwave.privacy.knowledge import load_knowledge

SIZE = 256


class LinearPartModel(LinearModel):
    """A :class:`semwave.types.PartModel`: all is skin but for a stripe of eyes, whatever the photograph shows."""

    directions = torch.eye(512)[:, :256]

    def masks(self, codes):
        return self.generate(codes, 64).masks

    def labels(self, images, size):
        labels = torch.full((len(images), size, size), self.config.layout.part_index("skin"), dtype=torch.uint8)
        labels[:, size // 3 : size // 2] = self.config.layout.part_index("eyes")
        return labels

    def coordinates(self, codes):
        return codes[..., :256]


@pytest.fixture
def part_model():
    return LinearPartModel()


@pytest.fixture
def part_codes():
    """Codes (20, 28, 512) of the small model, whose pictures have all parts."""
    codes = torch.zeros(20, 28, 512)
    codes[:, 0, :NUMBERS] = torch.rand(20, NUMBERS, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return codes


@pytest.fixture(scope="session")
def model():
    return load_model("faces-512")


@pytest.fixture(scope="session")
def layout(model):
    return model.config.layout


@pytest.fixture(scope="session")
def knowledge(model):
    return load_knowledge(model.config)


@pytest.fixture(scope="session")
def faces(model):
    """Two faces (1, 3, 256, 256) in [-1, 1]."""
    random = torch.Generator().manual_seed(5)
    return [drawn(model, random, SIZE) for _ in range(2)]
