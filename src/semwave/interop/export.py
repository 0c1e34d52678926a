"""The receiver as one graph for other runtimes: symbols and the noise of each to a picture, at one k and one size.

    symbols (1, k), noise (1, k) -> decoder -> inverse flow -> codes -> generator, blend -> picture (1, 3, size, size)

All numbers are float32: bf16 inside a graph is refused by runtimes, and what is gained by it they do themselves.
"""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn

from semwave.air.channels import AWGN
from semwave.errors import SemwaveError
from semwave.model import FaceModel
from semwave.pictures.files import write_bytes
from semwave.receiver import Receiver
from semwave.types import Header, Model, Scene, Soft

FORMATS = (".onnx", ".pt2")
ONNX_PACKAGES = "pip install 'semwave[export]'"
LEAST_DB = 45.0
"""PSNR in dB of an exported receiver's picture against the original's, below which it is not written."""


class ReceiverGraph(nn.Module):
    """``model`` as a receiver of signals with ``header``, drawing at ``size`` px: nothing but tensors in and out."""

    def __init__(self, model: FaceModel, header: Header, size: int):
        super().__init__()
        self.model, self.header, self.size = model, header, size

    def forward(self, symbols: Tensor, noise: Tensor) -> Tensor:
        """Pictures (1, 3, size, size) of ``symbols`` (1, k) in ``noise`` (1, k), finite: a large number where a symbol
        was not received."""
        return self.model.draw(self.model.decode(Soft(symbols, noise, self.header)), self.size).image


def export_receiver(model: Model, path: Path, k: int, size: int | None = None) -> float:
    """Write the receiver of ``model`` for ``k`` real symbols to ``path``, .onnx or .pt2 (torch.export), checked.

    The header that its signals have is in the file: as metadata "semwave" of ONNX, as the extra file "semwave.json" of
    torch.export. Returns the PSNR in dB of a picture that it draws against the original's.

    Raises:
        SemwaveError: another suffix, a model that is no network, a k or size that is not offered, packages that are
            missing, or a graph whose picture is not the original's.
    """
    if path.suffix not in FORMATS:
        raise SemwaveError(f"{path}: a receiver is written as {' or '.join(FORMATS)}; end the name so")
    if not isinstance(model, FaceModel):
        raise SemwaveError(f"{model.config.name} is no network that could be exported")
    receiver, codes = Receiver(model, size), model.sample(1, torch.Generator().manual_seed(0))
    scene = Scene(model.generate(codes, receiver.size).image.clamp(-1, 1), codes=codes)
    sent = model.encode(scene, k)
    assert sent.header is not None
    soft, about = AWGN(10.0, 0)(sent), json.dumps(asdict(sent.header))
    inputs = soft.symbols.contiguous(), soft.noise.contiguous()
    with torch.no_grad(), _in_float32(model), _quiet(), tempfile.TemporaryDirectory() as folder:
        graph = torch.export.export(ReceiverGraph(model, sent.header, receiver.size), inputs, strict=False)
        part = Path(folder) / path.name
        picture = (_write_onnx if path.suffix == ".onnx" else _write_torch)(graph, inputs, part, about)
        written = part.read_bytes()
    error = (picture - receiver(soft)).square().mean().item()
    quality = float(10 * torch.log10(torch.tensor(4 / max(error, 1e-12))))
    if not quality >= LEAST_DB:
        raise SemwaveError(f"{path}: the exported receiver draws another picture ({quality:.1f} dB); it is not written")
    write_bytes(path, written)
    return quality


def _write_torch(graph: torch.export.ExportedProgram, inputs: tuple[Tensor, Tensor], path: Path, about: str) -> Tensor:
    torch.export.save(graph, path, extra_files={"semwave.json": about})
    return torch.export.load(path).module()(*inputs)


def _write_onnx(graph: torch.export.ExportedProgram, inputs: tuple[Tensor, Tensor], path: Path, about: str) -> Tensor:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError:
        raise SemwaveError(f"writing ONNX needs other packages: {ONNX_PACKAGES}") from None
    names = {"input_names": ["symbols", "noise"], "output_names": ["picture"]}
    program = torch.onnx.export(graph, inputs, dynamo=True, verbose=False, **names)
    assert program is not None
    program.model.metadata_props["semwave"] = about
    program.save(str(path))
    given = {name: tensor.numpy() for name, tensor in zip(names["input_names"], inputs, strict=True)}
    return torch.from_numpy(onnxruntime.InferenceSession(str(path)).run(None, given)[0])


@contextmanager
def _in_float32(model: FaceModel) -> Iterator[None]:
    """Without bf16: neither the copy of the generator in it, nor autocast."""
    sketcher, model.sketcher = model.sketcher, None
    try:
        with patch.object(torch, "autocast", lambda *_, **__: nullcontext()):
            yield
    finally:
        model.sketcher = sketcher


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporting reports what is no concern of the user's."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
