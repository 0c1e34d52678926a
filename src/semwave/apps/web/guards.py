"""Who may ask, and how much: judged before anything is read.

    Host -> Origin -> token -> length of the body -> time that it takes -> the application
                                                   headers of every answer <-

A page of another site can make a browser send requests here. It cannot choose their Host, which refuses DNS rebinding,
nor their Origin, which refuses all others; nothing is answered with an Access-Control header.
"""

import asyncio
import json
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
MOST_BYTES, MOST_JSON_BYTES = 20 * 2**20, 2**16
BODY_SECONDS = 20.0
COOKIE = "semwave"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Guards:
    """Answers what may not pass: 400 for a foreign Host, 403 for a foreign Origin, 401 without the token, 411 and 413
    for a body of unknown length or too long, 408 for one that takes too long.

    Args:
        app: what is guarded.
        hosts: names in Host, without port, that are ours; None for any, which needs a token.
        token: what a stranger must know; None for no token.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None = LOOPBACK, token: str | None = None):
        if hosts is None and token is None:
            raise ValueError("a service that answers to any name needs a token")
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal:
                await receive()
                return await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
            return await self.app(scope, receive, send)
        sending = _with_headers(send)
        if self.token and scope["path"] == "/" and self._entering(scope):
            return await _answer(sending, 303, "", {"location": "/", "set-cookie": self._cookie()})
        if refusal:
            return await _answer(sending, refusal[0], refusal[1], {"connection": "close"})
        await self.app(scope, _in_time(receive), sending)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts is not None and host.rpartition(":")[0] not in self.hosts and host not in self.hosts:
            return 400, "this service answers to the address that it printed alone, not to another name"
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return 403, "this request comes from a page of another site, which may not use this service"
        if self.token and not self._known(headers):
            return 401, "give the token that 'semwave serve' printed: open that address, or send Authorization: Bearer"
        if scope["type"] == "http":
            return _too_long(headers)
        return None

    def _known(self, headers: dict[str, str]) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            try:
                cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
            except CookieError:
                cookie = None
            given = cookie.value if cookie else ""
        return self._is_token(given)

    def _entering(self, scope: Scope) -> bool:
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])
        return self._is_token(given[0])

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), (self.token or "").encode())

    def _cookie(self) -> str:
        return f"{COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Strict"


def _too_long(headers: dict[str, str]) -> tuple[int, str] | None:
    if "transfer-encoding" in headers:
        return 411, "send the body with its Content-Length, not in chunks"
    most = MOST_JSON_BYTES if "json" in headers.get("content-type", "") else MOST_BYTES
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length[:20]) > most:
        return 413, f"the body has more than {most / 2**20:g} MiB; make the picture smaller"
    return None


def _in_time(receive: Receive) -> Receive:
    """``receive``, where the body of the request must have come within :data:`BODY_SECONDS`."""
    deadline, whole = asyncio.get_running_loop().time() + BODY_SECONDS, False

    async def receiving() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"the body did not come within {BODY_SECONDS:g} s") from None
        whole = not message.get("more_body", False)
        return message

    return receiving


def _with_headers(send: Send) -> Send:
    extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return sending


async def _answer(send: Send, status: int, error: str, headers: dict[str, str]) -> None:
    body = json.dumps({"error": error}).encode() if error else b""
    given = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
