"""Other engines draw what torch draws."""

import threading
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from semwave import Receiver, SemwaveError, Transmitter, air
from semwave.apps.cli import app
from semwave.interop import engines
from semwave.interop.engines import ENGINES, EngineModel, drawn_by, graph_file
from semwave.interop.export import in_float32
from semwave.model import load_model
from semwave.pictures.images import write_png
from semwave.pictures.metrics import psnr

MODEL = "faces-512"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A cache for the graphs of the whole module."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def in_cache(nothing_fetched, kept, monkeypatch):
    monkeypatch.setenv("SEMWAVE_CACHE", str(kept))


@pytest.fixture(scope="module")
def photos():
    """Two faces that the model makes up, beside each other's light."""
    model = load_model(MODEL)
    with torch.no_grad():
        return model.generate(model.sample(2, torch.Generator().manual_seed(3)), 512).image.clamp(-1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("size", [256, 512])
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_draws_what_torch_draws(engine, size, photos):
    pytest.importorskip(engine)
    pytest.importorskip("onnxscript")
    model = load_model(MODEL)
    drawing = Receiver(drawn_by(model, engine), size)
    for k, snr_db in ((256, 0.0), (2560, 15.0)):
        soft = air.AWGN(snr_db, random=1)(Transmitter(model, k)(photos))
        # A beginning of the stream, too: the noise of what has not arrived is infinite.
        arrived = torch.arange(k) < torch.tensor([[k], [k // 2]])
        soft = replace(soft, noise=soft.noise.where(arrived, torch.inf))
        assert psnr(drawing(soft), Receiver(model, size)(soft), 2).min() >= 45, (k, snr_db)
    message = drawing.decode(soft)
    masks = drawing.draw(message).masks
    torch.testing.assert_close(masks, Receiver(model, size).draw(message).masks, atol=0.02, rtol=0)
    codes = air.AWGN(10.0, random=2)(Transmitter(model, 256, layers=("codes",))(photos[:1]))
    assert psnr(drawing(codes), Receiver(model, size)(codes), 2).item() >= 45


@pytest.mark.slow
def test_a_graph_is_made_once(kept):
    pytest.importorskip("onnxscript")
    model = load_model(MODEL)
    first = graph_file(model, 256, residual=True)
    assert first.parent == kept / "graphs" and model.digest in first.name
    written = first.stat().st_mtime_ns
    assert graph_file(model, 256, residual=True) == first and first.stat().st_mtime_ns == written


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_the_commands_take_an_engine(engine, tmp_path, photos):
    pytest.importorskip(engine)
    pytest.importorskip("onnxscript")
    write_png(tmp_path / "face.png", ((photos[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy())
    commands = [
        ["send", tmp_path / "face.png", "--no-align", "--size", 256, "--out", tmp_path / "out", "--engine", engine],
        ["transmit", tmp_path / "face.png", "--no-align", "--size", 256, "--out", tmp_path / "s.safetensors"],
        ["receive", tmp_path / "s.safetensors", "--out", tmp_path / "received.png", "--engine", engine],
    ]
    for command in commands:
        result = CliRunner().invoke(app, [str(word) for word in command])
        assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "face.received.png").is_file() and (tmp_path / "received.png").is_file()


def test_what_no_engine_can_do_is_said(linear_model, monkeypatch):
    model = load_model(MODEL)
    assert drawn_by(model, "torch") is model
    with pytest.raises(SemwaveError, match="unknown engine 'steam'; the engines are torch, onnxruntime, openvino"):
        drawn_by(model, "steam")
    with pytest.raises(SemwaveError, match="no network that openvino could draw"):
        monkeypatch.setattr(engines, "find_spec", lambda name: True)
        EngineModel(linear_model, "openvino")
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(SemwaveError, match=r"pip install 'semwave\[onnxruntime\]'"):
        drawn_by(model, "onnxruntime")


def test_exporting_leaves_other_threads_their_bf16():
    model = load_model(MODEL)
    found = {}

    def look():
        with torch.autocast("cpu", torch.bfloat16):
            found["dtype"] = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype

    with in_float32(model) as plain:
        other = threading.Thread(target=look)
        other.start()
        other.join()
        with torch.autocast("cpu", torch.bfloat16):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        assert plain.sketcher is None and model.sketcher is not None
    assert found["dtype"] == torch.bfloat16
