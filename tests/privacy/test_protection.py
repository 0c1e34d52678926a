"""The three modes: what a transmitter with privacy sends, and that it is the same whatever private pixels show."""

import dataclasses

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semwave import Privacy, Receiver, SemwaveError, Transmitter
from semwave.air.channels import AWGN
from semwave.latent.layout import BASE_CODES, FACES
from semwave.privacy.protection import Protection, part_model
from semwave.privacy.settings import Mode
from semwave.privacy.strict import LABELS
from semwave.types import Scene, Signal
from semwave.zoo import CODES, LOWEST_K, RESIDUAL

SIZE = 256
CONTENTS = {
    "black": lambda photo, other: torch.full_like(photo, -1),
    "white": lambda photo, other: torch.full_like(photo, 1),
    "noise": lambda photo, other: torch.rand(photo.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1,
    "another face": lambda photo, other: other,
}


def distance(a, b):
    return (a.double() - b.double()).square().sum((1, 2)).sqrt()


def equal(a: Scene, b: Scene) -> bool:
    """Whether two scenes are the same, bit for bit."""
    return all(torch.equal(x, y) for x, y in ((a.picture, b.picture), (a.visible, b.visible), (a.codes, b.codes)))


def sendable(config):
    """Pairs of k and layers that a model offers, from its smallest k to its largest."""
    yield from ((k, (CODES,)) for k in (LOWEST_K, config.codec.symbols))
    yield from ((k, config.layers(k)) for k in (LOWEST_K, 700, config.k, config.highest_k))


# Eqs. 4 and 5


@pytest.mark.parametrize("part", FACES.parts)
def test_eqs_4_and_5_hold_for_the_codes_of_every_part_and_others_stay(part, model, knowledge):
    whole = torch.randn(2, FACES.codes, 512, generator=torch.Generator().manual_seed(FACES.part_index(part)))
    strict = torch.randn(2, FACES.codes, 512, generator=torch.Generator().manual_seed(99))
    codes = FACES.code_indices((part,))
    far, natural = (
        Protection(model, Privacy((part,), mode=mode, lambda1=0.7, lambda2=0.4)).moved(
            whole, strict, torch.Generator().manual_seed(3)
        )
        for mode in (Mode.filter, Mode.knowledge)
    )
    truth, average = whole[:, codes], knowledge.mean[codes]
    assert (distance(far[:, codes], truth) > 0.7 * distance(truth, torch.zeros(()))).all()
    assert (distance(natural[:, codes], far[:, codes]) < 0.4 * distance(natural[:, codes], average)).all()
    others = [i for i in range(BASE_CODES, FACES.codes) if i not in codes]
    for protected in (far, natural):
        assert torch.equal(protected[:, others], whole[:, others])
        # What an encoder writes of a part into the base codes must not pass.
        assert torch.equal(protected[:, :BASE_CODES], strict[:, :BASE_CODES])


# Strict mode


@st.composite
def regions(draw):
    """Private regions (1, h, h), coarser or finer than the photo: a rectangle, some pixels, nothing or everything."""
    width = draw(st.sampled_from([1, 7, 32, 64, 100, 128, 200]))
    region = torch.zeros(1, width, width, dtype=torch.bool)
    (top, bottom), (left, right) = (sorted(draw(st.tuples(*[st.integers(0, width)] * 2))) for _ in range(2))
    region[:, top:bottom, left:right] = True
    pixels = torch.rand(1, width, width, generator=torch.Generator().manual_seed(draw(st.integers(0, 9))))
    return region | (pixels < draw(st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.1])))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    regions(),
    st.sampled_from([64, 100, 256]),
    st.sampled_from([Privacy(), Privacy(("eyes",)), Privacy(keep=("skin",))]),
)
def test_a_scene_holds_no_private_pixel(part_model, region, size, privacy):
    """It is zero and not visible there, and the same bits whatever is there: NaN, black, or another photo."""
    protection = Protection(part_model, privacy)
    photo, other = (torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in (0, 1))
    # A pixel is private if any of the region lies in it.
    rows = [slice(i * region.shape[1] // size, max(-(-(i + 1) * region.shape[1] // size), 1)) for i in range(size)]
    private = torch.stack([region[:, row].any(1) for row in rows], 1)
    private = torch.stack([private[:, :, row].any(2) for row in rows], 2)[:, None]
    read = []

    def invert(picture):
        read.append(picture)
        return part_model.invert(Scene(picture))

    contents = (photo, other, torch.tensor(torch.nan), torch.tensor(torch.inf), torch.tensor(-1.0))
    scenes = [protection.scene(torch.where(private, content, photo), invert, region) for content in contents]
    for scene in scenes:
        assert isinstance(scene, Scene) and scene.picture.shape == photo.shape
        assert torch.equal(scene.visible, ~private)
        assert not scene.picture[private.expand_as(photo)].any()
        assert torch.equal(scene.picture[~private.expand_as(photo)], photo[~private.expand_as(photo)])
        assert scene.codes.isfinite().all() and equal(scene, scenes[0])
    assert all(torch.equal(picture, read[0]) and picture.isfinite().all() for picture in read)


@pytest.mark.parametrize("content", CONTENTS)
def test_what_a_given_region_shows_changes_no_symbol(content, model, faces):
    """For every k and both layers, with no part named."""
    region = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    region[:, 100:150, 57:203] = True
    changed = torch.where(region[:, None], CONTENTS[content](*faces), faces[0])
    assert not torch.equal(changed, faces[0])
    scenes = [Transmitter(model, 256, privacy=Privacy()).scene(photo, region) for photo in (faces[0], changed)]
    assert equal(*scenes)
    sent = list(sendable(model.config))
    assert {layers for _, layers in sent} == {(CODES,), (CODES, RESIDUAL)}
    for k, layers in sent:
        transmitter = Transmitter(model, k, layers, privacy=Privacy())
        signals = [transmitter.encode(scene) for scene in scenes]
        assert all(isinstance(signal, Signal) and signal.header.layers == layers for signal in signals)
        assert torch.equal(signals[0].iq, signals[1].iq) and signals[0].iq.shape == (1, k // 2)


@pytest.mark.parametrize("part", FACES.parts)
def test_symbols_are_the_same_bits_whatever_the_private_part_shows(part, model, faces, knowledge):
    index = FACES.part_index(part)
    places = (knowledge.places[index] >= 0.3).repeat_interleave(4, 0).repeat_interleave(4, 1)
    region = places[None] if places.any() else torch.zeros(1, LABELS, LABELS, dtype=torch.bool)
    region = region | (torch.arange(LABELS) < 8)
    private = region.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None]
    changed = torch.where(private, list(CONTENTS.values())[index % len(CONTENTS)](*faces), faces[0])
    assert not torch.equal(changed, faces[0])
    privacy = Privacy((part,), seed=7)
    scenes = [Transmitter(model, 256, privacy=privacy).scene(photo, region) for photo in (faces[0], changed)]
    assert equal(*scenes)
    for k, layers in sendable(model.config):
        symbols = [Transmitter(model, k, layers, privacy=privacy).encode(scene).iq for scene in scenes]
        assert torch.equal(*symbols) and symbols[0].shape == (1, k // 2)


@pytest.mark.parametrize("options", [{"refine_steps": 2}, {"start": "mean"}])
def test_refinement_sees_no_private_pixel_either(options, model, faces):
    region = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    region[:, 100:140, 60:200] = True
    transmitter = Transmitter(model, 256, privacy=Privacy(("eyes",)), **options)
    photos = [torch.where(region[:, None], content, faces[0]) for content in (faces[0], -1.0, torch.nan)]
    signals = [transmitter(photo, region) for photo in photos]
    assert torch.equal(signals[0].iq, signals[1].iq) and torch.equal(signals[0].iq, signals[2].iq)


@pytest.mark.parametrize("mode", Mode)
def test_what_is_sent_beside_the_codes_is_nothing_in_the_region(mode, model, faces):
    region = torch.zeros(1, LABELS, LABELS, dtype=torch.bool)
    region[:, 40:60, 30:90] = True
    signal = Transmitter(model, model.config.highest_k, privacy=Privacy(("eyes",), mode=mode))(faces[0], region)
    assert signal.header.layers == (CODES, RESIDUAL)
    residual = Receiver(model, SIZE).decode(AWGN(60.0, 0)(signal)).residual
    inside = region[0].repeat_interleave(4, 0).repeat_interleave(4, 1)
    # What frequencies that are not sent would have to cancel is little.
    assert residual[0, :, inside].abs().mean() < 0.2 * residual[0, :, ~inside].abs().mean()


def test_hidden_eyes_change_and_what_is_not_hidden_stays(model, faces):
    privacy = Privacy(("eyes",))
    region = Protection(model, privacy).region(faces[0])
    with torch.no_grad():
        plain, hidden, again = (
            model.generate(Transmitter(model, 256, privacy=way).scene(faces[0]).codes, SIZE).image
            for way in (None, privacy, dataclasses.replace(privacy, seed=1))
        )
    changes = (hidden - plain).abs().mean(1)
    inside = region.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert changes[inside].mean() > 2 * changes[~inside].mean()
    assert not torch.equal(hidden, again)


@pytest.mark.parametrize("mode", Mode)
def test_the_same_seed_gives_the_same_scene_and_another_one_another(mode, part_model, faces):
    def scene(privacy, random=None):
        return Transmitter(part_model, 256, privacy=privacy).scene(faces[0], random=random)

    privacy = Privacy(("eyes",), mode=mode, seed=4)
    assert equal(scene(privacy), scene(privacy))
    assert equal(scene(privacy), scene(dataclasses.replace(privacy, seed=5), torch.Generator().manual_seed(4)))
    assert not torch.equal(scene(privacy).codes, scene(dataclasses.replace(privacy, seed=5)).codes)
    # Whatever the mode, what goes beside the codes is not of the region.
    assert not scene(privacy).visible.all() and not scene(privacy).picture.where(~scene(privacy).visible, 0.0).any()


# Privacy does not fail open


def test_a_region_without_privacy_is_refused(part_model):
    with pytest.raises(SemwaveError, match="a region is private, but the transmitter has no privacy"):
        Transmitter(part_model, k=2560)(torch.zeros(1, 3, 64, 64), torch.zeros(1, 64, 64, dtype=torch.bool))


def test_privacy_without_parts_needs_a_region(part_model):
    transmitter = Transmitter(part_model, privacy=Privacy())
    with pytest.raises(SemwaveError, match="names no parts, so a photo needs a region"):
        transmitter(torch.zeros(1, 3, 64, 64))
    with pytest.raises(SemwaveError, match="names no parts, so a photo needs a region"):
        transmitter.protection.region(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("layers", [None, (CODES,)])
def test_privacy_encodes_no_scene_that_says_nothing_of_privacy(layers, model, faces):
    codes = model.invert(Scene(faces[0]))
    with pytest.raises(SemwaveError, match="does not say what of it is private"):
        Transmitter(model, 256, layers, privacy=Privacy(("eyes",))).encode(Scene(faces[0], codes=codes))


BAD_REGIONS = {
    "another batch": torch.zeros(2, 64, 64, dtype=torch.bool),
    "no batch": torch.zeros(64, 64, dtype=torch.bool),
    "not square": torch.zeros(1, 64, 32, dtype=torch.bool),
    "empty": torch.zeros(1, 0, 0, dtype=torch.bool),
    "numbers": torch.zeros(1, 64, 64),
    "channels": torch.zeros(1, 1, 64, 64, dtype=torch.bool),
}


@pytest.mark.parametrize("kind", BAD_REGIONS)
def test_what_is_no_region_is_refused(kind, part_model):
    with pytest.raises(SemwaveError, match=r"a private region is \(1, h, h\) bool, not"):
        Transmitter(part_model, privacy=Privacy())(torch.zeros(1, 3, 64, 64), BAD_REGIONS[kind])


@pytest.mark.parametrize("make", [Protection, lambda model, privacy: Transmitter(model, privacy=privacy)])
def test_unknown_parts_are_refused_with_those_of_the_model(make, part_model):
    parts = ", ".join(FACES.parts)
    for privacy in (Privacy(("eyes", "ear")), Privacy(keep=("ear",))):
        with pytest.raises(SemwaveError, match=f"unknown part 'ear'; the parts are {parts}"):
            make(part_model, privacy)
    with pytest.raises(SemwaveError, match="every part is kept"):
        make(part_model, Privacy(keep=FACES.parts))


def test_a_model_without_parts_is_refused(linear_model, model):
    with pytest.raises(SemwaveError, match="faces-512 cannot hide parts: it has no parser"):
        Transmitter(linear_model, privacy=Privacy(("eyes",)))
    assert part_model(model) is model


@pytest.mark.parametrize("mode", Mode)
def test_a_visible_value_that_is_not_finite_is_refused(mode, part_model):
    photo = torch.zeros(1, 3, SIZE, SIZE)
    photo[0, 0, 0, 0] = torch.nan
    with pytest.raises(SemwaveError, match="not finite numbers"):
        Transmitter(part_model, privacy=Privacy(("eyes",), mode=mode))(photo)
