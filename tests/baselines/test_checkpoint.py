"""A checkpoint of the authors sends photographs by itself: inverted, coded, drawn."""

from argparse import Namespace

import pytest
import torch
from typer.testing import CliRunner

from semwave import Receiver, SemwaveError, Transmitter
from semwave.air.channels import AWGN
from semwave.apps.cli import app
from semwave.baselines.checkpoint import CheckpointModel
from semwave.generators.official import SIZES
from semwave.generators.semantic_stylegan import Architecture, SemanticStyleGAN
from semwave.model import load_model
from semwave.pictures.images import read_image
from semwave.pictures.metrics import psnr
from semwave.pictures.photos import write_picture
from semwave.types import Scene

TINY = Architecture(size=32, coarse_size=16, smallest_size=8, mapping_layers=2, local_channels=8, coarse_channels=16)


def saved(path, architecture):
    """A checkpoint as the authors' training writes it, with random weights."""
    torch.manual_seed(0)
    generator = SemanticStyleGAN(architecture)
    args = Namespace(**{name: getattr(architecture, ours) for name, ours in SIZES.items()})
    torch.save({"g_ema": generator.state_dict(), "args": args}, path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("checkpoint") / "authors.pt", TINY)


@pytest.fixture(scope="module")
def model(path):
    return load_model(str(path))


def test_it_is_a_model(model):
    assert isinstance(model, CheckpointModel) and model.config.name == "authors.pt"
    assert model.config.sizes == (32,) and model.config.highest_k == 512
    assert model.config.flow is None and model.config.layout.mask_numbers == 0
    codes = model.sample(3, torch.Generator().manual_seed(1))
    assert codes.shape == (3, 28, 512) and torch.equal(codes, model.sample(3, torch.Generator().manual_seed(1)))
    # Base codes are one face's; some parts are another's.
    assert torch.equal(codes[:, 0], codes[:, 1]) and not torch.equal(codes, codes[:, :1].expand_as(codes))
    again = model.space.codes(model.space.coordinates(codes))
    torch.testing.assert_close(model.space.codes(model.space.coordinates(again)), again, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("k, most", [(256, 0.8), (512, 0.7)])
def test_codes_arrive_the_better_the_less_noise_there_is(model, k, most):
    codes = model.sample(16, torch.Generator().manual_seed(2))
    sent = model.encode(Scene(torch.zeros(16, 3, 32, 32), codes=codes), k)
    assert sent.header.layers == ("codes",)
    torch.testing.assert_close(sent.iq.abs().square().mean(1), torch.ones(16), atol=1e-3, rtol=1e-3)
    errors = [
        (model.decode(AWGN(snr_db, 0)(sent)).codes - codes).square().mean().item() for snr_db in (20.0, 10.0, 0.0)
    ]
    assert errors == sorted(errors) and errors[0] < most * (codes - model.space.mean).square().mean()


def test_descent_comes_closer_than_the_mean_face(model):
    with torch.no_grad():
        face = model.generate(model.sample(1, torch.Generator().manual_seed(3)), 32).image.clamp(-1, 1)
        mean = model.generate(model.space.mean.expand(1, 28, -1), 32).image
    transmitter = Transmitter(model, refine_steps=30)
    scene = transmitter.scene(face)
    with torch.no_grad():
        found = model.generate(scene.codes, 32).image
    assert psnr(found, face, data_range=2) > psnr(mean, face, data_range=2) + 1
    assert Receiver(model)(AWGN(20.0, 0)(transmitter.encode(scene))).shape == face.shape


def test_the_command_sends_a_photo_with_it(path, model, tmp_path):
    photo, out = tmp_path / "face.png", tmp_path / "out"
    with torch.no_grad():
        write_picture(photo, model.generate(model.sample(1, torch.Generator()), 32).image)
    command = ["send", str(photo), "--model", str(path), "--no-align", "--refine-steps", "2", "--out", str(out)]
    ran = CliRunner().invoke(app, command, prog_name="semwave")
    assert ran.exit_code == 0, ran.output
    assert read_image(out / "face.received.png").shape == (32, 32, 3)


def test_what_cannot_send_is_refused(tmp_path, path):
    with pytest.raises(SemwaveError, match=r"missing\.pt"):
        load_model(str(tmp_path / "missing.pt"))
    other = Architecture(
        size=32, coarse_size=16, smallest_size=8, mapping_layers=2, local_channels=8, coarse_channels=16,
        parts=12, transparent=(10,),
    )  # fmt: skip
    with pytest.raises(SemwaveError, match="26 codes"):
        load_model(str(saved(tmp_path / "other.pt", other)))
