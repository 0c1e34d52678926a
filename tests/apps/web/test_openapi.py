"""What /openapi.json says holds: schemathesis makes up requests from it and judges the answers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is of the extra semwave[web-test]")

from hypothesis import HealthCheck, settings  # noqa: E402
from linear_model import LinearModel  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

from semwave.apps.web.app import create_app  # noqa: E402
from semwave.apps.web.guards import LOOPBACK  # noqa: E402
from semwave.apps.web.service import Service  # noqa: E402
from semwave.apps.web.studio import Studio  # noqa: E402

MODEL = LinearModel()
SERVICE = Service(MODEL.config, lambda: Studio(MODEL), pool=lambda: ThreadPoolExecutor(1))
schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(SERVICE, LOOPBACK | {"testserver"}))


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case):
    # What a model offers is no matter of shapes, so what fits the description may still be refused.
    case.call_and_validate(base_url="http://localhost", excluded_checks=[positive_data_acceptance])
