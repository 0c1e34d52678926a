"""``semwave train``: the folder of weights that its steps share, and its commands."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from semwave.apps import training
from semwave.apps.cli import app
from semwave.apps.training import config_in, open_model
from semwave.coding.flow import IdentityFlow
from semwave.errors import SemwaveError
from semwave.evaluation import kid
from semwave.generators.semantic_stylegan import SemanticStyleGAN
from semwave.model import FaceModel
from semwave.pictures import metrics
from semwave.training import codec, data, faces
from semwave.training.data import Photos
from semwave.work.cluster import Cluster
from semwave.work.local import Local
from semwave.zoo import CodecConfig, ResidualConfig, config_of, read_config, without_residual, write_config

DEFAULT = config_of("faces-512")
# A small codec, so that a model is made and written in no time.
SMALL = replace(
    DEFAULT,
    name="mine",
    codec=CodecConfig(64, 1),
    residual=ResidualConfig(100),
    k=64,
)
ALONE = without_residual(SMALL)


def run(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def files(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def weights(tmp_path):
    """A folder that has the model.json of :data:`SMALL`, and no weights yet."""
    write_config(SMALL, tmp_path / "mine")
    return tmp_path / "mine"


def test_a_configuration_is_read_as_it_was_written(weights):
    assert read_config(weights) == SMALL
    weights.rename(weights.with_name("yours"))
    assert read_config(weights.with_name("yours")) == replace(SMALL, name="yours")


def test_without_a_configuration_the_model_is_the_default_one(tmp_path):
    assert config_in(tmp_path / "mine") == replace(DEFAULT, name="mine")
    model = open_model(tmp_path / "mine")
    assert model.config == replace(without_residual(DEFAULT), name="mine")
    # The code space is measured at once, and the folder says what it is of.
    assert files(tmp_path / "mine") == {"model.json", "space.safetensors"}
    assert read_config(tmp_path / "mine") == replace(DEFAULT, name="mine")
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_model_is_opened_by_its_own_configuration(weights):
    model = open_model(weights)
    assert model.codec.symbols == 64 and model.residual is None
    model.save(weights, ("codec",))
    assert open_model(weights, residual=True).config == SMALL
    FaceModel(SMALL).save(weights, ("residual",))
    again = open_model(weights, "codec")
    assert again.residual is not None and again.config == SMALL
    assert all(torch.equal(*pair) for pair in zip(again.space.buffers(), model.space.buffers(), strict=True))
    assert read_config(weights) == SMALL


def test_what_is_needed_must_be_there(weights):
    with pytest.raises(SemwaveError, match=r"parser\.safetensors is missing"):
        open_model(weights, "parser")
    assert files(weights) == {"model.json"}


def test_the_codes_of_another_model_are_not_trained_here(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"version": 1, "codes": "faces-512", "sizes": [128], "size": 128}))
    with pytest.raises(SemwaveError, match="draws the codes of faces-512"):
        open_model(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    result = run("heads", "--weights", tmp_path)
    assert result.exit_code == 2 and "not a model's configuration" in result.stderr


@pytest.fixture
def untaught(monkeypatch):
    """Commands without the training itself, for photographs that are not there."""
    photos = Photos(torch.zeros(42, 3, 8, 8, dtype=torch.uint8), torch.zeros(42, 8, 8, dtype=torch.uint8))
    monkeypatch.setattr(data, "read_photos", lambda *_: photos)
    monkeypatch.setattr(metrics, "LPIPS", lambda *_: None)
    monkeypatch.setattr(faces, "make_plain", lambda *_: {})
    monkeypatch.setattr(faces, "make_faces", lambda *_: {"images": photos.images})
    monkeypatch.setattr(codec, "coordinates_of", lambda model, images: torch.zeros(len(images), 28, 256))
    for name in ("start_corrections", "start_codec", "train_codec", "train_detail"):
        monkeypatch.setattr(codec, name, lambda *_: None)


@pytest.mark.parametrize("there", [False, True])
def test_the_codec_step_writes_no_residual_that_has_not_learnt(there, weights, untaught, tmp_path):
    names = ("parser", "generator", "space", "encoder", "flow", *(("residual",) if there else ()))
    FaceModel(SMALL).save(weights, names)
    before = (weights / "residual.safetensors").read_bytes() if there else b""
    result = run("codec", "--data", tmp_path, "--weights", weights, "--runs", tmp_path)
    assert result.exit_code == 0, result.output
    written = {"model.json", *(f"{name}.safetensors" for name in (*names, "corrections", "codec"))}
    assert files(weights) == written and read_config(weights) == SMALL
    if there:
        assert (weights / "residual.safetensors").read_bytes() == before
    else:
        with pytest.raises(SemwaveError, match=r"incomplete.*residual\.safetensors is missing"):
            FaceModel(read_config(weights)).load(weights)


def test_a_model_without_a_flow_is_a_folder_of_its_own(weights, untaught, tmp_path):
    FaceModel(SMALL).save(weights, ("parser", "generator", "space", "encoder"))
    result = run("codec", "--data", tmp_path, "--weights", weights, "--runs", tmp_path, "--no-flow")
    assert result.exit_code == 0, result.output
    target = weights.with_name("mine-no-flow")
    config = read_config(target)
    assert config.name == "mine-no-flow" and config.codec == SMALL.codec
    assert config.flow is None and config.residual is None
    assert isinstance(FaceModel(config).load(target).flow, IdentityFlow)
    assert not (weights / "codec.safetensors").exists()


def test_a_residual_is_trained_where_there_is_one(weights, tmp_path):
    result = run("residual", "--data", tmp_path, "--weights", weights)
    assert result.exit_code == 2 and "is missing" in result.stderr
    FaceModel(ALONE).save(weights, ("parser", "generator", "space", "encoder", "corrections", "flow", "codec"))
    write_config(ALONE, weights)
    result = run("residual", "--data", tmp_path, "--weights", weights)
    assert result.exit_code == 2 and "no residual" in result.stderr


def test_a_flow_is_trained_where_there_is_one(weights, tmp_path):
    FaceModel(SMALL).save(weights, ("parser", "generator", "space", "encoder"))
    write_config(replace(ALONE, flow=None), weights)
    result = run("flow", "--data", tmp_path, "--weights", weights)
    assert result.exit_code == 2 and "no flow to train" in result.stderr


def test_deep_jscc_is_trained_for_a_k_that_there_is(tmp_path):
    result = run("deep-jscc", "--data", tmp_path, "--weights", tmp_path, "--k", 7)
    assert result.exit_code == 2 and "k must be one of" in result.stderr


def test_options_name_no_numbers_of_one_model():
    for command in ("residual", "deep-jscc"):
        shown = run(command, "--help").stdout
        assert not any(str(k) in shown for k in (DEFAULT.k, DEFAULT.highest_k))


ENGINES = {
    "": Local(2, 1),
    "--workers 0": Local(0, 1),
    "--ray": Cluster("", 1),
    "--ray h:1": Cluster("h:1", 1),
}


@pytest.mark.parametrize("given", ENGINES)
def test_generated_faces_are_made_by_the_engine_asked_for(given, weights, untaught, tmp_path, monkeypatch):
    FaceModel(SMALL).save(weights, ("parser", "generator", "space", "encoder", "flow"))
    asked = []
    monkeypatch.setattr(faces, "make_plain", lambda *arguments: asked.append(arguments[2:]) or {})
    result = run("codec", "--data", tmp_path, "--weights", weights, "--runs", tmp_path, "--seed", 3, *given.split())
    assert result.exit_code == 0, result.output
    (count, seed, path, made_by), *_ = asked
    assert (count, seed, path) == (training.FACES, 3, tmp_path / "plain.pt")
    assert type(made_by) is type(ENGINES[given]) and vars(made_by) == vars(ENGINES[given])


def test_a_file_is_no_cluster(weights, untaught, tmp_path):
    FaceModel(SMALL).save(weights, ("parser", "generator", "space", "encoder", "flow"))
    result = run("codec", "--data", tmp_path, "--weights", weights, "--runs", tmp_path, "--ray=cluster.yaml")
    assert result.exit_code == 2 and "is no address" in result.stderr


def test_the_command_trains_and_writes_a_semantic_stylegan(tmp_path, monkeypatch):
    source = np.random.default_rng(0)
    for folder, shape, most in (("images", (64, 64, 3), 256), ("masks", (32, 32), 19)):
        (tmp_path / folder).mkdir()
        for name in "abc":
            picture = Image.fromarray(source.integers(0, most, shape, dtype=np.uint8))
            picture.save(tmp_path / folder / f"{name}.png")
    sizes = {"--size": 32, "--coarse-size": 16, "--local-channels": 4, "--coarse-channels": 8, "--max-channels": 8}
    options = {**sizes, "--steps": 2, "--batch": 4, "--data": tmp_path, "--runs": tmp_path, "--weights": tmp_path}
    arguments = ["semantic-stylegan", *(x for option in options.items() for x in option)]
    monkeypatch.setattr(kid, "Features", lambda weights: lambda images: images.mean((2, 3)))
    result = run(*arguments, "--kid", 2)
    assert result.exit_code == 2 and "KID takes 3 photos or more, not 2" in result.stderr
    result = run(*arguments, "--kid", 3)
    assert result.exit_code == 0, result.output
    (row,) = map(json.loads, (tmp_path / "semantic-stylegan-32" / "kid.jsonl").read_text().splitlines())
    assert row["step"] == 2 and math.isfinite(row["kid"]) and row["error"] > 0
    generator = SemanticStyleGAN.from_file(tmp_path / "generator.safetensors")
    assert generator.architecture.size == 32 and generator.architecture.max_channels == 8
    result = run(*arguments, "--size", "48")
    assert result.exit_code == 2 and "powers of two" in result.stderr


@pytest.mark.parametrize(
    "command", ["parser", "heads", "masks", "encoder", "flow", "codec", "residual", "distilled", "enlarged"]
)
@pytest.mark.parametrize("option", ["--weights", "--runs"])
def test_what_a_training_writes_to_is_a_folder_or_nothing_runs(command, option, tmp_path, monkeypatch):
    (tmp_path / "kept.txt").write_text("dear to me")
    folders = {"--weights": tmp_path / "new", "--runs": tmp_path / "runs"} | {option: tmp_path / "kept.txt"}
    data = () if command == "heads" else ("--data", tmp_path)
    ran = run(command, *data, *(each for pair in folders.items() for each in pair))
    assert ran.exit_code == 2 and "kept.txt: is not a folder" in ran.stderr and len(ran.stderr.splitlines()) == 1
    assert (tmp_path / "kept.txt").read_text() == "dear to me" and files(tmp_path) == {"kept.txt"}
