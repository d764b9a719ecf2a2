"""A small web server on this machine that serves files well or badly, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def safetensors(numbers: int = 200_000, value: int = 7) -> bytes:
    """A whole file of one tensor of bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [numbers], "data_offsets": [0, numbers]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes([value]) * numbers


class Server:
    """`files` by path; `answer(request, path)` may take over and return True."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.etag, self.ranges, self.lengths = '"v1"', True, True
        self.drops: list[int] = []  # one per answer to come: send only so many bytes
        self.takes_over: Callable | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
                if server.takes_over is None or not server.takes_over(self):
                    server.serve(self)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        data = self.files.get(request.path.partition("?")[0])
        if data is None:
            return request.send_error(404)
        start, asked = 0, request.headers.get("Range")
        if asked and self.ranges and request.headers.get("If-Range") in (None, self.etag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return request.send_error(416)
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if self.lengths:
            request.send_header("Content-Length", str(len(data) - start))
        if self.etag:
            request.send_header("ETag", self.etag)
        request.send_header("Accept-Ranges", "bytes" if self.ranges else "none")
        request.send_header("Content-Type", "application/octet-stream")
        request.end_headers()
        body = data[start:]
        if self.drops:
            body = body[: self.drops.pop(0)]
            request.close_connection = True
        request.wfile.write(body)
        return None

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
