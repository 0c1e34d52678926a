"""What examples/ shows works: a channel, a scheme and a model of one's own, by name and from entry points."""

import importlib
import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from semwave import Privacy, Receiver, SemwaveError, Transmitter, air, plugins
from semwave.air.channels import CHANNELS, channel_class
from semwave.apps.cli import app
from semwave.evaluation.registry import SCHEMES, find_scheme
from semwave.evaluation.scheme import facts_of
from semwave.model import load_model
from semwave.pictures.images import to_uint8, write_png
from semwave.pictures.metrics import psnr
from semwave.privacy.knowledge import build
from semwave.zoo import MODELS, config_of

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty working folder from which the examples can be imported; registers are as before afterwards."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(tmp_path)
    before = [(register, dict(register)) for register in (MODELS, CHANNELS)]
    yield tmp_path
    for register, entries in before:
        register.clear()
        register.update(entries)


def semwave(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="semwave")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_channel_of_ones_own(workplace, linear_model, photo):
    kind = channel_class("channel:Rician")
    power = kind.fading(20_000, torch.Generator().manual_seed(0)).abs().square()
    assert power.mean().item() == pytest.approx(1, abs=0.02) and power.std().item() < 0.5
    semwave("send", photo, "--no-align", "--size", 256, "--channel", "channel:Rician", "--out", "out")
    assert json.loads(Path("out/report.json").read_text())[0]["channel"] == "channel:Rician"
    with pytest.raises(SemwaveError, match="is not a channel"):
        channel_class("scheme:Thumbnail")
    with pytest.raises(SemwaveError, match="cannot be had: ModuleNotFoundError"):
        channel_class("nowhere:Channel")


def test_a_scheme_of_ones_own(workplace, photos):
    semwave("evaluate", "--data", photos, "--no-align", "--scheme", "scheme:Thumbnail", "--out", "out")
    assert "thumbnail-k768" in (workplace / "out" / "rows.csv").read_text()


def test_a_scheme_of_an_installed_package_is_evaluated(workplace, photos, monkeypatch):
    point = EntryPoint("thumbnail", "scheme:Thumbnail", "semwave.schemes")
    monkeypatch.setattr(plugins, "_installed", lambda group: {"thumbnail": point} if group == point.group else {})
    semwave("evaluate", "--data", photos, "--no-align", "--scheme", "thumbnail", "--channel", "awgn", "--out", "out")
    assert "thumbnail-k768" in (workplace / "out" / "rows.csv").read_text()


def test_a_model_that_fails_to_be_made_is_one_line(workplace):
    Path("broken.py").write_text("def model():\n    raise ZeroDivisionError('no weights')\n")
    with pytest.raises(SemwaveError, match="model 'broken:model' cannot be had: ZeroDivisionError: no weights"):
        load_model("broken:model")


def test_what_installed_packages_offer_is_found_by_name(workplace, linear_model, monkeypatch):
    points = {
        "semwave.channels": {"rician": EntryPoint("rician", "channel:Rician", "semwave.channels")},
        "semwave.models": {"mine": EntryPoint("mine", "linear_model:LinearModel", "semwave.models")},
        "semwave.schemes": {"thumbnail": EntryPoint("thumbnail", "scheme:Thumbnail", "semwave.schemes")},
    }
    monkeypatch.setattr(plugins, "_installed", lambda group: points.get(group, {}))
    assert "rician" in CHANNELS and channel_class("rician").__name__ == "Rician"
    assert "mine" in MODELS.names() and config_of("mine").highest_k == 32768
    assert find_scheme("thumbnail").name == "thumbnail-k768"
    # The paper's schemes stay what they are: one of a package is measured when it is asked for.
    assert "thumbnail" in SCHEMES.names() and "thumbnail" not in list(SCHEMES)
    with pytest.raises(SemwaveError, match=r"unknown scheme 'thumb'; the schemes are .*thumbnail"):
        find_scheme("thumb")
    with pytest.raises(SemwaveError, match="unknown channel 'rice'; the channels are awgn, rayleigh, rician"):
        channel_class("rice")


@pytest.fixture(scope="module")
def landscapes():
    """The module, with a model that has learnt for some seconds."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("landscapes")
    net = module.train(150, batch=8)
    patch.setattr(module, "model", lambda: net)
    yield module
    patch.undo()


@pytest.mark.slow
def test_a_model_of_another_domain(workplace, landscapes):
    model = load_model("landscapes:model")
    pictures, labels = landscapes.landscapes(64, torch.Generator().manual_seed(5))
    sent = Transmitter(model, landscapes.K)(pictures)
    received = Receiver(model)(air.AWGN(20.0, random=0)(sent)).clamp(-1, 1)
    mean = pictures.mean(0, keepdim=True).expand_as(pictures)
    assert psnr(received, pictures, 2).mean() > psnr(mean, pictures, 2).mean() + 1
    assert (model.labels(pictures, 64) == labels).float().mean() > 0.9

    # Its parts can be hidden.
    knowledge = workplace / "knowledge.safetensors"
    build(model, [model.sample(64, torch.Generator().manual_seed(0))], "drawn").save(knowledge)
    house = (labels == 3).float().mean((1, 2)).argmax()
    one, seen = pictures[house : house + 1], model.labels(pictures[house : house + 1], 64) == 3
    privacy = Privacy(hide=("house",), knowledge=knowledge)
    scene = Transmitter(model, landscapes.K, privacy=privacy).scene(one)
    assert not scene.visible[0, 0][seen[0]].any() and scene.visible.any()

    # And it goes through the commands.
    Path("in").mkdir()
    for i, picture in enumerate(pictures[:2]):
        write_png(Path("in") / f"{i}.png", to_uint8(picture))
    semwave("send", "in", "--no-align", "--model", "landscapes:model", "--out", "out")
    assert len(json.loads(Path("out/report.json").read_text())) == 2
    assert facts_of(landscapes.scheme()).model == "landscapes-64"
    semwave("evaluate", "--data", "in", "--no-align", "--scheme", "landscapes:scheme", "--out", "evaluated")
    assert "landscapes-64" in Path("evaluated/rows.csv").read_text()
