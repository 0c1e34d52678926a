"""Strict mode: which pixels are private, and that nothing of them is left."""

import itertools

import pytest
import torch

from semwave import Privacy, SemwaveError
from semwave.latent.layout import FACES
from semwave.pictures.images import INPUT, visible_at
from semwave.privacy.knowledge import CELLS
from semwave.privacy.strict import LABELS, choose_prototypes, fill, private_region, varied, visible_scene
from semwave.types import Scene

SIZE = 256


def region_of(labels, hidden, keep, knowledge):
    return private_region(labels, hidden, keep, knowledge, FACES)


@pytest.mark.parametrize("part", FACES.parts)
def test_the_region_and_nothing_else_is_replaced(part, knowledge, faces):
    """All that reads a photo in strict mode reads it through this: equal visible pixels give equal bits."""
    other = FACES.part_index("hair" if part == "skin" else "skin")
    labels = torch.full((1, LABELS, LABELS), other, dtype=torch.uint8)
    labels[:, 50:70, 40:60] = FACES.part_index(part)
    region = region_of(labels, (part,), False, knowledge)
    assert region[labels == FACES.part_index(part)].all() and not region.all()
    photo = faces[0].repeat_interleave(2, 2).repeat_interleave(2, 3)
    private = region.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    fills = []
    for content in (photo, photo.flip(2), torch.full_like(photo, -1), torch.full_like(photo, torch.nan)):
        scene = visible_scene(torch.where(private, content, photo), region)
        assert torch.equal(scene.visible, ~private) and scene.codes is None
        assert torch.equal(scene.picture, torch.where(private, 0.0, photo))
        visible, seen = visible_at(scene.picture, scene.visible, INPUT)
        chosen = choose_prototypes(visible, seen, knowledge, torch.Generator().manual_seed(0))
        fills.append((visible, chosen, fill(visible, seen, faces[1])))
        assert torch.equal(fills[-1][2][:, :, seen[0, 0]], visible[:, :, seen[0, 0]])
    for other in fills[1:]:
        assert all(torch.equal(a, b) for a, b in zip(fills[0], other, strict=True))


def test_a_region_finer_than_the_photo_hides_every_pixel_that_it_touches():
    region = torch.zeros(1, 4 * SIZE, 4 * SIZE, dtype=torch.bool)
    region[0, 401, 402] = True
    scene = visible_scene(torch.ones(1, 3, SIZE, SIZE), region)
    assert isinstance(scene, Scene) and scene.size == SIZE
    assert (~scene.visible).nonzero().tolist() == [[0, 0, 100, 100]] and not scene.picture[0, :, 100, 100].any()


def test_the_region_of_a_compact_part_is_the_same_for_small_changes(knowledge):
    regions = []
    for shift in (0, 1, 2):
        labels = torch.full((1, LABELS, LABELS), FACES.part_index("skin"), dtype=torch.uint8)
        labels[:, 59 + shift : 62, 42 + shift : 54] = labels[:, 59 : 62 - shift, 74:85] = FACES.part_index("eyes")
        regions.append(region_of(labels, ("eyes",), False, knowledge))
    assert torch.equal(regions[0], regions[1]) and torch.equal(regions[0], regions[2])
    cells = regions[0].reshape(1, CELLS, 4, CELLS, 4)[:, :, :1, :, :1]
    assert torch.equal(regions[0], cells.expand(-1, -1, 4, -1, 4).reshape(1, LABELS, LABELS))


def test_parts_to_keep_are_all_that_is_seen(knowledge):
    labels = torch.zeros(1, LABELS, LABELS, dtype=torch.uint8)
    labels[:, 50:60, 30:90] = FACES.part_index("eyes")
    hidden = Privacy(keep=("eyes",)).hidden(FACES)
    assert set(hidden) == set(FACES.parts) - {"eyes"}
    assert torch.equal(region_of(labels, hidden, True, knowledge), labels != FACES.part_index("eyes"))


def test_a_photo_without_the_part_is_refused(knowledge):
    labels = torch.ones(1, LABELS, LABELS, dtype=torch.uint8)
    for hidden, keep in ((("hat",), False), (tuple(part for part in FACES.parts if part != "hat"), True)):
        with pytest.raises(SemwaveError, match="no hat can be seen in the photo; it has skin"):
            region_of(labels, hidden, keep, knowledge)


def test_replacements_vary_by_seed_and_are_natural(model, knowledge, faces):
    region = torch.arange(LABELS).expand(1, LABELS, LABELS) > 90
    scene = visible_scene(faces[0], region)
    found = [
        varied(knowledge, choose_prototypes(scene.picture, scene.visible, knowledge, random), random)
        for random in map(torch.Generator().manual_seed, range(4))
    ]
    for a, b in itertools.combinations(found, 2):
        assert not torch.equal(a, b)
    likelihood = model.flow.log_likelihood(model.coordinates(torch.cat(found)))[:, 2:].mean()
    unnatural = model.flow.log_likelihood(model.coordinates(torch.cat(found) * 3))[:, 2:].mean()
    assert likelihood > unnatural
