"""The shipped model is held to what it gives today, on a face that it draws itself."""

import json

import pytest
import torch
from typer.testing import CliRunner

from semwave import Receiver, Transmitter
from semwave.air.channels import channel_class
from semwave.apps.cli import app
from semwave.model import load_model
from semwave.pictures.metrics import psnr
from semwave.types import Inversion, Scene
from semwave.zoo import WEIGHTS

# k, and PSNR in dB of the face of seed 0 at 512 px over AWGN at 10 dB with noise of seed 0.
GOLDEN = {64: 19.22, 256: 22.13, 2560: 24.63, 32768: 29.3}
CODES_ALONE = {256: 21.6, 512: 22.08}
# The same of the other model, by size.
PAPERS, GOLDEN_OF_PAPERS = (
    "semantic-stylegan-512",
    {(128, 256): 22.56, (128, 2560): 26.08, (512, 256): 21.78, (512, 2560): 24.46},
)
NOT_THE_MODEL = 12.0


@pytest.fixture(scope="module")
def face():
    model = load_model("faces-512")
    codes = model.sample(1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model.generate(codes, 512).image.clamp(-1, 1)


def send(face, k, snr_db, channel="awgn", size=512, layers=None, model="faces-512"):
    soft = channel_class(channel)(snr_db, 0)(Transmitter(model, k, layers)(face))
    return Receiver(model, size)(soft)


@pytest.mark.parametrize(
    "k, golden, layers",
    [(*row, layers) for layers, rows in ((None, GOLDEN), (("codes",), CODES_ALONE)) for row in rows.items()],
    ids=str,
)
def test_golden(face, k, golden, layers):
    quality = psnr(send(face, k, 10.0, layers=layers).clamp(-1, 1), face, data_range=2).item()
    assert quality == pytest.approx(golden, abs=0.2)
    assert quality > NOT_THE_MODEL


@pytest.mark.parametrize("size, k", GOLDEN_OF_PAPERS)
def test_golden_of_the_semantic_stylegan(face, size, k):
    seen = torch.nn.functional.avg_pool2d(face, 512 // size)
    picture = send(face, k, 10.0, size=size, model=PAPERS).clamp(-1, 1)
    quality = psnr(picture, seen, data_range=2).item()
    assert quality == pytest.approx(GOLDEN_OF_PAPERS[size, k], abs=0.2) and quality > NOT_THE_MODEL


@pytest.mark.parametrize(
    "k, layers, most", [*((k, None, 2.0) for k in GOLDEN), *((k, ("codes",), 1.2) for k in CODES_ALONE)]
)
def test_noise_costs_little_down_to_5_db(face, k, layers, most):
    pictures = (send(face, k, snr_db, layers=layers).clamp(-1, 1) for snr_db in (10.0, 5.0))
    good, noisy = (psnr(picture, face, data_range=2).item() for picture in pictures)
    assert good - most < noisy


def test_same_seed_same_bits(face):
    assert torch.equal(send(face, 256, 10.0), send(face, 256, 10.0))


def test_symbols_have_unit_power(face):
    for k in GOLDEN:
        assert Transmitter(k=k)(face).iq.abs().square().mean().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("size", [256, 1024])
def test_other_sizes_from_the_same_symbols(face, size):
    small = torch.nn.functional.interpolate(face, size=(size, size), mode="bilinear", antialias=True)
    picture = send(face, 2560, 10.0, size=size).clamp(-1, 1)
    assert picture.shape == small.shape
    assert psnr(picture, small, data_range=2).item() > NOT_THE_MODEL


def test_rayleigh_fading(face):
    assert psnr(send(face, 2560, 15.0, "rayleigh").clamp(-1, 1), face, data_range=2).item() > NOT_THE_MODEL


def test_masks_of_a_face_show_a_face(face):
    model = load_model()
    with torch.no_grad():
        masks = model.generate(model.invert(Scene(face)), 256).masks[0]
    share = masks.mean((1, 2))
    assert share[1] > 0.1 and share[7] > 0.02  # skin and hair
    assert torch.allclose(masks.sum(0), torch.ones(64, 64), atol=1e-4)


def test_refinement_brings_what_arrives_closer(face):
    model = load_model()
    with torch.no_grad():
        start = psnr(model.generate(model.invert(Scene(face)), 256).image, pooled(face), data_range=2)
        codes = model.invert(Scene(face), Inversion(steps=5))
        assert psnr(model.generate(codes, 256).image, pooled(face), data_range=2) > start


def pooled(image):
    return torch.nn.functional.avg_pool2d(image, 2)


def test_weights_stay_small():
    sizes = [file.stat().st_size for file in WEIGHTS.rglob("*.safetensors")]
    assert max(sizes) <= 50 * 2**20 and sum(sizes) <= 100 * 2**20


@pytest.mark.fetched
def test_bench_measures_every_stage(tmp_path):
    report = tmp_path / "bench.json"
    result = CliRunner().invoke(app, ["bench", "--seconds", "0.1", "--runs", "1", "--report", str(report)])
    assert result.exit_code == 0, result.output
    measured = json.loads(report.read_text())
    rows = {row["stage"]: row for row in measured["stages"]}
    for stage in ("import semwave", "load the model", "align, 512 px", "invert", "decode, k = 256", "receive"):
        row = next(row for name, row in rows.items() if name.startswith(stage))
        assert row["median"] > 0 and row["images_per_second"] > 0 and stage.split(",")[0] in result.stdout
    # Weights alone are 35 million numbers of 4 bytes; the most that a run should take is 1.3 GiB.
    assert 150 < rows["semwave send PHOTO, shell to files"]["peak_memory_mib"] < 1331
    assert measured["machine"]["threads"] >= 1
