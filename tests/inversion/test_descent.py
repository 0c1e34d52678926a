"""Descent to a photograph: on a picture that is a plain function of the codes, and on generated faces."""

from types import SimpleNamespace

import pytest
import torch

from semwave.inversion.descent import PRIOR_WEIGHT, descend
from semwave.latent.layout import FACES
from semwave.latent.space import CodeSpace, used_coordinates
from semwave.model import load_face_model
from semwave.pictures.images import INPUT
from semwave.types import Inversion

CODES, CODE_SIZE, COORDINATES = FACES.codes, FACES.code_size, FACES.coordinates


class Stripes:
    """In place of a generator: 256 columns whose brightness is a sum of four codes' numbers, exact in float32."""

    def __call__(self, codes, size):
        assert size == INPUT
        columns = codes[:, 2:6, :INPUT].sum(1)
        return SimpleNamespace(image=columns[:, None, None].expand(-1, 3, size, size))


@pytest.fixture(scope="module")
def plain():
    """The code space whose coordinates are the first 256 numbers of a code."""
    space = CodeSpace()
    space.directions.copy_(torch.eye(CODE_SIZE, COORDINATES))
    space.inverse.copy_(torch.eye(COORDINATES, CODE_SIZE))
    return space


def start_of(count, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, CODES, COORDINATES, generator=random) * used_coordinates(FACES)


def test_it_reaches_a_picture_that_can_be_drawn(plain):
    aim = Stripes()(plain.codes(start_of(2, 1)), INPUT).image
    found = descend(Stripes(), plain, aim, start_of(2), Inversion(steps=100), rate=0.1, prior_weight=0.0)
    picture = Stripes()(plain.codes(found), INPUT).image
    before = (Stripes()(plain.codes(start_of(2)), INPUT).image - aim).square().mean()
    assert (picture - aim).square().mean() < 1e-3 * before


def test_no_step_is_the_start(plain):
    start = start_of(1)
    found = descend(Stripes(), plain, torch.zeros(1, 3, INPUT, INPUT), start, Inversion())
    assert torch.equal(found, start) and not found.requires_grad


def test_the_start_is_left_as_it_was(plain):
    start = start_of(1)
    descend(Stripes(), plain, torch.zeros(1, 3, INPUT, INPUT), start, Inversion(steps=2))
    assert torch.equal(start, start_of(1)) and not start.requires_grad


def test_images_do_not_influence_each_other(plain):
    images = torch.rand(2, 3, INPUT, INPUT, generator=torch.Generator().manual_seed(2))
    images[1] *= 100
    both = descend(Stripes(), plain, images, start_of(2), Inversion(steps=5))
    for i in range(2):
        alone = descend(Stripes(), plain, images[i : i + 1], start_of(2)[i : i + 1], Inversion(steps=5))
        torch.testing.assert_close(both[i : i + 1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [128, 512])
def test_photographs_of_other_sizes_are_read_at_256(plain, size):
    image = torch.full((1, 3, size, size), 0.25)
    errors = []
    inversion = Inversion(steps=1, progress=lambda _, mse: errors.append(mse))
    descend(Stripes(), plain, image, torch.zeros(1, CODES, COORDINATES), inversion)
    assert errors == pytest.approx([0.25**2])


def test_progress_is_told_every_step(plain):
    calls = []
    image = torch.zeros(1, 3, INPUT, INPUT)
    inversion = Inversion(steps=6, progress=lambda step, mse: calls.append((step, mse)))
    descend(Stripes(), plain, image, start_of(1), inversion)
    assert [step for step, _ in calls] == [1, 2, 3, 4, 5, 6]
    errors = [mse for _, mse in calls]
    assert errors == sorted(errors, reverse=True) and errors[-1] < errors[0]


def test_the_error_is_that_of_what_arrives(plain):
    seen = []

    def halve(coordinates):
        seen.append(coordinates.detach().clone())
        return coordinates / 2

    start = start_of(1)
    aim = Stripes()(plain.codes(start / 2), INPUT).image
    errors = []
    inversion = Inversion(steps=3, progress=lambda _, mse: errors.append(mse))
    descend(Stripes(), plain, aim, start, inversion, through=halve, prior_weight=0.0)
    assert len(seen) == 3 and torch.equal(seen[0], start)
    assert errors[0] == pytest.approx(0, abs=1e-10)


def test_the_prior_draws_codes_to_the_mean(plain):
    start = start_of(1)
    aim = Stripes()(plain.codes(start), INPUT).image
    free = descend(Stripes(), plain, aim, start, Inversion(steps=20), prior_weight=0.0)
    natural = descend(Stripes(), plain, aim, start, Inversion(steps=20), prior_weight=PRIOR_WEIGHT)
    # The picture is right from the start, so without a prior nothing moves.
    torch.testing.assert_close(free, start, atol=1e-3, rtol=0)
    assert natural.square().mean() < 0.95 * start.square().mean()


def test_a_distance_is_descended_too(plain):
    def darkness(picture, photo):
        assert picture.shape == photo.shape == (1, 3, INPUT, INPUT)
        return picture.mean((1, 2, 3))

    start = torch.zeros(1, CODES, COORDINATES)
    image = torch.zeros(1, 3, INPUT, INPUT)
    without = Stripes()(plain.codes(descend(Stripes(), plain, image, start, Inversion(steps=3))), INPUT).image.mean()
    found = descend(Stripes(), plain, image, start, Inversion(steps=3, distance=darkness))
    assert without == 0 and Stripes()(plain.codes(found), INPUT).image.mean() < -0.01


@pytest.fixture(scope="module")
def faces():
    """The shipped generator, a measured space, and coordinates of two random faces."""
    generator = load_face_model().native
    styles = generator.body.map(torch.randn(700, CODE_SIZE, generator=torch.Generator().manual_seed(0)))
    space = CodeSpace()
    space.measure(styles)
    return generator, space, space.coordinates(styles[:2, None].expand(-1, CODES, -1))


def test_descent_comes_closer_to_a_generated_face(faces):
    generator, space, coordinates = faces
    target = generator(space.codes(coordinates[:1]), INPUT).image
    start = 0.8 * coordinates[:1]
    found = descend(generator, space, target, start, Inversion(steps=3))
    before, after = ((generator(space.codes(v), INPUT).image - target).square().mean() for v in (start, found))
    assert after < 0.9 * before


def test_two_faces_give_what_they_give_alone(faces):
    generator, space, coordinates = faces
    target = generator(space.codes(coordinates), INPUT).image
    start = 0.8 * coordinates
    both, alone = (descend(generator, space, target[:n], start[:n], Inversion(steps=2))[:1] for n in (2, 1))
    # bf16 products of a batch may round differently, and the first steps of Adam take little but the sign.
    assert (both - alone).abs().mean() < 0.1 * (alone - start[:1]).abs().mean()
