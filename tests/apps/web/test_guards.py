"""Who may ask, and how much."""

import asyncio

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from web_answers import error_of

from semwave.apps.web import guards
from semwave.apps.web.app import create_app
from semwave.apps.web.guards import Guards

LIVE = "ws://localhost:8512/live"
SCOPE = {
    "type": "http", "http_version": "1.1", "method": "POST", "path": "/send", "raw_path": b"/send", "query_string": b"",
    "headers": [(b"host", b"localhost"), (b"content-length", b"10")], "root_path": "", "scheme": "http",
}  # fmt: skip
"""A request whose body is still to come."""
TOKEN = "a-token-of-the-tests"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8512", "localhost.evil.example", "127.0.0.1.evil", ""])
def test_another_name_is_not_answered(client, host):
    answer = client.get("/models", headers={"host": host})
    assert answer.status_code == 400 and "address" in error_of(answer)


@pytest.mark.parametrize("host", ["localhost", "localhost:8512", "127.0.0.1:1", "[::1]:8512"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9", "https://localhost.evil"])
def test_a_page_of_another_site_may_not_ask(client, origin, picture):
    answer = client.post("/photos?aligned=true", content=picture, headers={"origin": origin})
    assert answer.status_code == 403 and "site" in error_of(answer)
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(LIVE, headers={"origin": origin}),
    ):
        pass
    assert client.get("/health").json()["photographs"] == 0


def test_the_page_itself_may_ask_and_nobody_else_is_allowed(client, picture):
    own = {"origin": "http://localhost:8512"}
    answer = client.post("/photos?aligned=true", content=picture, headers=own)
    assert answer.status_code == 200
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_body_that_is_too_long_or_of_unknown_length_is_not_read(client):
    answer = client.post("/send", content=b"x", headers={"content-length": str(guards.MOST_BYTES + 1)})
    assert answer.status_code == 413 and "20 MiB" in error_of(answer)
    answer = client.post("/photos/x/view", content=b"[" * (guards.MOST_JSON_BYTES + 1),
                         headers={"content-type": "application/json"})  # fmt: skip
    assert answer.status_code == 413
    answer = client.post("/send", content=iter([b"x"]))
    assert answer.status_code == 411


def test_a_body_that_does_not_come_is_not_waited_for(app, monkeypatch):
    monkeypatch.setattr(guards, "BODY_SECONDS", 0.1)
    sent = []

    async def never():
        await asyncio.sleep(60)

    async def keep(message):
        sent.append(message)

    async def ask():
        await app(SCOPE, never, keep)

    asyncio.run(asyncio.wait_for(ask(), 10))
    assert sent[0]["status"] == 408


def test_who_hangs_up_while_sending_leaves_its_place(app, service):
    sent = []

    async def hang_up():
        return {"type": "http.disconnect"}

    async def keep(message):
        sent.append(message)

    asyncio.run(app(SCOPE, hang_up, keep))
    assert sent[0]["status"] == 499 and service.worker.waiting == 0


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/models", "/nothing", "/photos/x/view"])
def test_every_answer_is_strict(client, path):
    headers = client.get(path).headers
    assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy


def test_from_other_machines_a_token_is_needed(service, picture):
    app = create_app(service, None, TOKEN)
    with TestClient(app, base_url="http://192.0.2.7:8512", follow_redirects=False) as client:
        for path in ("/", "/models", "/static/main.js", "/openapi.json", "/?token=guessed"):
            assert client.get(path).status_code == 401
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("ws://192.0.2.7:8512/live"):
            pass
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert client.post("/send?aligned=true", content=picture, headers=bearer).status_code == 200
        entered = client.get(f"/?token={TOKEN}")
        assert entered.status_code == 303 and entered.headers["location"] == "/"
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        assert client.get("/").status_code == 200  # the client keeps cookies
        foreign = {"origin": "http://evil.example"}
        assert client.post("/photos?aligned=true", content=picture, headers=foreign).status_code == 403


def test_any_name_without_a_token_is_a_mistake():
    with pytest.raises(ValueError, match="token"):
        Guards(lambda *_: None, None, None)
