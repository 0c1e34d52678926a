"""Configurations of models: the shipped ones are whole, and others are read or refused."""

import hashlib
import json
from dataclasses import asdict, replace

import pytest

from semwave import zoo
from semwave.errors import SemwaveError
from semwave.latent.layout import FACES
from semwave.zoo import MODELS, CodecConfig, ModelConfig, ResidualConfig, config_of, read_config, weights_digest


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_is_one_typed_object(name):
    config = config_of(name)
    assert config.name == name and config.layout == FACES and config.k == 2560
    assert {config.layers(k) for k in (64, 66, 2560, 32768)} == {("codes", "residual")}
    assert config.code_model == "faces-512"
    assert config.licence != "-" and config.card.endswith(f"{name}/card.md")


def test_the_page_shows_every_model():
    assert zoo.__doc__ is not None
    for name in MODELS:
        config = config_of(name)
        (line,) = [line for line in zoo.__doc__.splitlines() if line.startswith(f"| {name} ")]
        for fact in (*config.sizes, zoo.LOWEST_K, config.highest_k):
            assert str(fact) in line


def test_an_unknown_model_lists_those_there_are():
    with pytest.raises(SemwaveError, match="'cats'.*" + ", ".join(MODELS)):
        config_of("cats")


SMALL = ModelConfig("small", (64,), 64, CodecConfig(80, 2), residual=ResidualConfig(200), k=64)
ALONE = zoo.without_residual(SMALL)


def test_a_model_offers_every_even_k_of_its_range():
    assert (SMALL.highest_k, ALONE.highest_k) == (200, 80)
    assert SMALL.layers(64) == SMALL.layers(200) == ("codes", "residual") and ALONE.layers(80) == ("codes",)
    assert SMALL.checked_layers(80, ("codes",)) == ("codes",)
    assert SMALL.checked_layers(200, None) == ("codes", "residual")
    with pytest.raises(SemwaveError, match=r"codes alone take at most 80 symbols, not 82"):
        SMALL.checked_layers(82, ("codes",))
    with pytest.raises(SemwaveError, match=r"sends codes, not codes \+ residual"):
        ALONE.checked_layers(64, ("codes", "residual"))
    with pytest.raises(SemwaveError, match=r"size 65 .* 64"):
        SMALL.checked_size(65)
    assert SMALL.checked_size(None) == SMALL.checked_size(64) == 64


@pytest.mark.parametrize("k", [-64, 0, 2, 62, 63, 65, 202, 1_000_000])
def test_another_k_is_refused_in_one_line(k):
    with pytest.raises(SemwaveError, match=rf"k = {k} .* even, from 64 to 200") as caught:
        SMALL.layers(k)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "change", [{"size": 65}, {"sizes": (0, 64)}, {"k": 63}, {"k": 202}, {"residual": None, "k": 90}], ids=str
)
def test_values_that_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match=r"must|cannot|at least"):
        replace(SMALL, **change)


@pytest.mark.parametrize("k", [0, 1, 7, -2, 2**20 + 2])
def test_a_k_is_even_and_bounded(k):
    with pytest.raises(ValueError, match="k must be even"):
        CodecConfig(k, 1)


def test_a_configuration_survives_the_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    value = {name: item for name, item in asdict(SMALL).items() if name != "name"}
    (folder / "model.json").write_text(json.dumps({"version": 1, **value}))
    assert read_config(folder) == SMALL


BAD = {
    "not JSON": ("{", "not readable as JSON"),
    "a list": ("[]", "version 1"),
    "another version": ('{"version": 2}', "version 1"),
    "nothing": ('{"version": 1}', "missing"),
    "an unknown field": ('{"version": 1, "colour": 3}', "colour is not a known field"),
    "codes of nobody": ('{"version": 1, "codes": "cats"}', "not shipped"),
    "a size as text": ('{"version": 1, "codes": "faces-512", "size": "128"}', "size must be of type int"),
    "an unoffered size": ('{"version": 1, "codes": "faces-512", "size": 100}', "size must be one of sizes"),
    "a part twice": ('{"version": 1, "codes": "faces-512", "layout": {"parts": ["a", "a"]}}', "every part once"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_configurations_are_refused_in_one_line(kind, tmp_path):
    text, message = BAD[kind]
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(SemwaveError, match=message) as caught:
        read_config(tmp_path)
    assert "model.json" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_digest_tells_the_weights_that_are_read(tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "other", tmp_path)
    value = {"version": 1, "sizes": [64], "size": 64, "codec": {"symbols": 256, "width": 1},
             "residual": {"coefficients": 256}}  # fmt: skip
    (tmp_path / "model.json").write_text(json.dumps(value))
    for name in ("generator", "residual"):
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    before = weights_digest("other"), weights_digest("other", ("codes",))
    (tmp_path / "residual.safetensors").write_bytes(b"another")
    after = weights_digest("other"), weights_digest("other", ("codes",))
    assert after[0] != before[0] and after[1] == before[1] != before[0]
    (tmp_path / "generator.safetensors").write_bytes(b"another")
    assert weights_digest("other") != after[0] and weights_digest("other", ("codes",)) != after[1]


def test_the_shipped_weights_are_those_that_are_listed():
    assert zoo.verify_weights() == len(list(zoo.WEIGHTS.rglob("*.safetensors")))


def test_weights_that_are_not_as_shipped_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.safetensors").write_bytes(b"weights")
    (tmp_path / zoo.SUMS).write_text(f"{hashlib.sha256(b'weights').hexdigest()}  a/x.safetensors\n")
    assert zoo.verify_weights(tmp_path) == 1
    (tmp_path / "a" / "x.safetensors").write_bytes(b"Weights")
    with pytest.raises(SemwaveError, match=r"x\.safetensors: not as it was shipped"):
        zoo.verify_weights(tmp_path)
    (tmp_path / "a" / "x.safetensors").rename(tmp_path / "a" / "y.safetensors")
    with pytest.raises(SemwaveError, match=r"x\.safetensors: missing"):
        zoo.verify_weights(tmp_path)
