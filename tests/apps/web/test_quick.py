"""The live model against the one that begins anew with every frame."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from semwave.apps.web.asked import Sending
from semwave.apps.web.chain import Chain
from semwave.apps.web.quick import QuickModel
from semwave.apps.web.studio import Photograph, Studio
from semwave.model import load_face_model
from semwave.pictures import align, images
from semwave.types import Scene

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return load_face_model("faces-512")


@pytest.fixture(scope="module")
def face():
    return align.align(astronaut(), 256)


def shifted(face, pixels):
    return np.roll(face, pixels, axis=1)


def test_going_on_from_the_last_frame_is_as_good_as_beginning_anew(model, face):
    asked, quick = Sending(k=2560), QuickModel(model)

    def quality(model, pixels):
        return Studio(model).send(Photograph(pixels, "", None, {}), asked).row["psnr_db"]

    still = [quality(quick, face) for _ in range(3)]
    assert still[0] == pytest.approx(quality(model, face), abs=0.1)  # bf16 draws it
    assert min(still[1:]) > still[0] - 0.3
    moved = shifted(face, 4)
    assert quality(quick, moved) > quality(model, moved) - 0.5


def test_it_goes_on_with_codes_alone_and_when_what_is_sent_changes(model, face):
    studio, found = Studio(QuickModel(model)), []
    for codes_only in (False, True, True, False, False):
        asked = Sending(k=256, codes_only=codes_only)
        found.append(studio.send(Photograph(face, "", None, {}), asked).row["psnr_db"])
    assert min(found[1:3]) > 15 and min(found[3:]) > found[0] - 0.5


def test_bf16_draws_the_picture_to_a_grey_level_and_the_model_stays_as_it_was(model, face):
    generator, quick = model.generator, QuickModel(model)
    studio = Studio(model)
    soft = studio.send(Photograph(face, "", None, {}), Sending(k=2560)).soft
    message = model.decode(soft)
    exact, drawn = model.draw(message, 256).image, quick.draw(message, 256).image.float()
    assert (exact - drawn).abs().mean() < 2 / 255
    assert model.generator is generator and torch.equal(model.draw(message, 256).image, exact)


def test_a_face_that_was_found_anew_and_one_with_hidden_parts_begin_anew(model):
    chain = Chain()
    first = chain._studio_for(model, Sending())
    assert chain._studio_for(model, Sending(snr_db=0)) is first and isinstance(first.model, QuickModel)
    chain.tracker.found += 1
    second = chain._studio_for(model, Sending())
    assert second is not first and second.model._at is None
    assert chain._studio_for(model, Sending(hide=("eyes",))).model is model


def test_the_first_frame_is_the_models_own(model, face):
    scene = Scene(images.to_tensor(face))
    assert torch.equal(QuickModel(model).invert(scene), model.invert(scene))
