"""semwave as a scheme: one inversion for all of them, and codecs in place of a model's own."""

from dataclasses import replace

import pytest
import torch
from schemes import link

from semwave import Receiver, SemwaveError, Transmitter
from semwave.air.channels import AWGN
from semwave.baselines.facts import FITTED
from semwave.coding.codec import Codec
from semwave.evaluation.ours import Ours, WithCodec, inversion, shipped
from semwave.evaluation.scheme import deliver
from semwave.model import load_face_model
from semwave.types import Inversion, Scene
from semwave.zoo import LAYERS, weights_digest


def test_a_picture_is_inverted_once_for_all_k_and_snrs(linear_model, picture):
    other = picture.flip(3)
    for image in (picture, other):
        for k in (256, 2560):
            for snr_db in (0.0, 20.0):
                deliver(shipped("faces-512", k), image, link(snr_db))
    assert linear_model.inversions == 2


def test_what_a_smaller_model_draws_is_enlarged(linear_model, picture):
    whole = deliver(shipped("faces-512", 256), picture, link()).image
    linear_model.config = replace(linear_model.config, size=256)
    enlarged = deliver(shipped("faces-512", 256), picture, link()).image
    assert enlarged.shape == picture.shape and not torch.equal(whole, enlarged)
    small = [torch.nn.functional.interpolate(image, 64, mode="area") for image in (whole, enlarged)]
    assert torch.allclose(*small, atol=0.05)


def test_names_facts_and_keys():
    whole, codes = shipped("faces-512", 256), shipped("faces-512", 256, ("codes",))
    assert (whole.name, codes.name) == ("faces-512-k256", "faces-512-codes-k256")
    assert (whole.facts.layers, codes.facts.layers) == (LAYERS, ("codes",))
    assert whole.facts.flow and whole.facts.channel_noise and whole.facts.model == "faces-512"
    # Weights of a residual that is not sent change nothing.
    assert (whole.key, codes.key) == (weights_digest("faces-512"), weights_digest("faces-512", ("codes",)))
    assert shipped("semantic-stylegan-512", 2560).facts.model == "semantic-stylegan-512"


@pytest.fixture(scope="module")
def model():
    return load_face_model()


@pytest.mark.parametrize("flow", [True, False])
def test_a_model_with_another_codec_is_a_model(model, flow):
    torch.manual_seed(0)
    with_codec = WithCodec(model, Codec(64, 4).requires_grad_(False), flow)
    codes = model.sample(2, torch.Generator().manual_seed(0))
    scene = Scene(torch.zeros(2, 3, 256, 256), codes=codes)
    assert with_codec.config.highest_k == 64 and with_codec.config.layers(64) == ("codes",)
    sent = Transmitter(with_codec, 64).encode(scene)
    message = Receiver(with_codec).decode(AWGN(10.0, 0)(sent))
    assert message.codes.shape == codes.shape and message.residual is None
    assert with_codec.draw(message, 256).image.shape == (2, 3, 256, 256)
    with pytest.raises(SemwaveError, match="even, from 64 to 64"):
        Transmitter(with_codec, 256)
    with pytest.raises(SemwaveError, match="other weights"):
        Receiver(model).decode(AWGN(10.0, 0)(sent))


def test_a_flow_changes_what_a_codec_sends_and_is_taken_back(model):
    class Through(Codec):
        """Sends the first code as it is."""

        def encode(self, n):
            return n[:, 0, :64]

        def decode(self, symbols, noise):
            return torch.nn.functional.pad(symbols[:, None], (0, 192, 0, 27))

    scene = Scene(torch.zeros(1, 3, 256, 256), codes=model.sample(1, torch.Generator().manual_seed(0)))
    sent = {flow: WithCodec(model, Through(64, 1), flow).encode(scene, 64).iq for flow in (True, False)}
    assert not torch.allclose(sent[True], sent[False])
    coordinates = model.space.coordinates(scene.codes)
    n = model.flow(coordinates)
    for flow, numbers in ((True, n[0, 0, :64]), (False, coordinates[0, 0, :64])):
        symbols = torch.view_as_real(sent[flow]).flatten()[None] * 2**0.5
        gathered = Through(64, 1).plan(64).diversity.gather(symbols, torch.ones(1, 64))[0][0]
        torch.testing.assert_close(gathered, numbers / numbers.square().mean().sqrt())


def test_the_digest_tells_codecs_and_flows_apart(model):
    codecs = [Codec(64, 4), Codec(64, 4)]
    digests = {WithCodec(model, codec, flow).digest for codec in codecs for flow in (True, False)}
    assert len(digests) == 4 and model.digest not in digests
    assert WithCodec(model, codecs[0], True).digest in digests


def test_fitted_codecs_share_the_inversion_of_their_model(model, picture):
    with_codec = WithCodec(model, Codec(64, 4).requires_grad_(False), True)
    scheme = Ours("m-fitted-k64", "", with_codec, 64, inversion(model), family=FITTED, channel_noise=False)
    assert deliver(scheme, picture, link()).k == 64
    assert scheme.facts.family == FITTED and scheme.facts.channel_noise is False
    inverted = inversion(model)(picture).codes
    torch.testing.assert_close(with_codec.invert(Scene(picture), Inversion(k=64)), inverted)


def test_what_is_looked_into_must_be_there(linear_model):
    with pytest.raises(SemwaveError, match="shipped models"):
        load_face_model("faces-512")
