"""One contract for every scheme: a picture of the same size, k and SNR as they say, the same bits again, facts."""

import math

import pytest
import torch
from schemes import Own

from semwave.air.channels import CHANNELS
from semwave.air.link import Link
from semwave.baselines import image_codecs, separation
from semwave.baselines.channel_code import transport_block
from semwave.baselines.facts import DEEP_JSCC, FITTED, IDEAL, SEMWAVE, SEPARATION
from semwave.coding.codec import Codec
from semwave.evaluation.ours import Ours, WithCodec, inversion
from semwave.evaluation.registry import SCHEMES
from semwave.evaluation.scheme import deliver, facts_of
from semwave.model import load_face_model

FITTED_SCHEMES = {"fitted-k2560": True, "fitted-k2560-no-flow": False}
NAMES = [*SCHEMES, *FITTED_SCHEMES, "own"]


@pytest.fixture(scope="module")
def fitted_schemes():
    """Schemes of a shipped model with codecs that were not trained."""
    model = load_face_model()
    torch.manual_seed(0)
    codecs = {
        name: WithCodec(model, Codec(2560, 4).requires_grad_(False), flow) for name, flow in FITTED_SCHEMES.items()
    }
    return {name: Ours(name, "", codec, 2560, inversion(model), family=FITTED) for name, codec in codecs.items()}


@pytest.fixture
def scheme(request, fitted_schemes, untrained_networks, linear_model, monkeypatch):
    """A scheme by name: a small model for ours, small pictures in separation, and its code given rather than sought."""
    monkeypatch.setattr(image_codecs, "SIDES", (16,))
    monkeypatch.setattr(separation, "fastest", lambda k, snr_db: transport_block(k, 12 if k == 256 else 5))
    own = {"own": lambda: Own()} | {name: lambda name=name: fitted_schemes[name] for name in FITTED_SCHEMES}
    return {**SCHEMES, **own}[request.param]()


def recording(kind):
    """A channel class like ``kind`` that keeps what entered, what left, and the fading, of every use."""

    uses = []

    class Recording(kind):
        def receive(self, iq):
            received, fading, noise = super().receive(iq)
            uses.append((iq, received, fading))
            return received, fading, noise

    return Recording, uses


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("scheme", [name for name in NAMES if not name.startswith("ideal")], indirect=True)
def test_the_snr_is_symbol_power_over_noise_power(scheme, channel, picture):
    (kind, uses), snr_db, random = recording(CHANNELS[channel]), 7.0, torch.Generator().manual_seed(0)
    count, k = 0, facts_of(scheme).k or 300
    while count < 6_000:
        over = Link(kind, snr_db, random)
        # Other pictures are other symbols: the power of QAM is one on average over those.
        delivered = deliver(scheme, picture * 0.98 ** len(uses), over)
        assert delivered.k == over.k == k
        count += over.k
    x, y = (torch.cat([use[i].flatten() for use in uses]).to(torch.complex128) for i in (0, 1))
    fading = torch.cat([use[2].expand(use[0].numel()) for use in uses])
    signal, noise = x.abs().square().mean().item(), (y - fading * x).abs().square().mean().item()
    assert signal == pytest.approx(1, abs=0.03)
    assert 10 * math.log10(signal / noise) == pytest.approx(snr_db, abs=0.25)


@pytest.mark.parametrize("scheme", NAMES, indirect=True)
def test_it_gives_a_picture_and_the_same_bits_again(scheme, picture):
    first, again = (deliver(scheme, picture, Link(CHANNELS["awgn"], 10.0, 0)) for _ in range(2))
    assert first.image.shape == picture.shape and first.image.abs().max() <= 1
    assert torch.equal(first.image, again.image) and first.outcome == again.outcome


@pytest.mark.parametrize("scheme", NAMES, indirect=True)
def test_it_says_what_it_is(scheme):
    facts = facts_of(scheme)
    assert scheme.name and isinstance(scheme.key, str)
    if isinstance(scheme, Own):
        assert facts.family == ""
        return
    assert facts.family in (SEMWAVE, FITTED, DEEP_JSCC, SEPARATION, IDEAL) and facts.k > 0
    assert scheme.name.startswith(facts.family) or facts.family in (SEMWAVE, FITTED)
    assert bool(facts.model) == bool(facts.layers) == (facts.family in (SEMWAVE, FITTED)) == (facts.flow is not None)
