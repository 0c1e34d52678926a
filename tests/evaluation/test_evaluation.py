"""Schemes under one contract, the limit in closed form, and a run that resumes and reports what it measured."""

import csv
import io
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from semwave.air.channels import CHANNELS, Channel, make_channel
from semwave.apps.cli import app
from semwave.baselines import separation
from semwave.baselines.deep_jscc import LAYOUTS, DeepJSCC, DeepJSCCScheme, trained
from semwave.baselines.separation import (
    CODECS,
    SIDES,
    Encodings,
    Ideal,
    Separation,
    block_error_rate,
    capacity_bits,
    encode,
    fastest,
    search,
    transport_block,
)
from semwave.coding.codec import Codec
from semwave.errors import SemwaveError
from semwave.evaluation import fitted, paper, registry
from semwave.evaluation.figures import draw_matrix
from semwave.evaluation.fitted import Source, fit_codec
from semwave.evaluation.limit import Gap, attainable, gaps, least_error, variances
from semwave.evaluation.registry import KS, SCHEMES, find_scheme
from semwave.evaluation.report import claims, difference
from semwave.evaluation.run import SNRS_DB, Job, Measuring
from semwave.evaluation.scheme import DELIVERED, LOST, NOTHING_FITS, Delivered, Link, PerPicture, sent
from semwave.evaluation.store import Row
from semwave.pictures import metrics
from semwave.pictures.align import in_frame
from semwave.pictures.files import read_json
from semwave.pictures.images import read_image, to_tensor
from semwave.pictures.photos import find_photos
from semwave.training import deep_jscc as training
from semwave.training.loop import Schedule

SIZE = 512


@pytest.fixture(autouse=True)
def untrained_networks(monkeypatch):
    """Networks that were not trained in place of the shipped ones: fit for contracts, for no figure."""
    for k, layout in LAYOUTS.items():
        torch.manual_seed(0)
        network = DeepJSCC(layout).requires_grad_(False)
        monkeypatch.setitem(SCHEMES, f"deep-jscc-k{k}", lambda k=k, n=network: DeepJSCCScheme(f"deep-jscc-k{k}", "", n))


@pytest.fixture(scope="module")
def picture():
    """A smooth picture (1, 3, 512, 512)."""
    small = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(small, size=(SIZE, SIZE), mode="bicubic").clamp(-1, 1)


def link(snr_db=10.0, channel="awgn", seed=0):
    return Link(make_channel(channel), snr_db, torch.Generator().manual_seed(seed))


# The contract of every scheme


class Recorded(Channel):
    """A channel that keeps what entered and what left it."""

    def __init__(self, channel):
        super().__init__()
        self.channel, self.symbols, self.received, self.fadings = channel, [], [], []

    def fading(self, count, generator):
        return self.channel.fading(count, generator)

    def __call__(self, symbols, snr_db, generator):
        received = self.channel(symbols, snr_db, generator)
        self.symbols.append(symbols.flatten())
        self.received.append(received.symbols.flatten())
        self.fadings.append(received.fading.expand(symbols.numel() // 2))
        return received

    def powers(self):
        """Mean power of the complex symbols that entered, and of the noise in those that left."""
        x, y = (torch.cat(reals).reshape(-1, 2).double() / math.sqrt(2) for reals in (self.symbols, self.received))
        x, y = (torch.complex(reals[:, 0], reals[:, 1]) for reals in (x, y))
        return x.abs().square().mean().item(), (y - torch.cat(self.fadings) * x).abs().square().mean().item()


@pytest.fixture
def quick(linear_model, monkeypatch):
    """A small model for ours, small pictures in separation, and its code given rather than sought."""
    monkeypatch.setattr(separation, "SIDES", (16,))
    monkeypatch.setattr(separation, "fastest", lambda k, snr_db: transport_block(k, 12 if k == 256 else 5))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("name", [name for name in SCHEMES if not name.startswith("ideal")])
def test_the_snr_of_every_scheme_is_symbol_power_over_noise_power(name, channel, picture):
    scheme, recorded, snr_db = SCHEMES[name](), Recorded(make_channel(channel)), 7.0
    random = torch.Generator().manual_seed(0)
    k = int(name.split("-k")[1].split("-")[0])
    for i in range(-(-6_000 // k)):
        over = Link(recorded, snr_db, random)
        # Other pictures are other symbols: the power of QAM is one on average over those.
        delivered = sent(scheme, picture * 0.98**i, over)
        assert delivered.k == over.k == k
    signal, noise = recorded.powers()
    assert signal == pytest.approx(1, abs=0.03)
    assert 10 * math.log10(signal / noise) == pytest.approx(snr_db, abs=0.25)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_gives_a_picture_and_the_same_bits_again(name, picture):
    first, again = (sent(SCHEMES[name](), picture, link()) for _ in range(2))
    assert first.image.shape == picture.shape and first.image.abs().max() <= 1
    assert torch.equal(first.image, again.image) and first.outcome == again.outcome


def test_what_a_smaller_model_draws_is_enlarged(linear_model, picture):
    whole = sent(SCHEMES["faces-512-k256"](), picture, link()).image
    linear_model.size = 256
    enlarged = sent(SCHEMES["faces-512-k256"](), picture, link()).image
    assert enlarged.shape == picture.shape and not torch.equal(whole, enlarged)
    small = [torch.nn.functional.interpolate(image, 64, mode="area") for image in (whole, enlarged)]
    assert torch.allclose(*small, atol=0.05)


def test_a_link_measures_what_crosses_it():
    over = link(snr_db=3.0)
    over(2 * torch.ones(1, 20_000))
    assert over.k == 20_000
    assert over.signal_power == pytest.approx(4)
    assert over.noise_power == pytest.approx(10**-0.3, rel=0.05)
    unused = link()
    assert (unused.k, unused.signal_power, unused.noise_power) == (0, 0, 0)


def test_nine_of_ten_pictures_meet_the_reliable_snr():
    # Rayleigh: P(|h|^2 < x) = 1 - exp(-x), a tenth at -ln 0.9.
    assert link(10.0).reliable_snr_db == 10
    assert link(10.0, "rayleigh").reliable_snr_db == pytest.approx(10 + 10 * math.log10(-math.log(0.9)), abs=0.2)


class Own:
    """A scheme as a user writes one: the picture's mean colour, each number sent often."""

    name, key = "own", "1"

    def __init__(self, claimed=300, power=1.0, square=True):
        self.claimed, self.power, self.square = claimed, power, square

    def send(self, image, over):
        symbols = image.mean((2, 3)).repeat(1, 100)
        scale = symbols.square().mean().sqrt()
        received = over(symbols / scale * self.power**0.5).symbols
        colour = (received * scale).reshape(100, 3).mean(0)
        size = image.shape[-1]
        return Delivered(colour[None, :, None, None].expand(1, 3, size, size if self.square else 1), self.claimed)


def test_what_breaks_the_rules_is_refused(picture):
    assert sent(Own(), picture, link()).k == 300
    with pytest.raises(SemwaveError, match="300 crossed"):
        sent(Own(claimed=30), picture, link())
    with pytest.raises(SemwaveError, match="mean square 2"):
        sent(Own(power=2.0), picture, link())
    with pytest.raises(SemwaveError, match="not a picture"):
        sent(Own(square=False), picture, link())


def test_what_is_made_of_a_picture_is_made_once(picture):
    made = []
    once = PerPicture(lambda image: made.append(image) or len(made))
    assert [once(picture), once(picture), once(picture.clone()), once(picture)] == [1, 1, 2, 3]


# Separation


@pytest.fixture(scope="module")
def encoded():
    squares = np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    return Encodings(to_tensor(squares))


@settings(deadline=None, max_examples=15)
@given(st.integers(4, 3000))
def test_the_best_encoding_fits_and_is_what_its_frame_holds(encoded, budget):
    best = encoded.best(budget)
    if best is not None:
        assert len(best.frame) <= budget
        assert best.frame.endswith(best.payload) and len(best.frame) == len(best.payload) + separation.SIDE_INFORMATION
        assert best.mse == pytest.approx(np.square(best.picture.astype(float) - encoded.original).mean(), rel=1e-5)


def test_the_search_finds_what_trying_every_quality_finds(monkeypatch):
    """It bisects, though now and then a finer quality is smaller, or worse: what that costs must stay small."""
    monkeypatch.setattr(separation, "SIDES", (64, 32))
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((64, 64))
    tried = []
    for codec, side, quality in product(CODECS, separation.SIDES, range(101)):
        file = encode(picture.resize((side, side), Image.Resampling.LANCZOS), codec, quality)
        with Image.open(io.BytesIO(file)) as decoded:
            large = np.array(decoded.convert("RGB").resize((64, 64), Image.Resampling.LANCZOS), float)
        size = len(file) - CODECS[codec].header(file) + separation.SIDE_INFORMATION
        tried.append((size, np.square(large - np.array(picture)).mean()))
    found = Encodings(to_tensor(np.array(picture)))
    budgets = range(100, 1000, 20)
    lost_db = [10 * math.log10(found.best(b).mse / min(mse for size, mse in tried if size <= b)) for b in budgets]
    assert min(lost_db) >= -1e-4
    assert np.mean(lost_db) < 0.05


@pytest.mark.parametrize("codec", CODECS)
def test_threads_that_share_a_picture_encode_it_each_at_its_own_quality(codec):
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    qualities = list(range(5, 95)) * 3
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(lambda quality: encode(picture, codec, quality), qualities))
    assert at_once == [encode(picture.copy(), codec, quality) for quality in qualities]


def test_nothing_fits_into_nothing(encoded):
    assert encoded.best(10) is None


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("side", SIDES[2:])
def test_what_is_not_sent_of_a_file_the_receiver_knows(codec, side):
    """Header and payload of two pictures, put together with the lengths of the second, are the second file."""
    source = np.random.default_rng(side)
    plain, noisy = Image.new("RGB", (side, side), (9, 80, 70)), source.integers(0, 256, (side, side, 3), dtype=np.uint8)
    files = encode(plain, codec, 10), encode(Image.fromarray(noisy), codec, 60)
    sizes = [CODECS[codec].header(file) for file in files]
    assert sizes[0] == sizes[1] < 300
    differ = [i for i in range(sizes[0]) if files[0][i] != files[1][i]]
    # Two numbers of four bytes at most: lengths, which follow from how much arrives.
    assert len({i // 4 for i in differ}) <= 4 and len(differ) <= 8
    with Image.open(io.BytesIO(files[1])) as decoded:
        assert decoded.size == (side, side)


@pytest.mark.parametrize("k, mcs", [(256, 2), (256, 9), (256, 16), (256, 25), (12288, 2)])
def test_a_transport_block_comes_back_and_its_crc_tells_when_not(k, mcs):
    block, channel = transport_block(k, mcs), make_channel("awgn")
    bits = torch.randint(2, (3, block.size), generator=torch.Generator().manual_seed(mcs)).float()
    symbols = block.modulate(bits)
    assert symbols.shape == (3, k)
    received, intact = block.demodulate(channel(symbols, 40.0, torch.Generator().manual_seed(0)))
    assert torch.equal(received, bits) and intact.all()
    _, intact = block.demodulate(channel(symbols, -15.0, torch.Generator().manual_seed(0)))
    assert not intact.any()


def test_fading_that_is_known_is_taken_back():
    block = transport_block(256, 5)
    bits = torch.randint(2, (20, block.size), generator=torch.Generator().manual_seed(1)).float()
    received, _ = block.demodulate(
        make_channel("rayleigh")(block.modulate(bits), 45.0, torch.Generator().manual_seed(0))
    )
    assert torch.equal(received, bits)


def test_capacity():
    assert capacity_bits(256, 0.0) == 128  # a bit a complex symbol at 0 dB
    assert capacity_bits(2560, 10 * math.log10(3)) == pytest.approx(2560)


def test_codes_are_chosen_below_capacity_and_above_them_lies_the_cliff():
    chosen = {snr_db: search(256, snr_db) for snr_db in (-9.8, 5.0, 15.0)}
    assert chosen[-9.8] is None  # Sionna has no code of so low a rate
    for snr_db in (5.0, 15.0):
        block = chosen[snr_db]
        assert 0.4 * capacity_bits(256, snr_db) < block.size < capacity_bits(256, snr_db)
        assert block_error_rate(block, snr_db) <= 0.01
        assert block_error_rate(block, snr_db - 4, blocks=20) > 0.5
    assert chosen[15.0].size > chosen[5.0].size
    assert all(fastest(256, snr_db) is block for snr_db, block in chosen.items())  # what is kept is what is found


def test_a_code_that_nobody_searched_for_is_searched_for(monkeypatch):
    monkeypatch.setattr(separation, "search", lambda k, snr_db: (k, snr_db))
    assert fastest(256, 7.3) == (256, 7.3) and fastest(128, 10.0) == (128, 10.0)
    assert fastest(2560, 10.0).mcs == 11 and fastest(2560, -9.8) is None


@pytest.mark.parametrize("k", KS)
def test_every_code_that_the_evaluation_needs_is_kept(k):
    links = [Link(CHANNELS[name](), snr_db, None) for name in CHANNELS for snr_db in SNRS_DB]
    assert {f"{round(link.reliable_snr_db, 1):g}" for link in links} == set(read_json(separation.CODES)[str(k)])


def test_a_code_for_10_db_arrives_above_it_and_is_lost_below(picture):
    scheme = Separation(256, design_snr_db=10.0)
    above, below = (sent(scheme, picture, link(snr_db)) for snr_db in (15.0, 3.0))
    assert above.outcome == DELIVERED and above.image.std() > 0
    assert below.outcome == LOST and below.image.eq(0).all()
    assert above.note == below.note and "MCS" in above.note


def test_where_nothing_fits_the_row_says_so(picture):
    assert sent(Separation(256), picture, link(0.0)).outcome == NOTHING_FITS
    over = link(0.0)
    delivered = sent(Ideal(64), picture, over)
    assert delivered.outcome == NOTHING_FITS and delivered.note == "4 bytes" and over.k == 0


def test_an_ideal_code_is_never_worse_than_the_real_one(picture, monkeypatch):
    monkeypatch.setattr(separation, "SIDES", (24, 16))
    for snr_db in (10.0, 20.0):
        real, ideal = (sent(scheme, picture, link(snr_db)).image for scheme in (Separation(256), Ideal(256)))
        assert (ideal - picture).square().mean() <= (real - picture).square().mean() + 1e-6


# Deep JSCC


@pytest.mark.parametrize("k, layout", LAYOUTS.items())
def test_deep_jscc_keeps_its_ratio_at_every_size(k, layout):
    network = DeepJSCC(layout)
    for height, width in ((512, 512), (64, 128)):
        images = torch.rand(2, 3, height, width) * 2 - 1
        with torch.no_grad():
            symbols = network.encode(images)
            assert network.decode(symbols, height, width).shape == images.shape
        assert symbols.shape[1] * SIZE**2 == k * height * width
        torch.testing.assert_close(symbols.square().mean(1), torch.ones(2))
    with pytest.raises(SemwaveError, match="multiple of"):
        network.encode(torch.zeros(1, 3, 50, 50))


def test_the_published_layers():
    """Bourtsoulatze et al., Fig. 2: 5x5 kernels, 16, 32, 32, 32 and c channels, the first two layers strided."""
    convolutions = [layer for layer in DeepJSCC(LAYOUTS[32768]).encoder if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [16, 32, 32, 32, 2]
    assert [layer.stride[0] for layer in convolutions] == [2, 2, 1, 1, 1]
    assert {layer.kernel_size for layer in convolutions} == {(5, 5)}


def test_training_goes_on_until_a_round_gains_nothing(tmp_path, monkeypatch):
    reached = iter([10.0, 14.0, 15.0, 15.01])
    monkeypatch.setattr(training, "validation_psnr", lambda *_: next(reached))
    monkeypatch.setattr(training, "VALIDATE_EVERY", 10**9)
    monkeypatch.setattr(training, "CROPS", {4: 32})
    rounds = []
    monkeypatch.setattr(training, "fit", lambda model, loss, schedule, run, precision: rounds.append(run.name))
    photos = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    training.train_deep_jscc(DeepJSCC(LAYOUTS[32768]), photos, photos, photos, tmp_path, Schedule(1, 2, 1e-3))
    assert rounds == ["round-1", "round-2", "round-3"]


def test_training_learns_and_its_weights_are_found_again(tmp_path, monkeypatch, picture):
    monkeypatch.setattr(training, "FLAT_DB", 100.0)
    monkeypatch.setattr(training, "CROPS", {4: 32})
    photos = torch.nn.functional.interpolate(picture, size=(64, 64)).add(1).mul(127.5).to(torch.uint8)
    torch.manual_seed(0)
    network = DeepJSCC(LAYOUTS[32768])
    before = training.validation_psnr(network, photos)
    schedule = Schedule(60, 4, 1e-2, warmup=5)
    training.train_deep_jscc(network, photos, photos, photos, tmp_path / "run", schedule, precision="no")
    assert training.validation_psnr(network, photos) > before + 0.5
    training.save_network(network, tmp_path / "k32768.safetensors")
    found = trained(32768, tmp_path)
    assert training.validation_psnr(found.network, photos) == pytest.approx(
        training.validation_psnr(network, photos), abs=0.1
    )
    with pytest.raises(SemwaveError, match="train deep-jscc --k 2560"):
        trained(2560, tmp_path)


# The limit


@settings(deadline=None)
@given(st.floats(0.01, 100), st.integers(1, 500), st.integers(1, 1000), st.floats(-10, 30))
def test_the_limit_of_a_white_source(variance, size, pairs, snr_db):
    """D = variance (1 + SNR)^(-k/d) a number (Shannon)."""
    k, snr = 2 * pairs, 10 ** (snr_db / 10)
    found = attainable(torch.full((size,), variance), k, snr_db)
    assert found == pytest.approx(size * variance * (1 + snr) ** (-k / size), rel=1e-6, abs=1e-12)


def test_the_limit_of_two_numbers():
    """Cover and Thomas, 10.3.3: the weaker number is left out until the level reaches its variance."""
    variances = torch.tensor([4.0, 1.0])
    assert least_error(variances, 0) == pytest.approx(5)
    assert least_error(variances, 0.5 * math.log2(2)) == pytest.approx(2 + 1)
    assert least_error(variances, 0.5 * math.log2(4 / 0.5) + 0.5 * math.log2(1 / 0.5)) == pytest.approx(1)


def test_the_variances_of_a_source_along_its_axes():
    random = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=random))[0]
    known, seen = (torch.randn(20_000, 3, generator=random) * torch.tensor([1.0, 2.0, 3.0]) @ turn + 5 for _ in "ab")
    found = variances(known[:, None], seen[:, None])
    torch.testing.assert_close(found, torch.tensor([1.0, 4.0, 9.0]).double(), rtol=0.05, atol=0)


def test_few_samples_of_a_white_source_do_not_make_it_look_coloured():
    known, seen = (torch.randn(n, 20, 20, generator=torch.Generator().manual_seed(n)) for n in (60, 2000))
    # Along its own axes the sample of 60 has variances above 3, and none in 340 of the 400 dimensions.
    torch.testing.assert_close(variances(known, seen), torch.ones(400).double(), rtol=0.25, atol=0)


def test_the_gap_of_a_codec_that_is_known():
    """Of 4 groups of 16 numbers the first is sent as it is, the others are not: noise and those are lost."""
    random = torch.Generator().manual_seed(1)
    known = torch.randn(400, 4, 16, generator=random)
    source = Source(torch.cat([known, -known]), 0, torch.zeros(0), 2 * torch.eye(16).expand(4, 16, 16))

    class First:
        k = 16

        def encode(self, n):
            return n[:, 0]

        def decode(self, symbols, snr_db):
            return torch.cat([symbols[:, None], torch.zeros(len(symbols), 3, 16)], 1)

    sent = {f"photo-{i}": torch.randn(1, 4, 16, generator=random) for i in range(300)}
    plain, weighted = gaps(sent, source, {"first": First()}, [10.0], seed=0)
    assert (plain.weighted, weighted.weighted) == (False, True)
    assert plain.measured == pytest.approx((3 + 0.1) / 4, rel=0.03)
    assert plain.attainable == pytest.approx(11 ** (-16 / 64), rel=0.03)
    assert weighted.measured == pytest.approx(plain.measured) and weighted.db == pytest.approx(plain.db)


def test_a_gap_in_db():
    assert Gap("x", 10.0, False, measured=0.4, attainable=0.2).db == pytest.approx(3.01, abs=0.01)


# Fitted codecs


def test_a_codec_fitted_through_noise_withstands_it(tmp_path):
    random = torch.Generator().manual_seed(0)
    used = fitted.used_coordinates()
    source = Source(torch.randn(200, 28, 256, generator=random) * used, 0, torch.randn(40, 28, 256) * used, metric())
    schedule = replace(fitted.SCHEDULE, steps=3, batch=8, checkpoint_every=3)
    errors = {}
    for noisy in (True, False):
        path = tmp_path / f"{noisy}.safetensors"
        fit_codec(source, 16, noisy, path, seed=0, width=4, schedule=schedule)
        codec = Codec(16, 4)
        codec.load_state_dict(fitted.load_file(path))
        with torch.no_grad():
            received = make_channel("awgn")(codec.encode(source.held_out), 5.0, torch.Generator().manual_seed(0))
            arrived = codec.decode(received.symbols, received.snr_db)
        errors[noisy] = source.errors(source.held_out, arrived).mean()
    assert errors[True] < source.held_out.square().sum((1, 2)).mean() * 1.02
    assert sorted(path.name for path in tmp_path.iterdir()) == ["False.safetensors", "True.safetensors"]


def metric():
    return torch.diag_embed(fitted.used_coordinates().float())


# The run


class Counted(Own):
    """Counts what it sends; interrupts where it is told to."""

    name = "counted"

    def __init__(self, key="1", most=math.inf):
        super().__init__()
        self.key, self.most, self.sent = key, most, 0

    def send(self, image, over):
        self.sent += 1
        if self.sent > self.most:
            raise KeyboardInterrupt
        return super().send(image, over)


@pytest.fixture
def photos(tmp_path, squares):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(squares(i)).save(folder / f"photo-{i}.png")
    return folder


def distance(a, b):
    return (a - b).abs().mean((1, 2, 3))


def measure(tmp_path, photos, scheme, seed=0):
    from rich.console import Console

    measuring = Measuring(tmp_path / "measured", seed, distance, align_faces=False, size=64)
    return measuring([Job(scheme)], find_photos([photos]), Console(quiet=True))


def test_a_run_goes_on_where_it_was_stopped(tmp_path, photos):
    whole = measure(tmp_path / "whole", photos, Counted())
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, photos, Counted(most=2 * len(SNRS_DB) + 1))
    rest = Counted()
    assert measure(tmp_path, photos, rest) == whole
    assert rest.sent == len(SNRS_DB)
    assert not list((tmp_path / "measured").rglob("*.part"))


@pytest.mark.parametrize("change", ["weights", "seed", "photo"])
def test_what_results_depend_on_makes_them_anew(change, tmp_path, photos, squares):
    measure(tmp_path, photos, Counted())
    if change == "photo":
        Image.fromarray(squares(9)).save(photos / "photo-0.png")
    again = Counted(key="2" if change == "weights" else "1")
    measure(tmp_path, photos, again, seed=1 if change == "seed" else 0)
    assert again.sent == len(SNRS_DB) * (1 if change == "photo" else 3)


def test_a_photo_that_cannot_be_read_stops_no_other(tmp_path, photos):
    (photos / "photo-1.png").write_text("no picture")
    rows, failures = measure(tmp_path, photos, Counted())
    assert {row.photo for row in rows} == {"photo-0", "photo-2"}
    assert len(failures) == 1 and "photo-1.png" in failures[0]


def test_rows_hold_what_was_measured(tmp_path, photos):
    rows, _ = measure(tmp_path, photos, Own())
    row = next(row for row in rows if row.photo == "photo-0" and row.snr_db == 20)
    sent_picture = in_frame(read_image(photos / "photo-0.png"), 64).astype(float)
    flat = np.square(sent_picture - sent_picture.mean((0, 1))).mean()
    assert row.psnr_db == pytest.approx(10 * math.log10(255**2 / flat), abs=0.1)
    assert row.k == 300 and row.signal_power == pytest.approx(1, abs=1e-4)
    assert row.noise_power == pytest.approx(0.01, rel=0.3) and row.outcome == DELIVERED


# The report


def rows_of(scheme, k, values, channel="awgn"):
    """Rows of three photos; ``values`` are (PSNR, LPIPS) by SNR."""
    return [
        Row(f"p{i}", scheme, channel, snr_db, k, quality + i, lpips + i / 100, 1.0, 0.1, DELIVERED, "")
        for snr_db, (quality, lpips) in values.items()
        for i in range(3)
    ]


def verdicts(rows):
    return {claim.text: claim for claim in claims(rows)}


@pytest.mark.parametrize("better", [True, False])
def test_verdicts_follow_the_numbers(better):
    lpips = 0.3 if better else 0.6
    loss = 0.5 if better else 0.9
    curve = {5.0: (19.0 - loss, lpips), 10.0: (18.9, lpips), 20.0: (19.0, lpips)}
    rows = rows_of("m-k256", 256, curve) + rows_of("m-k2560", 2560, curve)
    rows += rows_of("deep-jscc-k2560", 2560, {10.0: (20.0, 0.5)})
    rows += rows_of("deep-jscc-k32768", 32768, {10.0: (20.0, 0.5), 20.0: (21.0, 0.5)})
    found = verdicts(rows)
    for ratio in ("1/3072", "10/3072"):
        told = found[f"m at {ratio} has a better LPIPS than Deep JSCC at 10/3072, at 10 dB"]
        assert told.holds == better and f"{lpips - 0.5:+.3f}" in told.measured
        told = found[f"so has it a better PSNR, with {ratio}"]
        assert not told.holds and "-1.10" in told.measured
    told = next(claim for text, claim in found.items() if "PSNR of m at k = 256 is flat" in text)
    assert told.holds == better and f"{loss:+.2f}" in told.measured


def test_the_flow_is_judged_at_every_ratio():
    rows = []
    for k, gain in ((256, 0.2), (512, -0.1)):
        rows += rows_of(f"m-fitted-k{k}", k, {10.0: (19.0 + gain, 0.3)})
        rows += rows_of(f"m-fitted-k{k}-no-flow", k, {10.0: (19.0, 0.3)})
    (claim,) = (claim for text, claim in verdicts(rows).items() if "flow" in text)
    assert not claim.holds and "+0.050 dB" in claim.measured and "1 of 2" in claim.measured


def test_a_difference_is_taken_photo_by_photo():
    a = [Row(f"p{i}", "a", "awgn", 10.0, 2, v, 0.0, 1, 1, DELIVERED, "") for i, v in enumerate((1.0, 5.0, 9.0))]
    b = [Row(f"p{i}", "b", "awgn", 10.0, 2, v, 0.0, 1, 1, DELIVERED, "") for i, v in enumerate((0.0, 3.0, 6.0))]
    found = difference(a, b, "psnr_db")
    assert found.mean == 2 and found.half == pytest.approx(1.96 / math.sqrt(3))
    assert f"{found:.2f}" == "+2.00 ± 1.13"


def test_the_matrix_shows_what_was_sent_once_and_all_that_arrived(tmp_path):
    red, blue = (np.full((128, 128, 3), colour, dtype=np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    arrived = {(scheme, snr_db): blue for scheme in ("a-k256", "b-k2560") for snr_db in (0.0, 10.0)}
    drawn = read_image(draw_matrix(red, arrived, tmp_path / "matrix")[0]).astype(int)
    shown = {
        name: (np.abs(drawn - colour).max(-1) < 9).sum() for name, colour in (("red", red[0, 0]), ("blue", blue[0, 0]))
    }
    assert shown["red"] > 1000 and shown["blue"] == pytest.approx(4 * shown["red"], rel=0.05)


# The command


class MeanDifference(torch.nn.Module):
    """Stands for LPIPS, whose weights tests do not have."""

    def __init__(self, backbone, folder):
        super().__init__()

    def seen(self, images):
        return [images]

    def between(self, a, b):
        return distance(*a, *b)


@pytest.fixture
def semwave(tmp_path, monkeypatch, linear_model):
    """Runs the command in a folder that holds own.py with the scheme Blur."""
    monkeypatch.setattr(metrics, "LPIPS", MeanDifference)
    monkeypatch.setattr(paper, "GENERATED", 0)
    monkeypatch.setattr(paper.align, "align", lambda photo, size: photo)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from semwave.evaluation.scheme import Delivered\n"
        "class Blur:\n"
        "    name, key = 'blur', '1'\n"
        "    def send(self, image, link):\n"
        "        return Delivered(image.mean((2, 3), keepdim=True).expand_as(image), k=6)\n"
        "class Broken:\n"
        "    pass\n"
    )
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="semwave")


def test_an_own_scheme_beside_a_shipped_one(semwave, photos, tmp_path):
    schemes = "--scheme", "own:Blur", "--scheme", "faces-512-k256"
    ran = semwave("evaluate", "--data", photos, "--no-align", "--limit", 2, "--out", "out", *schemes)
    assert ran.exit_code == 0, ran.output
    with (tmp_path / "out" / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["scheme"] for row in rows} == {"blur", "faces-512-k256"}
    assert len(rows) == 2 * 2 * 2 * len(SNRS_DB)
    text = (tmp_path / "out" / "results.md").read_text()
    assert "--scheme own:Blur" in text and "2 of photos" in text and "| blur | 6 |" in text
    assert str(tmp_path) not in text
    drawn = sorted(path.name for path in (tmp_path / "out" / "results").iterdir())
    curves = [f"figure-{n}{c}.{kind}" for n in (3, 4) for c in ("", "-rayleigh") for kind in ("png", "svg")]
    assert drawn == sorted([*curves, "pictures-astronaut.png", "pictures-astronaut.svg", "rows.csv"])
    assert all(f"results/{name}" in text for name in drawn if name.endswith(".png"))

    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "results").iterdir()}
    again = semwave("figures", "paper", "--out", "out", "--report", "docs/results.md")
    assert again.exit_code == 0, again.output
    assert {path.name: path.read_bytes() for path in (tmp_path / "docs" / "results").iterdir()} == before
    assert (tmp_path / "docs" / "results.md").read_text() == text


REFUSED = [
    (["--scheme", "telepathy"], "unknown scheme 'telepathy'; the schemes are faces-512-k256"),
    (["--scheme", "nowhere:Blur"], "nowhere"),
    (["--scheme", "own:Missing"], "Missing"),
    (["--scheme", "own:Broken"], "needs name, key and send"),
    (["--data", "no/such/folder"], "no such file or folder"),
    (["--limit", "0"], "--limit"),
    (["--out", "own.py"], "is not a folder"),
    (["--report", "results"], "ends in .md"),
]


@pytest.mark.parametrize("options, message", REFUSED, ids=[" ".join(options) for options, _ in REFUSED])
def test_what_cannot_be_evaluated_is_refused(options, message, semwave, photos, tmp_path):
    before = {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts}
    ran = semwave("evaluate", "--data", photos, "--no-align", "--scheme", "own:Blur", *options)
    assert ran.exit_code == 2 and message in ran.stderr, ran.output
    assert len(ran.stderr.splitlines()) == 1 and ran.stderr.startswith("semwave: ")
    assert {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts} == before


def test_figures_of_nothing_are_refused(semwave):
    ran = semwave("figures", "paper", "--out", "out")
    assert ran.exit_code == 2 and "semwave evaluate" in ran.stderr


def test_the_paper_needs_every_scheme(monkeypatch):
    monkeypatch.setattr(registry, "SCHEMES", SCHEMES)
    assert {"deep-jscc-k2560", "deep-jscc-k32768", "separation-k2560-for-10dB", "ideal-k256"} <= set(SCHEMES)
    with pytest.raises(SemwaveError, match="unknown scheme"):
        find_scheme("paper")
