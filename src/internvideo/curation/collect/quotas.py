"""How many videos of each category, language or country are taken; and which are not wanted at all."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from internvideo.curation.collect.sources import GROUPS, Address
from internvideo.errors import UsageError, nearest
from internvideo.store.dataset import Dataset
from internvideo.store.faults import told

Quotas = Mapping[tuple[str, str], int]  # (group, value) -> at most


def parse_quotas(words: Iterable[str]) -> dict[tuple[str, str], int]:
    """
    >>> parse_quotas(["language:en=1000"])
    {('language', 'en'): 1000}
    """
    found = {}
    for word in words:
        key, equals, count = word.partition("=")
        group, colon, value = key.partition(":")
        if not (equals and colon and value and count.isdecimal()):
            raise UsageError(f"`{word}` is no quota", "write GROUP:VALUE=COUNT, such as language:en=1000")
        if group not in GROUPS:
            raise UsageError(f"no group `{group}` in `{word}`", nearest(group, GROUPS))
        found[group, value] = int(count)
    return found


class Room:
    """What quotas still allow. Take before fetching; give back what could not be had."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas, self._taken = quotas, Counter[tuple[str, str]]()

    def take(self, address: Address) -> str:
        """Reserve a place; "" if there was one, else the quota that is full."""
        keys = [(group, value) for group in GROUPS if (value := address.fact(group))]
        for key in keys:
            if key in self._quotas and self._taken[key] >= self._quotas[key]:
                return f"{key[0]}:{key[1]}={self._quotas[key]}"
        self._taken.update(keys)
        return ""

    def give_back(self, address: Address) -> None:
        self._taken.subtract([(group, value) for group in GROUPS if (value := address.fact(group))])


@dataclass
class Exclusions:
    """Videos that must not be taken: by identifier or address, by the hash of the file, by that of its packets."""

    names: dict[str, str] = field(default_factory=dict)  # id or address -> the list that says so
    files: dict[str, str] = field(default_factory=dict)  # SHA-256 of the bytes
    packets: dict[str, str] = field(default_factory=dict)  # `ops.packets.packet_digest`

    def of(self, address: Address) -> str:
        """Why an address is not wanted; "" if it is."""
        identifiers = (address.url, address.id, *(address.fact(name) for name in ("id", "video_id", "youtubeid")))
        return next((f"listed in {self.names[one]}" for one in identifiers if one in self.names), "")

    def of_file(self, digest: str, packets: str) -> str:
        """Why a file that was fetched is not wanted; "" if it is."""
        if digest in self.files:
            return f"the bytes of a video in {self.files[digest]}"
        return f"the pictures of a video in {self.packets[packets]}" if packets in self.packets else ""


def read_exclusions(paths: Sequence[Path]) -> Exclusions:
    """From text files (an id, an address, or the SHA-256 of a file per line) and dataset folders (their videos, those
    that were taken out for ever too). Raises UsageError for a path that is neither.
    """
    found = Exclusions()
    for path in paths:
        if path.is_dir() and Dataset.exists(path):
            dataset = Dataset(path)
            found.files |= dict.fromkeys([*dataset.rows("places")["video"].to_pylist(), *dataset.withheld()], path.name)
            if "packet_digest" in dataset.operators():
                digests = dataset.rows("packet_digest")["digest"].to_pylist()
                found.packets |= dict.fromkeys(filter(None, digests), path.name)
        elif path.is_file():
            with told("read", path):
                words = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
            for word in words:
                hashed = len(word) == 64 and not set(word.lower()) - set("0123456789abcdef")
                if word and not word.startswith("#"):
                    (found.files if hashed else found.names)[word.lower() if hashed else word] = path.name
        else:
            raise UsageError(f"`{path}` excludes nothing: neither a list nor a dataset", "give a text file or a folder")
    return found
