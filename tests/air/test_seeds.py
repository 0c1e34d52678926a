"""Every picture has random numbers of its own."""

import torch

from semwave.air.seeds import noise_generator


def test_noise_depends_on_the_seed_and_on_the_name():
    draws = {torch.rand(1, generator=noise_generator(*key)).item() for key in [(0, "a"), (0, "b"), (1, "a"), (0, "a")]}
    assert len(draws) == 3
