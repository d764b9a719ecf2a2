"""Brings the videos of a list into a folder, each with a file that says where it is from and what may be done with it.

`collection.jsonl` grows by a line per address and is the truth: the same command goes on where it was killed, asks only
for what may still come, and never twice for what is here. What was refused, gone or not wanted is a line as well.
"""

import glob
import hashlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from internvideo.curation.collect.plugins import Collector
from internvideo.curation.collect.quotas import Exclusions, Quotas, Room
from internvideo.curation.collect.sources import GROUPS, Address, Source, suffix_of
from internvideo.curation.collect.stores import fetch_object
from internvideo.curation.collect.web import Answered, Refused, Web
from internvideo.curation.worker import digest_of_packets
from internvideo.errors import UsageError, VideoError
from internvideo.models.download import AddressFailed, discard
from internvideo.store import durable, journal_lines
from internvideo.video.probe import probe

JOURNAL = "collection.jsonl"
SUBTITLE_BYTES = 16_000_000
ONE_PAGE = 50  # videos of a source that does not say how many are wanted
AGAIN = frozenset({"network"})  # classes of failure that the next run tries again
FACTS = ("title", "description", "channel", "language", "upload_date")
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class FetchRecipe:
    """How addresses are asked.

    at_once: downloads side by side. pause: seconds between two requests to one host. rate: bytes a second in all, 0:
    any. largest: bytes of one file; most: of all files together, 0: any. private: also addresses of this machine and
    its network. robots: heed robots.txt and headers that opt out. licences: patterns such as `cc*`; empty: any, also
    none. agent: how servers are told who asks; a name and an address to complain to are good manners.
    """

    at_once: int = 4
    pause: float = 1.0
    rate: float = 0.0
    largest: int = 4_000_000_000
    most: int = 0
    private: bool = False
    robots: bool = True
    licences: tuple[str, ...] = ()
    agent: str = "internvideo"

    def __post_init__(self) -> None:
        if self.at_once < 1 or min(self.pause, self.rate, self.largest, self.most) < 0:
            raise UsageError(
                f"at_once={self.at_once} pause={self.pause} rate={self.rate}",
                "give at least one download at once, and nothing below 0",
            )

    def web(self) -> Web:
        return Web(self.agent, self.private, self.robots, self.pause, self.rate, self.largest)


class _NotTaken(Exception):
    """One address came to nothing. kind: its class."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


class Collection:
    """A folder that is filled. Everything that is known of it stands in its journal."""

    def __init__(self, folder: Path, recipe: FetchRecipe, quotas: Quotas, exclusions: Exclusions) -> None:
        self.folder, self._recipe = folder, recipe
        self._web, self._room, self._exclusions = recipe.web(), Room(quotas), exclusions
        self._lock = threading.Lock()
        durable.make_folder(folder)
        self.lines: dict[str, dict[str, Any]] = {}
        for line in journal_lines.read(folder / JOURNAL)[0]:
            self.lines[str(line["url"])] = line
        self.bytes = sum(int(line["bytes"]) for line in self.lines.values() if line["state"] == "here")

    def due(self, addresses: Iterable[Address], again: Sequence[str] = ()) -> list[Address]:
        """Those that are not here and may still come. again: classes of failures to try once more."""
        found = []
        for address in addresses:
            line = self.lines.get(address.url)
            here = line is not None and line["state"] == "here" and self._is_there(line)
            if here:
                self._room.take(address)
            elif line is None or line["state"] == "here" or line["state"] in (*AGAIN, *again):
                found.append(address)
        return found

    def _is_there(self, line: dict[str, Any]) -> bool:
        path = self.folder / str(line["file"])
        return path.is_file() and path.stat().st_size == line["bytes"]

    def fetch_all(self, due: Sequence[Address], tell: Tell) -> Counter[str]:
        """Fetch them, in order, some at a time; how many came to what. A full quota is no line: it may be raised."""
        counts: Counter[str] = Counter()
        waiting, running = iter(due), set[Future[str]]()
        with ThreadPoolExecutor(self._recipe.at_once, thread_name_prefix="fetch") as pool:
            try:
                for address in self._allowed(waiting, counts):
                    running.add(pool.submit(self._one, address))
                    if len(running) >= self._recipe.at_once:
                        running = self._collect(running, counts, len(due), tell)
                while running:
                    running = self._collect(running, counts, len(due), tell)
            except BaseException:
                self._web.stopped.set()  # downloads end at the next block and are gone on with by the next run
                raise
        return counts

    def _allowed(self, waiting: Iterator[Address], counts: Counter[str]) -> Iterator[Address]:
        for address in waiting:
            if self._recipe.most and self.bytes >= self._recipe.most:
                counts["over the limit of bytes"] += 1
            elif full := self._room.take(address):
                counts[f"quota {full} is full"] += 1
            else:
                yield address

    def _collect(self, running: set[Future[str]], counts: Counter[str], total: int, tell: Tell) -> set[Future[str]]:
        done, left = wait(running, return_when=FIRST_COMPLETED)
        counts.update(future.result() for future in done)
        tell(counts.total(), total, "")
        return left

    def _one(self, address: Address) -> str:
        """Fetch one; the state that its line says."""
        line: dict[str, Any] = {"url": address.url, "list": address.list, "row": address.line}
        try:
            line |= self._fetched(address)
        except _NotTaken as problem:
            line |= {"state": problem.kind, "message": problem.message}
            self._room.give_back(address)
        self._note(line)
        return str(line["state"])

    def _fetched(self, address: Address) -> dict[str, Any]:
        """Facts of its line. Raises _NotTaken."""
        self._wanted(address)
        part = self.folder / f"{address.id}.part"
        answered = self._ask(address, part)
        try:
            digest = _sha256(part)
            if answered.stated and answered.stated != digest:
                raise _NotTaken("network", "not the bytes that the server says it has")
            self._usable(part, digest)
        except _NotTaken:
            discard(part)
            raise
        name = address.id + suffix_of(address.url, answered.content_type)
        licence, evidence = address.fact("licence") or address.fact("license"), f"{address.list}:{address.line}"
        if answered.licence and not licence:
            licence, evidence = answered.licence, f"Link header of {address.url}"
        part.replace(self.folder / name)
        discard(part)
        subtitles = self.subtitles(address)
        facts = {
            **{"state": "here", "file": name, "bytes": (self.folder / name).stat().st_size, "sha256": digest},
            **{"licence": licence, "evidence": evidence if licence else "", "robots": answered.robots},
            **{"subtitles": subtitles},
        }
        self.describe(address, name, facts)
        return facts

    def take_from(self, collect: Collector, sources: Sequence[Source], tell: Tell) -> Counter[str]:
        """Have a plug-in look for the videos of every source; how many came to what."""
        counts: Counter[str] = Counter()
        for done, source in enumerate(sources, 1):
            for facts in collect(source, self.folder, source.videos or ONE_PAGE):
                url, name = str(facts["url"]), Path(str(facts["file"])).name
                line = self.lines.get(url)
                if line is not None and line["state"] == "here" and self._is_there(line):
                    continue
                given = {group: getattr(source, group) for group in GROUPS} | dict(facts)
                address = Address(url, Path(name).stem, given, f"{source.kind} {source.text}")
                counts[self._handed_over(address, self.folder / name)] += 1
            tell(done, len(sources), source.text)
        return counts

    def _handed_over(self, address: Address, path: Path) -> str:
        """Keep or remove a file that a plug-in put there; the state that its line says."""
        line: dict[str, Any] = {"url": address.url, "list": address.list, "row": address.line}
        full = self._room.take(address)
        try:
            if full:
                raise _NotTaken("over quota", full)
            self._wanted(address)
            digest = _sha256(path)
            self._usable(path, digest)
        except _NotTaken as problem:
            if not full:
                self._room.give_back(address)
            for beside in [path, *(p for p in self.folder.glob(f"{glob.escape(path.stem)}.*"))]:
                durable.remove(beside)
            line |= {"state": problem.kind, "message": problem.message}
        else:
            licence = address.fact("licence") or address.fact("license")
            evidence = address.list if licence else ""
            line |= {"state": "here", "file": path.name, "bytes": path.stat().st_size, "sha256": digest}
            line |= {"licence": licence, "evidence": evidence, "robots": "", "subtitles": {}}
            if not path.with_suffix(".info.json").exists():
                self.describe(address, path.name, line)
        self._note(line)
        return str(line["state"])

    def _note(self, line: dict[str, Any]) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self._lock:
            journal_lines.append(self.folder / JOURNAL, {**line, "at": at})
            self.bytes += line.get("bytes", 0)

    def _wanted(self, address: Address) -> None:
        if why := self._exclusions.of(address):
            raise _NotTaken("excluded", why)
        licence = (address.fact("licence") or address.fact("license")).lower()
        if self._recipe.licences and not any(fnmatchcase(licence, one.lower()) for one in self._recipe.licences):
            raise _NotTaken("licence", f"its licence `{licence}` is none of {', '.join(self._recipe.licences)}")

    def _ask(self, address: Address, part: Path) -> Answered:
        try:
            if address.store:
                fetch_object(address.url, part, self._recipe.largest)
                return Answered("", "", "", "")
            return self._web.fetch(address.url, part)
        except Refused as refused:
            raise _NotTaken("refused", str(refused)) from refused
        except AddressFailed as failure:
            kinds = {404: "gone", 410: "gone", 401: "denied", 403: "denied", 451: "denied"}
            passing = failure.status in (0, 408, 425, 429) or failure.status >= 500
            kind = kinds.get(failure.status, "network" if passing else "refused")
            raise _NotTaken(kind, str(failure)) from failure
        except ValueError as error:  # what is no address
            raise _NotTaken("refused", f"no address: {error}") from error

    def _usable(self, part: Path, digest: str) -> None:
        """Raises _NotTaken for what is no video or one that is not wanted."""
        try:
            facts = probe(part)
            packets = digest_of_packets(os.fspath(part), facts.stream) if self._exclusions.packets else ""
        except VideoError as error:
            raise _NotTaken(error.kind, error.problem) from error
        if why := self._exclusions.of_file(digest, packets):
            raise _NotTaken("excluded", why)

    def describe(self, address: Address, name: str, facts: dict[str, Any]) -> None:
        """Write the file beside the video, in the words of yt-dlp's, which `curate` reads."""
        known: dict[str, Any] = {field: value for field in FACTS if (value := address.fact(field))}
        known |= {"id": address.id, "webpage_url": address.url, "license": facts["licence"] or None}
        known |= {"tags": address.facts.get("tags")} if address.facts.get("tags") else {}
        known |= {"categories": [category]} if (category := address.fact("category")) else {}
        asked = {"list": f"{address.list}:{address.line}", "licence_evidence": facts["evidence"]}
        asked |= {field: facts[field] for field in ("sha256", "robots")} | {"country": address.fact("country")}
        known["collected"] = {**asked, "at": time.strftime("%Y-%m-%d", time.gmtime())}
        text = json.dumps(known, ensure_ascii=False, indent=1, default=str)
        durable.write_atomic(self.folder / f"{Path(name).stem}.info.json", text.encode("utf-8"))

    def subtitles(self, address: Address) -> dict[str, str]:
        """Fetch its subtitles: language -> name of the file, or why there is none. They fail without consequence."""
        found = {}
        for language, url in sorted(address.subtitles.items()):
            suffix = ".srt" if url.lower().split("?")[0].endswith(".srt") else ".vtt"
            part = self.folder / f"{address.id}.{language}{suffix}.part"
            try:
                self._web.fetch(url, part, SUBTITLE_BYTES)
                part.replace(self.folder / f"{address.id}.{language}{suffix}")
                found[language] = f"{address.id}.{language}{suffix}"
            except (AddressFailed, ValueError) as error:
                found[language] = f"none: {error}"
            discard(part)
        return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
