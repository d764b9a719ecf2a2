"""One file from one https address into one place, resumable. Knows no names, no cache and no mirrors.

A download goes on after a broken connection or a killed process if the server can serve ranges and names the version
of the file (RFC 9110: Range, If-Range); what was written so far lies in a `.part` file with its state beside it.
"""

import errno
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from ssl import SSLCertVerificationError
from typing import IO
from urllib.parse import urlsplit

from internvideo.errors import InternVideoError

Progress = Callable[[int, int], None]  # bytes so far, bytes in all (0: unknown)

TIMEOUT = 30.0  # seconds without a byte
TRIES = 3  # in a row that bring nothing new
LONGEST_PAUSE = 60.0  # seconds that a server may ask to wait
BLOCK = 1 << 20
SPARE = 64 << 20  # bytes that must stay free on the disk
LOOPBACK = ("localhost", "127.0.0.1", "::1")
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class FetchError(InternVideoError):
    """Weights cannot be fetched, or are not what they were."""

    kind = "fetch"


class AddressFailed(Exception):
    """This address does not give the file; another may. status: of HTTP, if that is why."""

    def __init__(self, problem: str, status: int = 0) -> None:
        super().__init__(problem)
        self.status = status


class _Broken(Exception):
    """The connection or the answer broke off; worth another try, after so many seconds if the server said it."""

    def __init__(self, problem: str, after: float = 0.0, status: int = 0) -> None:
        super().__init__(problem)
        self.after, self.status = after, status


def download(
    address: str,
    part: Path,
    *,
    token: str = "",
    progress: Progress | None = None,
    handlers: Sequence[urllib.request.BaseHandler] = (),
    plain: bool = False,
) -> str:
    """Bring the file at `address` into `part`, going on where an earlier call stopped.

    handlers: of urllib, put before its own: they may watch or refuse. plain: http is good enough. Returns the SHA-256
    that the server states for it (Hugging Face does), or "". Raises AddressFailed when this address
    does not give the file (`part` is left only if it can be resumed) and FetchError when no address could: the disk is
    full, the folder cannot be written.
    """
    if not _safe(address, plain):
        raise AddressFailed("not https, so anybody on the way could change it")
    failures = 0
    while True:
        before = _size(part)
        try:
            return _attempt(address, part, token, progress, handlers, plain)
        except _Broken as broken:
            if not resumable(part):
                discard(part)
            grown = _size(part) > before
            failures = 0 if grown else failures + 1
            if failures >= TRIES:
                raise AddressFailed(str(broken), broken.status) from broken
            time.sleep(max(0.25 * 2**failures, broken.after))
        except AddressFailed:
            if _state(part).get("address") == address:
                discard(part)
            raise


def resumable(part: Path) -> bool:
    """Whether a later call can go on with this file."""
    return _size(part) > 0 and bool(_state(part).get("version"))


def discard(part: Path) -> None:
    """Remove an unfinished file and its state."""
    with writing(part):
        part.unlink(missing_ok=True)
        _beside(part).unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what the system's refusal to write means. Raises FetchError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            path.unlink(missing_ok=True)
            _beside(path).unlink(missing_ok=True)
            raise FetchError("the disk is full; what was fetched so far is removed", _elsewhere(path)) from error
        reason = error.strerror or type(error).__name__
        raise FetchError(f"cannot write in {_shown(path.parent)}: {reason}", _elsewhere(path)) from error


def _attempt(
    address: str,
    part: Path,
    token: str,
    progress: Progress | None,
    handlers: Sequence[urllib.request.BaseHandler],
    plain: bool,
) -> str:
    state = _state(part)
    have = _size(part) if state.get("address") == address and state.get("version") else 0
    if have and str(have) == state.get("total"):  # stopped between the last byte and the last step
        return state.get("stated", "")
    headers = {"User-Agent": "internvideo", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": state["version"]}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    redirects = _Redirects(plain)
    request = urllib.request.Request(address, headers=headers)
    with _answer(urllib.request.build_opener(redirects, *handlers), request, part) as answer:
        start = _start(answer, have)
        length = int(answer.headers.get("Content-Length") or 0)
        total = start + length if length else 0
        _need_space(part, total - start)
        with writing(part):
            version = _version(answer.headers) if length else ""
            state = {"address": address, "version": version, "total": str(total), "stated": redirects.stated}
            _beside(part).write_text(json.dumps(state), "utf-8")
        _copy(answer, part, start, total, progress)
    if total and _size(part) != total:
        raise _Broken(f"the connection broke off after {_size(part):,} of {total:,} bytes")
    return redirects.stated


@contextmanager
def _answer(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, part: Path
) -> Iterator[HTTPResponse]:
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        error.close()
        told = f"{error.code} {error.reason}"
        if error.code == 416:  # the file has become shorter than what is here
            discard(part)
            raise _Broken(told) from error
        if error.code in TRY_AGAIN:
            raise _Broken(told, _pause(error.headers.get("Retry-After")), error.code) from error
        raise AddressFailed(told, error.code) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, SSLCertVerificationError):
            raise AddressFailed(f"its certificate is not valid: {error.reason.verify_message}") from error
        raise _Broken(f"no connection: {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _Broken(f"the connection broke off: {error or type(error).__name__}") from error


def _pause(text: str | None) -> float:
    """Seconds of a Retry-After header, if it says seconds: at most LONGEST_PAUSE."""
    return min(float(text), LONGEST_PAUSE) if text is not None and text.isdecimal() else 0.0


def _start(answer: HTTPResponse, have: int) -> int:
    """The place in the file at which the answer begins."""
    kind = answer.headers.get_content_type()
    if kind == "text/html":
        raise AddressFailed("answered with a web page, not with the file")
    if answer.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have:
        raise AddressFailed("answered with another part of the file than was asked for")
    return have


def _copy(answer: HTTPResponse, part: Path, start: int, total: int, progress: Progress | None) -> None:
    done = start
    with writing(part), part.open("ab" if start else "wb") as file:
        while block := _read(answer):
            _write(file, block)
            done += len(block)
            if progress is not None:
                progress(done, total)
        os.fsync(file.fileno())


def _read(answer: HTTPResponse) -> bytes:
    try:
        return answer.read1(BLOCK)
    except (OSError, HTTPException) as error:
        raise _Broken(f"the connection broke off: {error or type(error).__name__}") from error


def _write(file: IO[bytes], block: bytes) -> None:
    file.write(block)


def _need_space(part: Path, wanted: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted and free < wanted + SPARE:
        needed = f"needs {wanted / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free in {_shown(part.parent)}"
        raise FetchError(f"the disk is too full: the file {needed}", _elsewhere(part))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to https only (`plain`: from http also to http), keeps secrets from other hosts, notes stated hashes."""

    def __init__(self, plain: bool = False) -> None:
        self.stated, self._plain = "", plain

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not _safe(newurl, self._plain) or (
            urlsplit(newurl).scheme == "http" and urlsplit(req.full_url).scheme != "http"
        ):
            raise AddressFailed("leads to an address that is not https")
        found = re.fullmatch(r'"?([0-9a-f]{64})"?', headers.get("X-Linked-Etag", ""))
        self.stated = found[1] if found else self.stated
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            request.remove_header("Authorization")
        return request


def _safe(address: str, plain: bool) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and (plain or parts.hostname in LOOPBACK))


def _version(headers: HTTPMessage) -> str:
    """What If-Range may name: a strong tag, else the date of the last change; "" if ranges are refused."""
    tag = headers.get("ETag", "")
    if headers.get("Accept-Ranges", "bytes") == "none":
        return ""
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _beside(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _state(part: Path) -> dict[str, str]:
    try:
        state = json.loads(_beside(part).read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0


def _elsewhere(path: Path) -> str:
    return f"make room in {_shown(path.parent)}, or set INTERNVIDEO_CACHE to another folder"


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
