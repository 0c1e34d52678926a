"""Other runtimes in torch's place where pictures are drawn: generator and blend as one graph, run by ONNX Runtime or
OpenVINO.

    codes, residual, symbols received, SNR -> graph, one a size -> picture, part masks

Channel decoder and inverse flow stay with torch: they take little, and so one graph serves every k. A graph is made
when it is first needed, compared with the original, and kept as ONNX in the folder of what is fetched.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from semwave import __version__
from semwave.air.channels import AWGN
from semwave.errors import SemwaveError
from semwave.interop.export import checked_quality, in_float32, quietly, to_onnx
from semwave.model import FaceModel
from semwave.pictures.backbones import cache_folder
from semwave.pictures.files import FILE, kind_of, write_bytes
from semwave.types import Drawing, Message, Model, Scene
from semwave.zoo import CODES, LOWEST_K, RESIDUAL

TORCH = "torch"
Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


class EngineModel(FaceModel):
    """``model``, the same networks, but its pictures are drawn by ``engine``, one of :data:`ENGINES`.

    Raises:
        SemwaveError: no such engine, one that is not installed, or a model that is no network.
    """

    def __init__(self, model: Model, engine: str):
        check_engine(engine)
        if not isinstance(model, FaceModel):
            raise SemwaveError(f"{model.config.name} is no network that {engine} could draw; receive with {TORCH}")
        self.__dict__.update(model.__dict__)
        self.engine, self.graph_file = engine, partial(graph_file, model)
        self.graphs: dict[tuple[int, bool], Run] = {}

    @torch.no_grad()
    def draw(self, message: Message, size: int | None = None) -> Drawing:
        """The pictures of ``message``, one after another. Raises :class:`SemwaveError` for a size that is not
        offered."""
        key = self.config.checked_size(size), message.residual is not None
        if key not in self.graphs:
            self.graphs[key] = ENGINES[self.engine](self.graph_file(*key))
        inputs = {name: tensor.numpy() for name, tensor in _inputs(message).items()}
        each = [
            self.graphs[key]({name: values[i : i + 1] for name, values in inputs.items()})
            for i in range(len(message.codes))
        ]
        image, masks = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*each, strict=True))
        return Drawing(image, masks)


class DrawingGraph(nn.Module):
    """``model`` drawing messages like ``message`` at ``size`` px: nothing but tensors in and out."""

    def __init__(self, model: FaceModel, message: Message, size: int):
        super().__init__()
        self.model, self.message, self.size = model, message, size

    def forward(self, codes: Tensor, *beside: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (1, 3, size, size) and part masks (1, parts, w, w) of ``codes`` (1, codes, code_size) and, where the
        message has a residual, that one, the number of symbols received and their SNR."""
        residual, received, snr_db = beside or (None, self.message.received, self.message.snr_db)
        drawing = self.model.draw(Message(codes, self.message.header, snr_db, received, residual), self.size)
        return drawing.image, drawing.masks


def graph_file(model: FaceModel, size: int, residual: bool) -> Path:
    """The file of the graph that draws messages of ``model``, with a ``residual`` or without, at ``size`` px; made
    where there is none yet.

    Raises:
        SemwaveError: packages that are missing, or a graph whose picture is not the original's.
    """
    made_by = f"{__version__}-torch{torch.__version__.partition('+')[0]}"
    name = f"{model.config.name}-{model.digest}-{size}-{RESIDUAL if residual else CODES}-{made_by}.onnx"
    path = cache_folder() / "graphs" / name
    if kind_of(path) != FILE:
        write_bytes(path, _graph(model, size, residual))
    return path


@torch.no_grad()
def _graph(model: FaceModel, size: int, residual: bool) -> bytes:
    codes = model.sample(1, torch.Generator().manual_seed(0))
    scene = Scene(model.generate(codes, model.config.size).image.clamp(-1, 1), codes=codes)
    k, layers = (model.config.k, None) if residual else (LOWEST_K, (CODES,))
    message = model.decode(AWGN(10.0, 0)(model.encode(scene, k, layers)))
    inputs = _inputs(message)
    with in_float32(model) as plain, quietly():
        graph = torch.export.export(DrawingGraph(plain, message, size), tuple(inputs.values()), strict=False)
        written, outputs = to_onnx(graph, inputs, ("picture", "masks"))
    checked_quality(f"the graph of {model.config.name}", outputs[0], model.draw(message, size).image)
    return written


def _inputs(message: Message) -> dict[str, Tensor]:
    """What of ``message`` its picture depends on."""
    if message.residual is None:
        return {"codes": message.codes}
    return {
        "codes": message.codes,
        "residual": message.residual,
        "received": message.received,
        "snr_db": message.snr_db,
    }


def _onnxruntime(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: [np.asarray(output) for output in session.run(None, inputs)]


def _openvino(path: Path) -> Run:
    import openvino

    core = openvino.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # Threads held to cores wait for whatever else runs there: 3 s a picture instead of 0.2 beside a busy process.
        "ENABLE_CPU_PINNING": False,
    }
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        options["INFERENCE_PRECISION_HINT"] = "bf16"
    request = core.compile_model(path, "CPU", options).create_infer_request()
    return lambda inputs: [output.copy() for output in request.infer(inputs).values()]


ENGINES: dict[str, Callable[[Path], Run]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}
"""By the name of their package: what runs the graph in a file."""


def check_engine(engine: str) -> None:
    """Raises :class:`SemwaveError` for an engine that there is not, or that is not installed."""
    if engine != TORCH and engine not in ENGINES:
        raise SemwaveError(f"unknown engine '{engine}'; the engines are {', '.join((TORCH, *ENGINES))}")
    if find_spec(engine) is None:
        raise SemwaveError(f"{engine} is not installed; get it with: pip install 'semwave[{engine}]'")


def drawn_by(model: Model, engine: str) -> Model:
    """``model`` as it is for "torch", otherwise an :class:`EngineModel`, whose errors it raises."""
    return model if engine == TORCH else EngineModel(model, engine)
