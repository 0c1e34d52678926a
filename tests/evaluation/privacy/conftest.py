"""The model, and two faces that it draws."""

import pytest
import torch

from semwave.model import load_model
from semwave.privacy.faces import drawn


@pytest.fixture(scope="session")
def model():
    return load_model("faces-512")


@pytest.fixture(scope="session")
def faces(model):
    """Two faces (1, 3, 256, 256) in [-1, 1]."""
    random = torch.Generator().manual_seed(5)
    return [drawn(model, random, 256) for _ in range(2)]
