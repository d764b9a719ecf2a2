"""A small web server on loopback with the faults of real ones: cut answers, no ranges, robots, opt-outs, redirects."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(ThreadingHTTPServer):
    """`files`: path -> bytes. `faults`: path -> what its next requests meet, in order: a status, or a number of bytes
    after which the connection breaks. `headers`: path -> more of them. `moved`: path -> where to.
    """

    daemon_threads = True

    def __init__(self, files, faults=None, headers=None, moved=None, ranges=True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.faults, self.more, self.moved = files, faults or {}, headers or {}, moved or {}
        self.ranges, self.asked, self.guard = ranges, [], threading.Lock()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        site, path = self.server, self.path
        with site.guard:
            site.asked.append((path, dict(self.headers)))
            fault = site.faults[path].pop(0) if site.faults.get(path) else None
        if path in site.moved:
            self.answer(302, b"", {"Location": site.moved[path]})
        elif isinstance(fault, tuple):
            self.answer(fault[0], b"", fault[1])
        elif path not in site.files:
            self.answer(404, b"no")
        else:
            self.give(site, path, fault)

    def give(self, site, path, fault):
        data, start = site.files[path], 0
        headers = {"Content-Type": "video/mp4", "ETag": f'"{hash(data)}"', **site.more.get(path, {})}
        if not site.ranges:
            headers["Accept-Ranges"] = "none"
        elif (wanted := self.headers.get("Range")) and self.headers.get("If-Range") == headers["ETag"]:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.answer(206 if start else 200, data[start:], headers, cut=fault)

    def answer(self, status, data, headers=(), cut=None):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data if cut is None else data[:cut])
        self.close_connection = cut is not None


@contextmanager
def hosting(files, **options):
    site = Site(files, **options)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
