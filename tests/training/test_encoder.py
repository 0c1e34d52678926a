"""The loss of the encoder's codes: parts that cannot be seen count little, and the mask code counts as it is."""

import pytest
import torch

from semwave.latent.layout import MASK_CODE, Layout
from semwave.latent.space import CodeSpace
from semwave.training.encoder import code_loss


@pytest.fixture(params=[0, 8])
def space(request):
    layout = Layout(("sky", "sea", "land"), code_size=32, coordinates=16, mask_numbers=request.param)
    space = CodeSpace(layout)
    space.measure(3 * torch.randn(200, 32, generator=torch.Generator().manual_seed(0)))
    return space


def test_right_codes_cost_nothing(space):
    codes, masks = torch.randn(2, 8, 16), torch.rand(2, 3, 4, 4)
    assert code_loss(codes, codes, masks, space) == 0


def test_a_part_that_cannot_be_seen_costs_little(space):
    truth, masks = torch.zeros(1, 8, 16), torch.zeros(1, 3, 4, 4)
    masks[:, 1] = 1
    losses = []
    for code in (4, 6):  # the shapes of the sea, which is everywhere, and of the land, which is nowhere
        found = truth.clone()
        found[:, code] = 1
        losses.append(code_loss(found, truth, masks, space).item())
    assert losses[1] < 0.05 * losses[0]


def test_the_mask_code_counts_as_coordinates_alone(space):
    truth = torch.zeros(1, 8, 16)
    found = truth.clone()
    found[:, MASK_CODE, 0] = 1
    loss = code_loss(found, truth, torch.ones(1, 3, 4, 4) / 3, space).item()
    weight = 2 + 6 * (3**-0.5 + 0.02)
    own = space.directions[:, 0].square().mean().item()
    expected = 0.3 / 16 + (1 / 16 if space.layout.mask_numbers else own)
    assert loss == pytest.approx(expected / weight, rel=1e-4)
