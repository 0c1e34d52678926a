"""The Gradio app in examples/space: what a visitor of the Space does. It runs where Gradio is installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut
from web_answers import encoded

gradio = pytest.importorskip(
    "gradio", reason="Gradio is only of the example: pip install -r examples/space/requirements.txt"
)
pytestmark = pytest.mark.slow

APP = Path(__file__).parents[1] / "examples" / "space" / "app.py"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("space_app", APP)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        spec.loader.exec_module(module)
        yield module


def test_a_photograph_comes_back_better_with_more_symbols(app):
    def quality(k):
        sent, received, figure, text = app.send(astronaut(), k, 10, "awgn", [], 0)
        assert sent.shape == received.shape == (512, 512, 3) and figure.axes and f"k = {k}" in text
        return -np.square(sent.astype(float) - received).mean()

    assert quality(64) < quality(2560)


def test_what_cannot_be_is_said(app):
    blank = np.zeros((64, 64, 3), np.uint8)
    for photograph, hidden, words in [(None, [], "photograph"), (blank, [], "no face"), (astronaut(), ["hat"], "hat")]:
        with pytest.raises(gradio.Error, match=words):
            app.send(photograph, 256, 10, "awgn", hidden, 0)


def test_the_page_is_served_and_answers(app, tmp_path):
    client = pytest.importorskip("gradio_client")
    _, address, _ = app.page.launch(prevent_thread_lock=True, quiet=True)
    try:
        (tmp_path / "photo.png").write_bytes(encoded(astronaut()))
        visitor = client.Client(address, verbose=False)
        photograph = client.handle_file(tmp_path / "photo.png")
        *_, text = visitor.predict(photograph, 256, 10, "rayleigh", ["eyes"], 1, api_name="/send")
        assert "PSNR" in text and "k = 256" in text
    finally:
        app.page.close()
