"""What many tests need: a small model in place of the shipped ones, and pictures that it sends exactly."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from linear_model import LinearModel
from PIL import Image

from semwave import model as models
from semwave.zoo import MODELS


@pytest.fixture(autouse=True, scope="module")
def forget_models():
    """Models that a module made up do not stay in memory for the whole run."""
    yield
    if models.load_model.cache_info().currsize > len(MODELS):
        models.load_model.cache_clear()
        gc.collect()


@pytest.fixture(autouse=True)
def nothing_fetched(request, monkeypatch, tmp_path_factory):
    """No test but those marked ``fetched`` sees what ``semwave setup`` has fetched: it takes a second a picture."""
    if not request.node.get_closest_marker("fetched"):
        monkeypatch.setenv("SEMWAVE_CACHE", str(tmp_path_factory.getbasetemp() / "nothing"))


@pytest.fixture
def linear_model(monkeypatch):
    """Makes ``load_model`` give a :class:`LinearModel` for the names that are shipped."""
    model, shipped = LinearModel(), models.load_model
    monkeypatch.setattr(models, "load_model", lambda name: model if name in MODELS else shipped(name))
    return model


@pytest.fixture
def squares():
    """Makes pictures of 8x8 squares, uint8 (size, size, 3), by number."""

    def draw(number: int, size: int = 256) -> np.ndarray:
        colours = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return colours.repeat(size // 8, 0).repeat(size // 8, 1)

    return draw


@pytest.fixture
def photo(tmp_path, squares):
    """A picture in the frame, PHOTO.png."""
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(squares(0)).save(path)
    return path


@pytest.fixture
def photos(tmp_path, squares):
    """A folder with three pictures in the frame."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(squares(i)).save(folder / f"photo-{i}.png")
    return folder


@pytest.fixture(scope="module")
def ray():
    """A cluster of two cores, in whose processes the modules of the tests are found."""
    ray = pytest.importorskip("ray")
    tests = Path(__file__).parent
    paths = os.pathsep.join([str(tests), str(tests.parent / "src"), os.environ.get("PYTHONPATH", "")])
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": paths}},
    )  # fmt: skip
    yield
    ray.shutdown()
