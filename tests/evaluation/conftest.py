"""What tests of the evaluation share: a picture, photos, and untrained networks in place of the shipped ones."""

import pytest
import torch
from schemes import smooth_picture

from semwave.baselines.deep_jscc import LAYOUTS, DeepJSCC, DeepJSCCScheme
from semwave.evaluation.registry import SCHEMES


@pytest.fixture
def untrained_networks(monkeypatch):
    """Networks of Deep JSCC that were not trained in place of the shipped ones: fit for contracts, for no figure."""
    for k, layout in LAYOUTS.items():
        torch.manual_seed(0)
        scheme = DeepJSCCScheme(k, "", DeepJSCC(layout).requires_grad_(False))
        monkeypatch.setitem(SCHEMES, scheme.name, lambda scheme=scheme: scheme)


@pytest.fixture(scope="session")
def picture():
    """A smooth picture (1, 3, 512, 512)."""
    return smooth_picture()
