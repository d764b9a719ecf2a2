"""What stands before every request: who may ask, how often, how much, how slowly. Plain ASGI: streams stay streams."""

import asyncio
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "internvideo-token"
BODY_BYTES = 1 << 20  # of requests that are no uploads
READ_SECONDS = 30.0  # without a byte of a body that was promised
RATE, BURST = 60.0, 240.0  # requests per second and client, and how many may come at once
CLIENTS = 4096  # whose rates are remembered
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HEADERS = [
    (b"content-security-policy",
     b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
     b"connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]  # fmt: skip


class Refused(Exception):
    """The answer is known before anything is done."""

    def __init__(self, status: int, kind: str, problem: str, hint: str = "") -> None:
        self.status, self.body = status, {"kind": kind, "problem": problem, "hint": hint}


class Guard:
    """hosts: names that the server is called by; empty for any, where a token is asked for. token: None for nobody."""

    def __init__(self, app: App, *, hosts: tuple[str, ...], token: str | None, upload_bytes: int) -> None:
        self._app, self._hosts, self._token, self._upload_bytes = app, hosts, token, upload_bytes
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        started = False

        async def guarded_send(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", []), *HEADERS, *cookie]
            await send(message)

        cookie: list[tuple[bytes, bytes]] = []
        try:
            self._check_origin(scope, headers)
            cookie = self._check_token(scope, headers)
            self._check_rate(scope)
            await self._app(scope, self._limited(scope, headers, receive), guarded_send)
        except Refused as refused:
            if not started:
                await _answer(guarded_send, refused)

    def _check_origin(self, scope: Scope, headers: dict[str, str]) -> None:
        """Other sites, and names that point here without our knowing, get nothing (cross-site requests, rebinding)."""
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if self._hosts and name.lower() not in self._hosts:
            raise Refused(403, "host", "this server is not called by that name", "open the address that it printed")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refused(403, "origin", "requests of other sites are not answered", "")
        if headers.get("sec-fetch-site", "same-origin") == "cross-site" and scope["method"] not in ("GET", "HEAD"):
            raise Refused(403, "origin", "requests of other sites are not answered", "")

    def _check_token(self, scope: Scope, headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
        """A header, a cookie, or once in the address of the page, which then sets the cookie."""
        if self._token is None:
            return []
        given = headers.get("authorization", "").removeprefix("Bearer ")
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if _same(given, self._token) or _same(_cookie(headers), self._token):
            return []
        if _same(asked, self._token):
            return [(b"set-cookie", f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/".encode("latin-1"))]
        raise Refused(401, "token", "this server asks for a token", "open the address that it printed")

    def _check_rate(self, scope: Scope) -> None:
        client = (scope.get("client") or ("",))[0]
        now = time.monotonic()
        left, then = self._buckets.pop(client, (BURST, now))
        left = min(BURST, left + (now - then) * RATE)
        self._buckets[client] = (max(0.0, left - 1), now)
        while len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
        if left < 1:
            raise Refused(429, "rate", "too many requests", "wait a second")

    def _limited(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Receive:
        """The body, up to its limit, and not for ever."""
        upload = headers.get("content-type", "").startswith("multipart/") or scope["path"] == "/videos"
        limit = self._upload_bytes if upload else BODY_BYTES
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            raise Refused(413, "too-large", f"a body of more than {limit:,} bytes", "send less")
        seen, complete = 0, False

        async def guarded() -> MutableMapping[str, Any]:
            nonlocal seen, complete
            if complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), READ_SECONDS)
            except TimeoutError:
                raise Refused(408, "slow", "the body did not come", "send it again") from None
            seen += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if seen > limit:
                raise Refused(413, "too-large", f"a body of more than {limit:,} bytes", "send less")
            return message

        return guarded


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode("utf-8"))


def _cookie(headers: dict[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


async def _answer(send: Send, refused: Refused) -> None:
    body = json.dumps(refused.body).encode("utf-8")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode("ascii"))]
    more = [(b"retry-after", b"1")] if refused.status == 429 else []
    await send({"type": "http.response.start", "status": refused.status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": body})
