"""A correction: one damped Gauss-Newton step on a picture whose Jacobian is known."""

import pytest
import torch

from semwave.inversion.correction import FACE, LENGTHS, LONGEST, MOMENTUM, Corrections
from semwave.latent.layout import FACES, Layout
from semwave.pictures.images import SKETCH

CODES, COORDINATES = FACES.codes, FACES.coordinates
PIXELS = 3 * SKETCH**2
BUSY = 5
(ROWS, COLUMNS), TIMES = FACE
OUTSIDE = 1 / (1 + (TIMES - 1) * (ROWS.stop - ROWS.start) * (COLUMNS.stop - COLUMNS.start) / SKETCH**2)
"""Weight of a pixel that is not of the face; the picture below has none that is."""


@pytest.fixture(scope="module")
def jacobian():
    """Of a picture in which the first numbers of every code move pixels of their own."""
    return torch.randn(CODES, BUSY, 300, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def draw(jacobian):
    def draw(coordinates):
        pixels = torch.einsum("bci,cip->bcp", coordinates[..., :BUSY], jacobian).flatten(1)
        return torch.nn.functional.pad(pixels, (0, PIXELS - pixels.shape[1])).reshape(-1, 3, SKETCH, SKETCH)

    return draw


@pytest.fixture(scope="module")
def correction(jacobian):
    metric = torch.zeros(CODES, COORDINATES, COORDINATES)
    metric[:, :BUSY, :BUSY] = torch.einsum("cip,cjp->cij", jacobian, jacobian) / PIXELS
    started = Corrections(1).requires_grad_(False)
    started.start(metric)
    return started


def coordinates(seed):
    """Near enough to each other that no step is held short."""
    return 0.1 * torch.randn(2, CODES, COORDINATES, generator=torch.Generator().manual_seed(seed))


def test_no_step_until_it_is_started(draw):
    v = coordinates(0)
    assert torch.equal(Corrections(2)(draw, draw(coordinates(1)), v), v)


def test_it_goes_the_given_share_of_the_way_where_the_picture_is_linear(draw, correction):
    v, truth = coordinates(0), coordinates(1)
    moved = correction(draw, draw(truth), v)
    share = (moved - v)[..., :BUSY] / (truth - v)[..., :BUSY]
    # Damping and shrinkage keep it from the exact Gauss-Newton step.
    assert share.median().item() == pytest.approx(LENGTHS[0] * OUTSIDE, rel=0.15)
    assert torch.equal(moved[..., BUSY:], v[..., BUSY:])


def test_nothing_moves_where_the_picture_is_right(draw, correction):
    v = coordinates(0)
    torch.testing.assert_close(correction(draw, draw(v), v), v)


def test_images_do_not_influence_each_other(draw, correction):
    v, images = coordinates(0), draw(coordinates(1))
    alone = correction(draw, images[:1], v[:1])
    torch.testing.assert_close(correction(draw, images, v)[:1], alone)


def test_the_gradient_passes_round_the_picture(draw, correction):
    v = coordinates(0).requires_grad_(True)
    correction(draw, draw(coordinates(1)), v).sum().backward()
    assert torch.equal(v.grad, torch.ones_like(v))


def test_every_step_goes_on_from_the_one_before(draw, correction):
    v, truth = coordinates(0), coordinates(1)
    twice = Corrections(2).requires_grad_(False)
    twice.matrix, twice.steps[1] = correction.matrix, twice.steps[0]
    images, once = draw(truth), correction(draw, draw(truth), v)
    goes_on = correction(draw, images, once) + MOMENTUM * (once - v)
    torch.testing.assert_close(twice(draw, images, v), goes_on, atol=1e-5, rtol=1e-4)


def test_an_error_in_the_face_counts_more(correction):
    """One number moves a pixel of the face, another one outside it, alike."""
    places = torch.tensor([[60, 60], [5, 5]])

    def draw(coordinates):
        picture = torch.zeros(len(coordinates), 3, SKETCH, SKETCH)
        return picture.index_put((torch.tensor([0]), torch.tensor([0]), *places.T), coordinates[0, 0, :2])

    v = torch.zeros(1, CODES, COORDINATES)
    v[0, 0, :2] = 0.1
    plain = Corrections(1).requires_grad_(False)
    plain.matrix[0] = torch.eye(COORDINATES)
    moved = v - plain(draw, torch.zeros(1, 3, SKETCH, SKETCH), v)
    assert (moved[0, 0, 0] / moved[0, 0, 1]).item() == pytest.approx(TIMES, rel=1e-3)


def test_no_photo_sends_the_codes_far(draw, correction):
    v = coordinates(0)
    assert (correction(draw, 1e6 * draw(coordinates(1)), v) - v).abs().max() <= LENGTHS[0] * LONGEST + 1e-5


@pytest.mark.parametrize("size", [200, 512])
def test_photos_are_compared_at_128_px(draw, correction, size):
    v, large = coordinates(0)[:1], torch.full((1, 3, size, size), 0.1)
    small = torch.full((1, 3, SKETCH, SKETCH), 0.1)
    torch.testing.assert_close(correction(draw, large, v), correction(draw, small, v))


def test_another_domain_is_corrected_by_matrices_of_its_own():
    layout = Layout(("sky", "sea", "land"), code_size=32, coordinates=16)
    corrections = Corrections(1, layout).requires_grad_(False)
    corrections.start(torch.eye(16).expand(8, -1, -1))
    v = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0))

    def draw(coordinates):
        flat = coordinates.flatten(1)
        return torch.nn.functional.pad(flat, (0, PIXELS - flat.shape[1])).reshape(-1, 3, SKETCH, SKETCH)

    moved = corrections(draw, draw(torch.zeros_like(v)), v)
    assert moved.shape == v.shape and moved.norm() < v.norm()
