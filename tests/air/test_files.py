"""Symbols on the disk: what is written is read, and what is damaged is refused in one line."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from semwave.air.channels import AWGN
from semwave.air.files import METADATA, read_array, read_header, read_plain, read_soft, write_signal, write_soft
from semwave.air.iq import signal, unit_power
from semwave.errors import SemwaveError
from semwave.types import Header
from semwave.zoo import LAYERS

HEADER = Header("faces-512", "0123456789ab", 64, ("codes", "residual"), 512)


def sent(k=64, pictures=1):
    symbols = unit_power(torch.randn(pictures, k, generator=torch.Generator().manual_seed(0)))
    return signal(symbols, replace(HEADER, k=k))


def test_a_signal_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "x.safetensors"
    write_signal(path, sent(pictures=3))
    assert read_header(path) == HEADER
    soft = read_soft(path, 20.0)
    assert torch.equal(soft.symbols, AWGN(60.0, 0)(sent(pictures=3)).symbols.new_tensor(soft.symbols.tolist()))
    torch.testing.assert_close(soft.symbols, torch.view_as_real(sent(pictures=3).iq).flatten(1) * 2**0.5)
    torch.testing.assert_close(soft.noise, torch.full((3, 64), 0.01))


def test_what_was_received_keeps_the_noise_of_every_symbol(tmp_path):
    path, soft = tmp_path / "x.safetensors", AWGN(10.0, 0)(sent())
    noise = soft.noise.clone()
    noise[0, 5] = torch.inf
    write_soft(path, replace(soft, noise=noise))
    again = read_soft(path, 20.0)
    assert torch.equal(again.noise, noise) and again.header == HEADER
    torch.testing.assert_close(again.symbols, soft.symbols)


def test_a_plain_array_needs_its_header_told(tmp_path):
    path = tmp_path / "x.npy"
    write_signal(path, sent())
    assert np.load(path).shape == (64,) and np.load(path).dtype == np.float32
    soft = read_plain(path, 10.0, HEADER)
    torch.testing.assert_close(soft.symbols, torch.view_as_real(sent().iq).flatten(1) * 2**0.5)
    assert soft.header == HEADER


def test_other_names_and_several_pictures_in_one_array_are_refused(tmp_path):
    with pytest.raises(SemwaveError, match=r"\.safetensors .* or \.npy"):
        write_signal(tmp_path / "x.png", sent())
    with pytest.raises(SemwaveError, match="one picture, not of 2"):
        write_signal(tmp_path / "x.npy", sent(pictures=2))
    with pytest.raises(SemwaveError, match="no header"):
        write_signal(tmp_path / "x.safetensors", replace(sent(), header=None))
    assert not list(tmp_path.iterdir())


def written(tmp_path, tensors, header):
    path = tmp_path / "x.safetensors"
    metadata = None if header is None else {METADATA: header if isinstance(header, str) else json.dumps(header)}
    save_file(tensors, path, metadata)
    return path


GOOD = {"iq": torch.ones(1, 32, 2)}
BAD_HEADERS = {
    "none": (None, "no header"),
    "no JSON": ("{", "damaged"),
    "a list": ("[]", "must be an object"),
    "deep": ("[" * 100_000, "damaged"),
    "another version": (asdict(HEADER) | {"version": 2}, "version 2"),
    "an unknown field": (asdict(HEADER) | {"colour": "red"}, "colour is not a known field"),
    "a missing field": ({"model": "faces-512"}, "missing"),
    "an odd k": (asdict(HEADER) | {"k": 63}, "k must be even"),
    "a huge k": (asdict(HEADER) | {"k": 2**40}, "k must be even"),
    "k as text": (asdict(HEADER) | {"k": "64"}, "k must be of type int"),
    "k as truth": (asdict(HEADER) | {"k": True}, "k must be of type int"),
    "unknown layers": (asdict(HEADER) | {"layers": ["everything"]}, "layers must be of"),
    "layers turned round": (asdict(HEADER) | {"layers": ["residual", "codes"]}, "in this order"),
    "no size": (asdict(HEADER) | {"size": 0}, "size must be"),
    "a digest of words": (asdict(HEADER) | {"digest": "not hexadeci"}, "digest"),
    "a name that breaks lines": (asdict(HEADER) | {"model": "a\nb"}, "printable"),
}


@pytest.mark.parametrize("kind", BAD_HEADERS)
def test_bad_headers_are_refused(kind, tmp_path):
    header, message = BAD_HEADERS[kind]
    path = written(tmp_path, GOOD, header)
    with pytest.raises(SemwaveError, match=message) as caught:
        read_soft(path, 10.0)
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1


BAD_TENSORS = {
    "none": {"x": torch.ones(1)},
    "of another k": {"iq": torch.ones(1, 31, 2)},
    "flat": {"iq": torch.ones(64)},
    "of another type": {"iq": torch.ones(1, 32, 2, dtype=torch.float64)},
    "no picture": {"iq": torch.ones(0, 32, 2)},
    "too many pictures": {"iq": torch.ones(2000, 32, 2)},
    "noise of another shape": {"iq": torch.ones(1, 32, 2), "noise": torch.ones(1, 32)},
    "something more": {"iq": torch.ones(1, 32, 2), "photo": torch.ones(1)},
}


@pytest.mark.parametrize("kind", BAD_TENSORS)
def test_bad_tensors_are_refused(kind, tmp_path):
    path = written(tmp_path, BAD_TENSORS[kind], asdict(HEADER))
    with pytest.raises(SemwaveError, match="not those that the header tells of"):
        read_soft(path, 10.0)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_damaged_bytes_give_symbols_or_one_error(data, tmp_path_factory):
    whole = bytearray(save({"iq": torch.ones(1, 32, 2)}, {METADATA: json.dumps(asdict(HEADER))}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x.safetensors"
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        soft = read_soft(path, 10.0)
    except SemwaveError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert soft.symbols.shape[1] == soft.header.k


@settings(deadline=None, max_examples=50)
@given(
    st.text("abcdefghij-0123456789.", min_size=1, max_size=100),
    st.integers(1, 500),
    st.sampled_from([LAYERS[:1], LAYERS[1:], LAYERS]),
    st.integers(1, 2**15),
)
def test_every_header_survives(tmp_path_factory, model, half, layers, size):
    header = Header(model, "0123456789ab", 2 * half, layers, size)
    path = tmp_path_factory.mktemp("headers") / "x.safetensors"
    write_signal(path, signal(torch.ones(1, 2 * half), header))
    assert read_header(path) == header


def test_missing_files_are_named(tmp_path):
    for read in (read_header, read_array):
        with pytest.raises(SemwaveError, match=r"nowhere\.npy"):
            read(tmp_path / "nowhere.npy")
