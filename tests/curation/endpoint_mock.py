"""A small endpoint that speaks the chat-completions protocol, on loopback, with the faults of real ones."""

import base64
import hashlib
import io
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image


class Mock(ThreadingHTTPServer):
    """`faults`: what the next requests meet, in order; then answers. Counts what it was asked and how many at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, latency: float = 0.0, faults=(), caption=None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency, self.faults, self.caption = latency, list(faults), caption
        self.guard = threading.Lock()
        self.bodies: list[dict] = []
        self.at_once = self.most_at_once = 0
        self.busy: list[tuple[float, int]] = []  # (moment, requests under way)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def count(self, change: int) -> None:
        with self.guard:
            self.at_once += change
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.busy.append((time.monotonic(), self.at_once))


def pictures_in(body: dict) -> list[Image.Image]:
    content = body["messages"][0]["content"]
    found = []
    for part in content if isinstance(content, list) else []:
        if part["type"] == "image_url":
            data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
            found.append(Image.open(io.BytesIO(data)))
    return found


def asked_for(body: dict) -> str:
    """The one field that the schema of a question wants."""
    return body["response_format"]["json_schema"]["schema"]["required"][0]


def usual_caption(body: dict) -> str:
    """The same words for the same question."""
    digest = hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()[:8]
    return f"picture {digest}" if pictures_in(body) else f"merged {digest}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.guard:
            server.bodies.append(body)
            fault = server.faults.pop(0) if server.faults else None
        server.count(1)
        try:
            time.sleep(server.latency)
        finally:
            server.count(-1)
        self.reply(body, fault)

    def reply(self, body, fault):
        if isinstance(fault, int):
            self.send(fault, {"error": {"message": f"status {fault}"}}, {"Retry-After": "0"} if fault == 429 else {})
        elif fault == "hang":
            time.sleep(3)
            self.close_connection = True
        elif fault == "cut":
            data = json.dumps(answer("half")).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif fault == "no-json":
            self.send(200, answer("I would rather not write JSON"))
        elif fault == "refuse":
            self.send(200, answer(None, refusal="I cannot help with that"))
        elif fault == "huge":
            self.send(200, answer(json.dumps({"caption": "word " * 40_000})))
        else:
            text = (self.server.caption or usual_caption)(body)
            form = {"caption": text} if "response_format" in body and isinstance(text, str) else text
            self.send(200, answer(form if isinstance(form, str) else json.dumps(form)))

    def send(self, status, content, headers=()):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def answer(text, refusal=None):
    message = {"role": "assistant", "content": text, **({"refusal": refusal} if refusal else {})}
    return {
        "id": "1",
        "model": "mock-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    }


@contextmanager
def serving(**options):
    mock = Mock(**options)
    thread = threading.Thread(target=mock.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield mock
    finally:
        mock.shutdown()
        mock.server_close()
