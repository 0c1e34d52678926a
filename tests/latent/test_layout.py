"""The latent layout: every code belongs to the base or to one part, once, in any domain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semwave.errors import SemwaveError
from semwave.latent.layout import BASE_CODES, FACES, MASK_CODE, Layout

NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=30, unique=True)


def test_layout_of_the_codes_of_a_face():
    assert (FACES.codes, FACES.code_size, FACES.coordinates, FACES.mask_numbers, FACES.copies) == (28, 512, 256, 64, 8)
    indices = [0, 1] + [
        index for part in FACES.parts for index in (FACES.shape_index(part), FACES.shape_index(part) + 1)
    ]
    assert indices == list(range(FACES.codes))
    assert FACES.parts[FACES.part_index("hair")] == "hair" and FACES.part_index("background") == 0
    with pytest.raises(SemwaveError, match="unknown part 'beard'; the parts are background, skin, eyes"):
        FACES.part_index("beard")


def test_the_groups_are_parts_of_a_face():
    for group in (FACES.compact, FACES.identity, FACES.essential, FACES.covering):
        assert group and set(group) < set(FACES.parts)
    assert "hair" not in FACES.compact and "glasses" in FACES.covering


@given(NAMES, st.data())
def test_every_code_belongs_to_the_base_or_to_one_part(names, data):
    layout = Layout(tuple(names))
    assert layout.codes == BASE_CODES + 2 * len(names)
    assert MASK_CODE < BASE_CODES
    assert layout.code_indices(layout.parts) == list(range(BASE_CODES, layout.codes))
    assert layout.part_indices(layout.parts) == list(range(len(names)))
    chosen = tuple(data.draw(st.lists(st.sampled_from(names), unique=True)))
    indices = layout.code_indices(chosen)
    assert len(indices) == 2 * len(chosen) and [names[(i - BASE_CODES) // 2] for i in indices[::2]] == list(chosen)
    assert indices[1::2] == [index + 1 for index in indices[::2]]
    assert [layout.parts[index] for index in layout.part_indices(chosen)] == list(chosen)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 40))
def test_sizes_fit_or_are_refused(code_size, coordinates, mask_numbers):
    fits = mask_numbers <= coordinates <= code_size and (not mask_numbers or code_size % mask_numbers == 0)
    if fits:
        layout = Layout(("sky", "sea"), code_size, coordinates, mask_numbers)
        assert not mask_numbers or layout.copies * mask_numbers == code_size
    else:
        with pytest.raises(ValueError):
            Layout(("sky", "sea"), code_size, coordinates, mask_numbers)


@pytest.mark.parametrize(
    "change",
    [
        {"parts": ()},
        {"parts": ("skin", "skin")},
        {"compact": ("beard",)},
        {"identity": ("beard",)},
        {"essential": ("beard",)},
        {"covering": ("beard",)},
        {"coordinates": 0},
        {"coordinates": 513},
        {"mask_numbers": -1},
        {"mask_numbers": 257},
        {"mask_numbers": 60},
    ],
)
def test_what_does_not_fit_is_refused(change):
    with pytest.raises(ValueError):
        replace(FACES, **change)
