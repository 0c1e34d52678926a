"""A service with a linear model in place of a trained one, and what asks it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from linear_model import LinearModel
from web_answers import encoded

pytest.importorskip("fastapi", reason="the page is the extra semwave[web]")

from fastapi.testclient import TestClient

from semwave.apps.web.app import create_app
from semwave.apps.web.service import Service
from semwave.apps.web.studio import Studio

ADDRESS = "http://localhost:8512"


@pytest.fixture
def model():
    return LinearModel()


@pytest.fixture
def service(model):
    """Its worker is a thread, where what the model is asked can be watched."""
    return Service(model.config, lambda: Studio(model), pool=lambda: ThreadPoolExecutor(1))


@pytest.fixture
def app(service):
    return create_app(service)


@pytest.fixture
def client(app):
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def picture(squares):
    """The bytes of a picture in the frame."""
    return encoded(squares(0))
