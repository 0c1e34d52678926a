"""One contract for each interface: every implementation of it goes through the same test."""

from argparse import Namespace
from dataclasses import replace

import pytest
import torch
from linear_model import LinearModel

from semwave import Receiver, SemwaveError, Transmitter
from semwave.air.channels import CHANNELS
from semwave.air.files import read_soft, write_soft
from semwave.air.iq import signal, to_reals, unit_power
from semwave.air.link import Link
from semwave.air.modem import Modem
from semwave.air.samples import SampleChannel
from semwave.baselines.checkpoint import CheckpointModel
from semwave.generators.official import SIZES
from semwave.generators.semantic_stylegan import Architecture, SemanticStyleGAN
from semwave.model import load_model
from semwave.privacy.settings import Privacy
from semwave.types import Header, Scene
from semwave.zoo import LOWEST_K

TINY = Architecture(size=32, coarse_size=16, smallest_size=8, mapping_layers=2, local_channels=8, coarse_channels=16)


def checkpoint(folder):
    torch.manual_seed(0)
    args = Namespace(**{name: getattr(TINY, ours) for name, ours in SIZES.items()})
    torch.save({"g_ema": SemanticStyleGAN(TINY).state_dict(), "args": args}, folder / "authors.pt")
    return CheckpointModel(folder / "authors.pt")


MODELS = {
    "linear": lambda folder: LinearModel(),
    "faces-512": lambda folder: load_model("faces-512"),
    "semantic-stylegan-512": lambda folder: load_model("semantic-stylegan-512"),
    "authors.pt": checkpoint,
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory):
    return MODELS[request.param](tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def scene(model):
    codes = model.sample(2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        return Scene(model.generate(codes, model.config.size).image.clamp(-1, 1), codes=codes)


def layers_of(model):
    """Numbers of symbols that ``model`` offers, and what it can send in them."""
    config, ks = model.config, (LOWEST_K, 254, 700, 2560, 32768)
    beside = [(k, config.layers(k)) for k in ks if config.offers(k)]
    return list(dict.fromkeys([*beside, *((k, ("codes",)) for k in ks if k <= config.codec.symbols)]))


def test_a_model_says_what_it_is(model):
    config = model.config
    assert config.size in config.sizes and config.offers(config.k) and len(model.digest) == 12
    assert model.digest == model.digest


def test_codes_of_a_picture_are_its_layouts(model, scene):
    inverted = model.invert(Scene(scene.picture[:1]))
    layout = model.config.layout
    assert inverted.shape == (1, layout.codes, layout.code_size) and inverted.isfinite().all()


def test_a_signal_has_unit_power_and_says_what_it_is(model, scene):
    for k, layers in layers_of(model):
        sent = model.encode(scene, k, layers)
        assert sent.iq.shape == (2, k // 2) and sent.iq.dtype == torch.complex64
        torch.testing.assert_close(sent.iq.abs().square().mean(1), torch.ones(2), atol=1e-3, rtol=0)
        assert sent.header == Header(model.config.name, model.digest, k, layers, model.config.size)


def test_what_is_sent_arrives(model, scene):
    for k, layers in layers_of(model):
        arrived = Receiver(model).decode(CHANNELS["awgn"](40.0, 0)(model.encode(scene, k, layers)))
        assert arrived.codes.shape == scene.codes.shape and arrived.snr_db.shape == (2,)
        assert (arrived.residual is not None) == ("residual" in layers)
        for size in model.config.sizes[:1]:
            drawing = model.draw(arrived, size)
            assert drawing.image.shape == (2, 3, size, size) and drawing.image.isfinite().all()
            torch.testing.assert_close(drawing.masks.sum(1), torch.ones_like(drawing.masks[:, 0]), atol=1e-3, rtol=0)


def test_a_batch_gives_what_its_pictures_give_alone(model, scene):
    k = model.config.k
    both = model.encode(scene, k)
    alone = model.encode(Scene(scene.picture[1:], codes=scene.codes[1:]), k)
    torch.testing.assert_close(to_reals(both.iq)[1:], to_reals(alone.iq), atol=0.02, rtol=0.02)


def test_symbols_that_were_not_received_count_for_nothing(model, scene):
    for k, layers in layers_of(model):
        soft = CHANNELS["awgn"](10.0, 0)(model.encode(scene, k, layers))
        noise = soft.noise.clone()
        noise[:, ::10] = torch.inf
        zero, absurd = (
            Receiver(model).decode(replace(soft, symbols=soft.symbols.where(noise.isfinite(), value), noise=noise))
            for value in (0.0, torch.nan)
        )
        assert torch.equal(zero.codes, absurd.codes) and zero.codes.isfinite().all()
        nothing = replace(soft, noise=torch.full_like(noise, torch.inf))
        picture = Receiver(model)(nothing)
        assert picture.isfinite().all() and torch.equal(picture[:1], picture[1:])


def test_different_numbers_of_symbols_are_received_together(model, scene):
    ks = (LOWEST_K, 300, 512)
    softs = [CHANNELS["awgn"](10.0, 0)(Transmitter(model).encode(scene, k)) for k in ks]
    receiver = Receiver(model)
    together, alone = receiver(softs), torch.cat([receiver(soft) for soft in softs])
    assert together.shape == alone.shape
    torch.testing.assert_close(together, alone, atol=0.1, rtol=0)
    with pytest.raises(SemwaveError, match="nothing was received"):
        receiver([])


def test_what_is_not_offered_is_one_clear_error(model, scene):
    for ask in (
        lambda: model.encode(scene, 7),
        lambda: model.encode(scene, LOWEST_K, ()),
        lambda: model.encode(Scene(scene.picture), LOWEST_K),
        lambda: model.draw(Receiver(model).decode(CHANNELS["awgn"](9.0, 0)(model.encode(scene, 256))), 77),
        lambda: Transmitter(model, 101),
    ):
        with pytest.raises(SemwaveError) as caught:
            ask()
        assert len(str(caught.value).splitlines()) == 1


def test_a_model_hides_parts_or_says_that_it_cannot(model):
    if hasattr(model, "labels"):
        assert Transmitter(model, privacy=Privacy(hide=("eyes",))).protection.hidden == ("eyes",)
    else:
        with pytest.raises(SemwaveError, match="cannot hide parts"):
            Transmitter(model, privacy=Privacy(hide=("eyes",)))


WRONG = {
    "another model": {"model": "cats"},
    "other weights": {"digest": "f" * 12},
    "a k that is not offered": {"k": 32},
    "a layer too many": {"layers": ("residual",)},
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_receiver_refuses_what_is_not_for_it(model, scene, kind):
    sent = model.encode(scene, LOWEST_K)
    soft = CHANNELS["awgn"](10.0, 0)(sent)
    with pytest.raises(SemwaveError):
        Receiver(model)(replace(soft, header=replace(sent.header, **WRONG[kind])))


def through_a_file(folder):
    def carry(sent):
        write_soft(folder / "x.safetensors", CHANNELS["awgn"](10.0, 0)(sent))
        return read_soft(folder / "x.safetensors", 0.0)

    return carry


TRANSPORTS = {
    **{name: lambda folder, kind=kind: kind(10.0, 0) for name, kind in CHANNELS.items()},
    "link": lambda folder: Link(CHANNELS["awgn"], 10.0, 0),
    "file": through_a_file,
    "modem": lambda folder: Modem(LinearModel()).over(SampleChannel(10.0, 300.7, offset=0.01, clock_ppm=30)),
}


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_transport_gives_symbols_their_noise_and_the_header(name, tmp_path):
    header = Header("faces-512", "0123456789ab", 2000, ("codes",), 512)
    symbols = unit_power(torch.randn(2, 2000, generator=torch.Generator().manual_seed(1)))
    soft = TRANSPORTS[name](tmp_path)(signal(symbols, header))
    assert soft.header == header
    assert soft.symbols.shape == soft.noise.shape == (2, 2000) and (soft.noise > 0).all()
    measured = (soft.symbols - symbols).square().mean(1)
    torch.testing.assert_close(measured, soft.noise.mean(1), rtol=0.15, atol=0)
