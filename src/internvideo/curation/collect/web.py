"""Asking other people's servers, politely and without being led astray.

Every connection, also of a redirect, goes to an address that was looked up and found public just before (else a list
could make this machine ask services of its own network); proxies of the environment are not used, since they would look
names up where nobody checks. robots.txt (RFC 9309) and answers that opt out of machine learning are heeded. Requests to
one host keep a pause; all of them together keep a rate.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from internvideo.errors import MissingExtra
from internvideo.models.download import AddressFailed, download

ROBOTS_BYTES = 512_000  # of a robots.txt that are read, as RFC 9309 asks at least
TIMEOUT = 30.0
LONGEST_CRAWL_DELAY = 30.0  # seconds; servers that ask for more get this
# Words of `X-Robots-Tag` with which sites opt out of being learned from.
OPT_OUT = frozenset({"noai", "noimageai", "noml", "none"})


class Refused(AddressFailed):
    """Not asked for, or not taken, because somebody does not want it: a rule of ours, of the site, or a limit."""


@dataclass(frozen=True)
class Answered:
    """What is known of a file that was fetched."""

    stated: str  # SHA-256, if the server stated one
    content_type: str
    licence: str  # of a `Link: rel=license` header
    robots: str  # what robots.txt said


@dataclass
class Web:
    """private: addresses of this machine and its network may be asked too. rate: bytes a second in all, 0: any.

    largest: bytes of one file. pause: seconds between two requests to one host.
    """

    agent: str = "internvideo"
    private: bool = False
    heed_robots: bool = True
    pause: float = 1.0
    rate: float = 0.0
    largest: int = 4_000_000_000
    _turns: dict[str, float] = field(default_factory=dict)
    _robots: dict[str, "_Robots"] = field(default_factory=dict)
    _entrances: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _due: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)  # set: downloads end at their next block

    def fetch(self, url: str, part: Path, largest: int | None = None) -> Answered:
        """Bring the file at `url` into `part`, going on where an earlier call stopped.

        Raises Refused, AddressFailed (with the status of HTTP, if any), FetchError (the disk) and MissingExtra.
        """
        watch, most = _Watch(self), largest if largest is not None else self.largest

        def limit(done: int, total: int) -> None:
            if self.stopped.is_set():
                raise KeyboardInterrupt
            if max(done, total) > most:
                raise Refused(f"{max(done, total):,} bytes or more, over the limit of {most:,}")
            self._throttle(done - watch.counted if done > watch.counted else 0)
            watch.counted = done

        handlers = [*self._handlers(), watch]
        stated = download(url, part, progress=limit, handlers=handlers, plain=True)
        headers = watch.headers
        licence = _linked_licence(headers.get_all("Link") or [], url) if headers is not None else ""
        kind = headers.get("Content-Type", "") if headers is not None else ""
        return Answered(stated, kind, licence, watch.robots)

    def answers(self, url: str) -> tuple[str, str]:
        """Whether an address still gives something: `there`, `gone` or `silent`, and what the server said.

        Asks for the first byte only. Raises Refused.
        """
        opener = urllib.request.build_opener(*self._handlers(), _Watch(self))
        try:
            with opener.open(urllib.request.Request(url, headers={"Range": "bytes=0-0"}), timeout=TIMEOUT) as answer:
                return "there", str(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return ("gone" if error.code in (404, 410) else "silent"), f"{error.code} {error.reason}"
        except Refused:
            raise
        except (AddressFailed, OSError, http.client.HTTPException, ValueError) as error:
            return "silent", str(error)

    def _handlers(self) -> list[urllib.request.BaseHandler]:
        return [urllib.request.ProxyHandler({}), _Plain(self.private), _Secure(self.private)]

    def _throttle(self, count: int) -> None:
        if not self.rate:
            return
        with self._lock:
            self._due = max(self._due, time.monotonic()) + count / self.rate
            wait = self._due - time.monotonic()
        if wait > 0:
            time.sleep(wait)

    def wait_for_turn(self, url: str) -> None:
        """Sleep until the host of `url` may be asked again."""
        host = urlsplit(url).netloc.lower()
        with self._lock:
            robots = self._robots.get(_site(url))
            pause = max(self.pause, min(robots.delay, LONGEST_CRAWL_DELAY) if robots else 0.0)
            begin = max(time.monotonic(), self._turns.get(host, 0.0))
            self._turns[host] = begin + pause
        time.sleep(max(0.0, begin - time.monotonic()))

    def ask_robots(self, url: str) -> str:
        """What robots.txt of its site says to fetching `url`, in words. Raises Refused, or AddressFailed if it cannot
        be had: a site that does not answer is not entered.
        """
        if not self.heed_robots:
            return "not asked"
        site = _site(url)
        with self._lock:
            entrance = self._entrances.setdefault(site, threading.Lock())
        with entrance:  # whoever comes first asks for all
            known = self._robots.get(site)
            if known is None:
                self.wait_for_turn(site)
                known = self._robots[site] = _read_robots(site, self.agent, self._handlers())
        if not known.allows(url, self.agent):
            raise Refused(f"robots.txt of {site} does not want it to be fetched")
        return known.told


def _site(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass
class _Robots:
    rules: Any  # of protego; None: there is no such file, everything is allowed
    told: str
    delay: float = 0.0

    def allows(self, url: str, agent: str) -> bool:
        return self.rules is None or bool(self.rules.can_fetch(url, agent))


def _read_robots(site: str, agent: str, handlers: list[urllib.request.BaseHandler]) -> _Robots:
    try:
        from protego import Protego
    except ImportError as error:
        raise MissingExtra("protego", "collect") from error
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(f"{site}/robots.txt", headers={"User-Agent": agent})
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            text = answer.read(ROBOTS_BYTES).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        error.close()
        if 400 <= error.code < 500 and error.code != 429:
            return _Robots(None, f"no robots.txt ({error.code})")
        raise AddressFailed(f"robots.txt of {site} answers {error.code}", error.code) from error
    except (OSError, http.client.HTTPException) as error:
        raise AddressFailed(f"robots.txt of {site} cannot be had: {error}", 503) from error
    rules = Protego.parse(text)
    return _Robots(rules, f"allowed by {site}/robots.txt", float(rules.crawl_delay(agent) or 0.0))


class _Watch(urllib.request.BaseHandler):
    """Sees every request and answer of one download: asks robots.txt, keeps turns, hears who opts out."""

    handler_order = 100  # before the others

    def __init__(self, web: Web) -> None:
        self._web, self.counted, self.robots = web, 0, ""
        self.headers: HTTPMessage | None = None

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        self.robots = self._web.ask_robots(request.full_url)
        self._web.wait_for_turn(request.full_url)
        request.add_header("User-Agent", self._web.agent)
        return request

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        if response.status < 300:
            self.headers = response.headers
            resumed = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            self.counted = int(resumed[1]) if resumed else 0  # what was here before counts for no rate
            if self._web.heed_robots and (said := _opts_out(response.headers)):
                response.close()
                raise Refused(f"its site opts out of machine learning: {said}")
        return response

    https_request, https_response = http_request, http_response


def _opts_out(headers: HTTPMessage) -> str:
    """The header that does: X-Robots-Tag, or TDM-Reservation of the TDM Reservation Protocol (W3C group, 2024)."""
    for tag in headers.get_all("X-Robots-Tag") or []:
        if {word.strip().lower() for word in tag.rpartition(":")[2].split(",")} & OPT_OUT:
            return f"X-Robots-Tag: {tag}"
    return "TDM-Reservation: 1" if headers.get("TDM-Reservation", "").strip() == "1" else ""


def _linked_licence(links: list[str], url: str) -> str:
    """The address of a `Link: <...>; rel="license"` header (RFC 4946); "" if there is none."""
    for link in ",".join(links).split(","):
        target, _, parameters = link.partition(">")
        words = parameters.lower().replace('"', "").replace(" ", "")
        if "rel=license" in words and "<" in target:
            return urljoin(url, target.partition("<")[2].strip())
    return ""


class _Connection(http.client.HTTPConnection):
    private = False

    def connect(self) -> None:
        self.sock = _connected(self.host, self.port, self.timeout, self.private)


class _SecureConnection(http.client.HTTPSConnection):
    private = False

    def connect(self) -> None:
        plain = _connected(self.host, self.port, self.timeout, self.private)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


def _kept(kind: type[Any], private: bool, host: str, **options: Any) -> Any:
    made = kind(host, **options)
    made.private = private
    return made


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, private: bool) -> None:
        super().__init__()
        self._private = private

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(_kept, _Connection, self._private), req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, private: bool) -> None:
        super().__init__()
        self._private = private

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(_kept, _SecureConnection, self._private), req)


def _connected(host: str, port: int, timeout: float | None, private: bool) -> socket.socket:
    """A connection to the very address that was checked, so that a second look-up cannot change it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not private:
        for *_, place in found:
            if not is_public(str(place[0])):
                why = "an address of this machine or its network; private=yes allows those"
                raise Refused(f"{host} is {place[0]}, {why}")
    error: OSError | None = None
    for *_, place in found:
        try:
            return socket.create_connection((str(place[0]), port), timeout)
        except OSError as problem:
            error = problem
    raise error or OSError(f"{host} has no address")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also of what tunnels through IPv6 hide in it.

    >>> [is_public(a) for a in ("93.184.216.34", "127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "169.254.169.254")]
    [True, False, False, False, False]
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        hidden = ip.ipv4_mapped or ip.sixtofour
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            hidden = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(str(hidden))
    return ip.is_global and not ip.is_multicast
