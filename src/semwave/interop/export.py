"""The receiver as one graph for other runtimes: symbols and the noise of each to a picture, at one k and one size.

    symbols (1, k), noise (1, k) -> decoder -> inverse flow -> codes -> generator, blend -> picture (1, 3, size, size)

All numbers are float32: bf16 inside a graph is refused by runtimes, and what is gained by it they do themselves.
"""

import copy
import io
import json
import logging
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any
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
    inputs = {"symbols": soft.symbols.contiguous(), "noise": soft.noise.contiguous()}
    with torch.no_grad(), in_float32(model) as plain, quietly():
        graph = ReceiverGraph(plain, sent.header, receiver.size)
        program = torch.export.export(graph, tuple(inputs.values()), strict=False)
        if path.suffix == ".onnx":
            written, (picture,) = to_onnx(program, inputs, ("picture",), about)
        else:
            written, picture = _to_torch(program, inputs, about)
    quality = checked_quality(str(path), picture, receiver(soft))
    write_bytes(path, written)
    return quality


def checked_quality(what: str, picture: Tensor, original: Tensor) -> float:
    """PSNR in dB of a ``picture`` of ``what`` was exported to the ``original``, of one shape, in [-1, 1]. Raises
    :class:`SemwaveError` where it is another picture."""
    error = (picture - original).square().mean().clamp_min(1e-12)
    quality = float(10 * torch.log10(4 / error))
    if not quality >= LEAST_DB:
        raise SemwaveError(f"{what}: the exported graph draws another picture ({quality:.1f} dB); it is not written")
    return quality


def _to_torch(program: torch.export.ExportedProgram, inputs: dict[str, Tensor], about: str) -> tuple[bytes, Tensor]:
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"semwave.json": about})
    written = file.getvalue()
    return written, torch.export.load(io.BytesIO(written)).module()(*inputs.values())


def to_onnx(
    program: torch.export.ExportedProgram, inputs: dict[str, Tensor], outputs: Sequence[str], about: str = ""
) -> tuple[bytes, list[Tensor]]:
    """``program`` as ONNX, with ``inputs`` and ``outputs`` by name and the metadata "semwave" of ``about``, and what
    ONNX Runtime gives of it for ``inputs``.

    Raises:
        SemwaveError: packages that are missing.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError:
        raise SemwaveError(f"writing ONNX needs other packages: {ONNX_PACKAGES}") from None
    given = tuple(inputs.values())
    made = torch.onnx.export(
        program, given, dynamo=True, verbose=False, input_names=list(inputs), output_names=list(outputs)
    )
    assert made is not None
    made.model.metadata_props["semwave"] = about
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.onnx"
        made.save(str(file))
        written = file.read_bytes()
    session = onnxruntime.InferenceSession(written)
    found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    return written, [torch.from_numpy(array) for array in found]


@contextmanager
def in_float32(model: FaceModel) -> Iterator[FaceModel]:
    """``model`` without bf16: a view of it without the copy of the generator in bf16, with one of what draws the
    residual in float32, and no autocast in this thread meanwhile. Other threads and ``model`` itself notice nothing."""
    plain = copy.copy(model)
    residual = None if model.residual is None else copy.deepcopy(model.residual).float()
    plain._modules = {**model._modules, "sketcher": None, "residual": residual}
    autocast, here = torch.autocast, threading.get_ident()

    def in_other_threads(*arguments: Any, **options: Any) -> Any:
        return nullcontext() if threading.get_ident() == here else autocast(*arguments, **options)

    with _one_at_a_time, patch.object(torch, "autocast", in_other_threads):
        yield plain


_one_at_a_time = threading.Lock()


@contextmanager
def quietly() -> Iterator[None]:
    """Exporting reports what is no concern of the user's."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
