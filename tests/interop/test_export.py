"""The exported receiver draws what the original draws."""

import json

import pytest
import torch

from semwave import Receiver, SemwaveError, Transmitter, air
from semwave.interop import export as exporting
from semwave.interop.export import export_receiver
from semwave.model import load_model
from semwave.pictures.metrics import psnr
from semwave.types import Header


@pytest.fixture(scope="module")
def soft():
    photo = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    photo = torch.nn.functional.interpolate(photo, size=(512, 512), mode="bicubic").clamp(-1, 1)
    return air.AWGN(5.0, random=1)(Transmitter(k=256)(photo))


def run_torch(path, soft):
    extra = {"semwave.json": ""}
    graph = torch.export.load(path, extra_files=extra).module()
    return graph(soft.symbols, soft.noise.contiguous()), extra["semwave.json"]


def run_onnx(path, soft):
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    inputs = {"symbols": soft.symbols.numpy(), "noise": soft.noise.contiguous().numpy()}
    picture = torch.from_numpy(session.run(None, inputs)[0])
    return picture, session.get_modelmeta().custom_metadata_map["semwave"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix, run", [(".pt2", run_torch), (".onnx", run_onnx)])
def test_an_exported_receiver_draws_the_same_picture(suffix, run, soft, tmp_path):
    pytest.importorskip("onnxscript")
    model = load_model()
    assert export_receiver(model, tmp_path / f"receiver{suffix}", k=256, size=256) > 45
    picture, about = run(tmp_path / f"receiver{suffix}", soft)
    # Other symbols and another noise than it was exported with.
    assert psnr(picture, Receiver(model, size=256)(soft), 2).item() > 45
    said = json.loads(about)
    assert Header(**said | {"layers": tuple(said["layers"])}).digest == model.digest
    assert model.sketcher is not None


def test_what_cannot_be_exported_is_refused(linear_model, tmp_path, monkeypatch):
    with pytest.raises(SemwaveError, match=r"written as \.onnx or \.pt2"):
        export_receiver(linear_model, tmp_path / "receiver.exe", 256)
    with pytest.raises(SemwaveError, match="no network"):
        export_receiver(linear_model, tmp_path / "receiver.onnx", 256)
    assert not list(tmp_path.iterdir()) and exporting.LEAST_DB == 45
