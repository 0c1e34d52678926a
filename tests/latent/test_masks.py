"""Part masks: their pyramid, the shares of a label map, and the layout as base code 1."""

import pytest
import torch

from semwave.latent.layout import FACES, Layout
from semwave.latent.masks import GRID, LayoutCoder, mask_pyramid, part_probabilities

PARTS, CODE_SIZE, COPIES, NUMBERS = FACES.parts, FACES.code_size, FACES.copies, FACES.mask_numbers


def random_logits(seed=0):
    return 5 * torch.randn(2, len(PARTS), GRID, GRID, generator=torch.Generator().manual_seed(seed))


def halves(size):
    """Background above, hair below."""
    labels = torch.zeros(2, size, size, dtype=torch.uint8)
    labels[:, size // 2 :] = PARTS.index("hair")
    return labels


@pytest.mark.parametrize("width", [8, 16, 32, 64, 128, 256, 512])
def test_masks_add_up_to_one_at_every_width(width):
    masks = mask_pyramid(random_logits(), width)
    assert masks.shape == (2, len(PARTS), width, width) and masks.min() >= 0
    torch.testing.assert_close(masks.sum(1), torch.ones(2, width, width), atol=1e-5, rtol=0)


def test_small_masks_are_the_means_of_their_cells():
    logits = random_logits()
    cells = logits.softmax(1).reshape(2, len(PARTS), 16, 4, 16, 4).mean((3, 5))
    torch.testing.assert_close(mask_pyramid(logits, 16), cells)


def test_large_masks_keep_a_sharp_edge():
    logits = 40 * (part_probabilities(halves(GRID)) - 0.5)
    hair = mask_pyramid(logits, 512)[0, PARTS.index("hair"), :, 256]
    # A mask interpolated after the softmax would have a ramp of 8 pixels, one source cell.
    assert ((hair > 0.05) & (hair < 0.95)).sum() < 4
    assert hair[:252].max() < 0.01 and hair[260:].min() > 0.99


@pytest.mark.parametrize("size", [64, 128, 256])
def test_shares_are_counts_of_labels(size):
    labels = torch.randint(len(PARTS), (1, size, size), generator=torch.Generator().manual_seed(0))
    shares, step = part_probabilities(labels), size // GRID
    cell = labels[0, 5 * step : 6 * step, 9 * step : 10 * step]
    counted = torch.bincount(cell.flatten(), minlength=len(PARTS)) / step**2
    torch.testing.assert_close(shares[0, :, 5, 9], counted)
    assert shares.shape == (1, len(PARTS), GRID, GRID)


def test_labels_may_be_bytes():
    shares = part_probabilities(halves(128))
    assert shares[:, PARTS.index("hair"), GRID // 2 :].eq(1).all()
    assert shares[:, PARTS.index("background"), : GRID // 2].eq(1).all()


def test_the_layout_code_is_64_numbers_eight_times():
    code = LayoutCoder().eval().encode(part_probabilities(halves(GRID)))
    assert code.shape == (2, CODE_SIZE)
    copies = code.reshape(2, COPIES, NUMBERS)
    assert torch.equal(copies, copies[:, :1].expand(-1, COPIES, -1)) and copies[0, 0].std() > 0


def test_the_numbers_are_white_over_the_training_set():
    torch.manual_seed(0)
    numbers = LayoutCoder().train().encode(random_logits().repeat(8, 1, 1, 1) * torch.rand(16, 13, 1, 1))[:, :NUMBERS]
    torch.testing.assert_close(numbers.mean(0), torch.zeros(NUMBERS), atol=1e-4, rtol=0)
    torch.testing.assert_close(numbers.var(0, unbiased=False), torch.ones(NUMBERS), atol=0.02, rtol=0)


def test_decoding_reads_the_mean_of_the_copies():
    coder = LayoutCoder().eval()
    code = torch.randn(1, CODE_SIZE, generator=torch.Generator().manual_seed(0))
    mean = code.reshape(1, COPIES, NUMBERS).mean(1).repeat(1, COPIES)
    logits = coder.decode(code)
    assert logits.shape == (1, len(PARTS), GRID, GRID)
    torch.testing.assert_close(logits, coder.decode(mean), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(logits, coder.decode(mean + 1), atol=1e-2)


def test_another_domain_codes_its_own_parts():
    layout = Layout(("sky", "sea", "land"), code_size=32, coordinates=16, mask_numbers=8)
    torch.manual_seed(0)
    coder = LayoutCoder(layout, widths=(4, 4, 4, 4, 4)).eval()
    labels = torch.randint(3, (2, 128, 128), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    shares = part_probabilities(labels, layout)
    assert shares.shape == (2, 3, GRID, GRID)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, GRID, GRID))
    code = coder.encode(shares)
    assert code.shape == (2, 32) and torch.equal(code, code[:, :8].repeat(1, 4))
    logits = coder.decode(code)
    assert logits.shape == (2, 3, GRID, GRID) and mask_pyramid(logits, 16).shape == (2, 3, 16, 16)
