"""Arrays on the disk: headers are judged before data, memory stays bounded, and weights are finite."""

import json
import resource
import struct
import subprocess
import sys
from argparse import Namespace
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from semwave.air.files import read_header, read_plain, read_soft
from semwave.errors import SemwaveError
from semwave.generators.official import read_official
from semwave.generators.semantic_stylegan import Architecture, SemanticStyleGAN
from semwave.generators.weights import read_weights
from semwave.pictures.arrays import read_npy, read_safetensors, read_torch, write_torch
from semwave.pictures.files import read_json
from semwave.pictures.metrics import LPIPS
from semwave.privacy.faces import read_codes
from semwave.privacy.knowledge import load_knowledge
from semwave.training.loop import Schedule, accelerated, iterate
from semwave.zoo import DEFAULT, MODELS, config_of, read_config

GIB = 2**30
READERS = {
    "symbols.npy": "from semwave.air.files import read_array as read",
    "symbols.safetensors": "from semwave.air.files import read_soft; read = lambda path: read_soft(path, 10.0)",
    "codes.npy": "from semwave.privacy.faces import read_codes as read",
    "codes.safetensors": "from semwave.privacy.faces import read_codes as read",
    "base.safetensors": (
        "from semwave.privacy.knowledge import load_knowledge; from semwave.zoo import config_of;"
        "read = lambda path: load_knowledge(config_of('faces-512'), path)"
    ),
    "weights.safetensors": (
        "from semwave.generators.weights import read_weights; from torch import nn;"
        "read = lambda path: read_weights(path, nn.Linear(1, 1))"
    ),
    "generator.safetensors": (
        "from semwave.generators.semantic_stylegan import SemanticStyleGAN; read = SemanticStyleGAN.from_file"
    ),
    "checkpoint.pt": "from semwave.generators.official import read_official as read",
    "model.json": "from semwave.pictures.files import read_json as read",
    "list.txt": "from semwave.pictures.photos import find_photos; read = lambda path: find_photos([path])",
    "photo.png": "from semwave.pictures.images import read_image as read",
    "rows.csv": "from semwave.evaluation.store import read_csv as read",
}
LIMITED = """
import resource, sys
from pathlib import Path
from semwave.errors import SemwaveError
{imports}
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, -1))
for name in sys.argv[1:]:
    try:
        readers[Path(name).name](Path(name))
    except SemwaveError as error:
        assert len(str(error).splitlines()) == 1
    else:
        sys.exit(name + " was read")
"""


def sparse(path):
    """A file that claims 3 GiB and holds nothing: with the header of what its name says."""
    with path.open("wb") as file:
        if path.suffix == ".npy":
            shape = (3 * GIB // 4,) if path.stem == "symbols" else (3 * GIB // 4 // 14336, 28, 512)
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            size = 4 * int(np.prod(shape))
        elif path.suffix == ".safetensors":
            size = 3 * GIB
            name = "iq" if path.stem == "symbols" else "codes"
            header = {name: {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}
            content = json.dumps(header).encode()
            file.write(struct.pack("<Q", len(content)) + content)
        else:
            size = 3 * GIB
        file.truncate(file.tell() + size)


def test_no_reader_takes_the_memory_that_a_sparse_file_claims(tmp_path):
    for name in READERS:
        sparse(tmp_path / name)
    lines = "\n".join(f"{imports}; readers[{name!r}] = read" for name, imports in READERS.items())
    script = LIMITED.format(imports="readers = {}\n" + lines)
    command = [sys.executable, "-c", script, *(str(tmp_path / name) for name in READERS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_arrays_are_read_as_they_were_written(tmp_path):
    for array in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(3, 2)), np.float32(3)):
        np.save(tmp_path / "a.npy", array)
        read = read_npy(tmp_path / "a.npy", lambda *_: None, "an array")
        np.testing.assert_array_equal(read, array)
        assert read.dtype == np.asarray(array).dtype


def typed(path, kind):
    """A knowledge base, or anything, whose tensors are of a type with less than a byte a number."""
    header = {"mean": {"dtype": kind, "shape": [2, 8], "data_offsets": [0, 8]}}
    header["__metadata__"] = {"semwave_knowledge": "1", "about": "{}"}
    content = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content + b"\0" * 8)


@pytest.mark.parametrize("kind", ["F4", "F6_E2M3", "F8_E8M0", "F8_E4M3", "F8_E5M2", "C64", "U64", "X9"])
def test_tensors_of_odd_types_are_one_error(kind, tmp_path):
    path = tmp_path / "odd.safetensors"
    typed(path, kind)
    for read in (
        lambda: load_knowledge(config_of(DEFAULT), path),
        lambda: read_codes(path),
        lambda: read_soft(path, 10.0),
        lambda: read_weights(path, torch.nn.Linear(1, 1)),
        lambda: read_safetensors(path, "give another"),
    ):
        with pytest.raises(SemwaveError) as caught:
            read()
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(value, tmp_path):
    path = tmp_path / "weights.safetensors"
    network = torch.nn.Linear(3, 2)
    for half in (True, False):
        weight = network.weight.detach().clone()
        weight[1, 2] = value
        save_file({"weight": weight.half() if half else weight, "bias": network.bias.detach()}, path)
        with pytest.raises(SemwaveError, match="weight has values that are not finite"):
            read_weights(path, network)
    run = tmp_path / "run"
    run.mkdir()
    torch.save({"model": {"weight": weight, "bias": network.bias.detach()}, "step": 1}, run / "checkpoint.pt")
    with pytest.raises(SemwaveError, match="not finite"):
        iterate(lambda *_: {}, {"model": network}, Schedule(2, 1, 0.1), run, accelerated("no"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_generators_with_weights_that_are_not_finite_are_refused(value, tmp_path):
    weights = {"x": torch.tensor([1.0, value])}
    torch.save({"g_ema": weights, "args": Namespace(size=128)}, tmp_path / "authors.pt")
    about = {"semantic_stylegan": json.dumps(asdict(Architecture()))}
    save_file(weights, tmp_path / "generator.safetensors", about)
    for read, name in ((read_official, "authors.pt"), (SemanticStyleGAN.from_file, "generator.safetensors")):
        with pytest.raises(SemwaveError, match="x has values that are not finite"):
            read(tmp_path / name)


def test_weights_of_lpips_that_are_not_finite_are_refused(tmp_path):
    lines = {f"lin{i}.model.1.weight": torch.full((1, 64, 1, 1), torch.nan) for i in range(5)}
    save_file({"features.0.weight": torch.full((64, 3, 11, 11), torch.inf)},
              tmp_path / "alexnet_torchvision_features.safetensors")  # fmt: skip
    save_file(lines, tmp_path / "lpips_lin_alex_v0.1.safetensors")
    with pytest.raises(SemwaveError, match="not finite"):
        LPIPS("alex", tmp_path)


def test_shipped_weights_are_another_networks_or_damaged(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.ones(1)}, path)
    with pytest.raises(SemwaveError, match="another network"):
        read_weights(path, torch.nn.Linear(1, 1))
    path.write_bytes(b"not weights at all")
    with pytest.raises(SemwaveError, match="not a readable safetensors file"):
        read_weights(path, torch.nn.Linear(1, 1))


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a": NaN}', '{"a": 1', "\ufeff", "[1e999]", '"\\ud800"'])
def test_json_is_read_or_refused(content, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(content, encoding="utf-8")
    for read in (read_json, lambda path: read_config(path.parent)):
        try:
            read(path)
        except SemwaveError as error:
            assert len(str(error).splitlines()) == 1


def test_a_folder_a_pipe_and_nothing_are_no_arrays(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nothing", tmp_path / "a\0b", tmp_path / ("a" * 300)):
        for read in (
            lambda path: read_npy(path, lambda *_: None, "an array"),
            lambda path: read_safetensors(path, "give another"),
            lambda path: read_plain(path, 10.0, None),
            read_header, read_codes, read_json, lambda path: load_knowledge(config_of(DEFAULT), path),
        ):  # fmt: skip
            with pytest.raises(SemwaveError):
                read(path)
    with pytest.raises(SemwaveError, match="damaged"):
        read_torch(tmp_path, "make it again")


def test_the_shipped_weights_are_read(tmp_path):
    assert MODELS and all(read_safetensors(file, "")[0] for file in MODELS[DEFAULT].glob("codec.safetensors"))


@pytest.mark.parametrize("how", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_no_full_disk(how, tmp_path, monkeypatch):
    def save(value, file):
        try:
            raise how
        finally:
            raise RuntimeError("unexpected pos")  # as torch's archive does when it is closed half-way

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(how):
        write_torch(tmp_path / "checkpoint.pt", {})
    assert not list(tmp_path.iterdir())
