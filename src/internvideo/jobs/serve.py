"""`internvideo serve`: the page and the HTTP interface of one dataset, until Ctrl-C."""

import os
import secrets
import socket
import sys
import threading
import urllib.request
from typing import Any

from internvideo.errors import InternVideoError, MissingExtra, UsageError
from internvideo.jobs.talk import note

LOCAL = ("127.0.0.1", "localhost", "::1")
TOKEN = "INTERNVIDEO_TOKEN"
CONNECTIONS = 512


def serve(
    make_app: Any,
    folder: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    model: str | None = None,
    weights: str | None = None,
    device: str | None = None,
    upload_megabytes: int = 2048,
    once: bool = False,
) -> int:
    """Serve until Ctrl-C. make_app: (service, token=, hosts=) -> ASGI application.

    Bound to anything but loopback, a token is asked for: that of the environment variable INTERNVIDEO_TOKEN, else a new
    one, which the printed address holds. port: 0 for any that is free. once: answer one request to itself and end.
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("uvicorn", "serve") from None
    from internvideo.jobs.serving import Service

    outside = host not in LOCAL
    token = (os.environ.get(TOKEN) or secrets.token_urlsafe(24)) if outside else None
    listening = _bound(host, port)
    service = Service(folder, model=model, weights=weights, device=device, upload_bytes=upload_megabytes << 20)
    names = () if outside else ("127.0.0.1", "localhost", "[::1]")
    app = make_app(service, token=token, hosts=names)
    config = uvicorn.Config(
        app, log_level="warning", limit_concurrency=CONNECTIONS, timeout_keep_alive=15, server_header=False,
        timeout_graceful_shutdown=3,
    )  # fmt: skip
    server = uvicorn.Server(config)
    name = f"[{host}]" if ":" in host else socket.gethostname() if host in ("0.0.0.0", "::") else host
    address = f"http://{name}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else "")
    if once:
        return _answer_once(server, listening, address, folder)
    print(address, flush=True)
    for line in service.status()["notes"]:
        note(line)
    note("Ctrl-C ends it")
    server.run(sockets=[listening])
    return 0


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(
        family, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # else asyncio leaves Nagle on: 40 ms an answer
    try:
        if sys.platform != "win32":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(256)
    except (OSError, OverflowError) as error:
        found.close()
        raise UsageError(f"cannot listen on {host} port {port}: {error}", "--port 0 takes any that is free") from error
    return found


def _answer_once(server: Any, listening: socket.socket, address: str, folder: str) -> int:
    """One request to itself, so that whoever runs this without a terminal knows that the page works."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            page = answer.read()
    except OSError as error:
        raise InternVideoError(f"the server does not answer: {error}", "`internvideo serve` shows why") from error
    finally:
        server.should_exit = True
        thread.join(10)
    print(f"page: {address} answered with {len(page):,} bytes; `internvideo serve {folder}` serves it until Ctrl-C")
    return 0
