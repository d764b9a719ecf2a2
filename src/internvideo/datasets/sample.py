"""What a training or evaluation list is made of: where pixels are and what is said of them. Opens no file.

`Samples` holds a list in a few columns of memory, so that ten million lines fit; `coverage` says how much of a list is
there.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, overload

import pyarrow as pa

from internvideo.records import Span

PathLike = str | os.PathLike[str]
Media = Literal["video", "image"]
CHUNK = 1 << 14  # samples per block of columns
MISSING_SHOWN = 20
DRAWN = "moving_shapes:"  # how paths of scenes begin that are drawn when they are looked at
_MEMBER = re.compile(r"(.+)#(\d+)\+(\d+)\.(\w+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a list."""

    uid: int  # [0, 2**63): the clip; the same in every run, different in every corpus (see `uid_of`)
    path: str  # a video, an image, a folder of numbered images, or part of a tar shard (see `Member`)
    span: Span | None = None  # seconds in the file; None: all of it
    captions: tuple[str, ...] = ()
    label: int | None = None  # number of the class; with `soft` the one of the largest share
    source: str = ""  # the film it comes from; "": not known
    media: Media = "video"
    soft: tuple[tuple[int, float], ...] = ()  # classes with their shares, which sum to 1; (): only `label`


class Member(NamedTuple):
    """Bytes of a tar shard, written in a path as `SHARD.tar#OFFSET+SIZE.SUFFIX`. suffix `frames`: several pictures."""

    tar: str
    offset: int
    size: int
    suffix: str

    @property
    def path(self) -> str:
        return f"{self.tar}#{self.offset}+{self.size}.{self.suffix}"


def member_of(path: str) -> Member | None:
    """The part of a shard that a path names; None for an ordinary file.

    >>> member_of("a/b.tar#512+99.mp4")
    Member(tar='a/b.tar', offset=512, size=99, suffix='mp4')
    """
    found = _MEMBER.fullmatch(path)
    return Member(found[1], int(found[2]), int(found[3]), found[4]) if found else None


def uid_of(corpus: str, name: str, span: Span | None = None) -> int:
    """A number for a clip: of the corpus, its name there (no folder of this machine) and its span.

    63 bits of BLAKE2b: among ten million clips two are equal with probability 5e-6.
    """
    return hash_of(f"{corpus}\0{name}\0" + (f"{span.start!r} {span.end!r}" if span else ""))


def hash_of(text: str) -> int:
    """63 bits that are the same for a text on every machine."""
    return int.from_bytes(hashlib.blake2b(os.fsencode(text), digest_size=8).digest(), "big") >> 1


class Samples(Sequence[Sample]):
    """A list of samples, kept as columns. captioned, labelled: how many of them are; highest_label: -1 if none is.

    softly: how many have several classes with shares. classes: names of the labels in the order of their numbers, ()
    where nobody says. hash: of uids, spans, captions and labels in their order, not of the folders they lie in.
    """

    def __init__(self, samples: Iterable[Sample], classes: Sequence[str] = ()) -> None:
        self.classes = tuple(classes)
        self._chunks: list[pa.RecordBatch] = []
        self.has_files = True  # False: its samples are made, there is nothing to look for
        self._length = self.captioned = self.labelled = self.softly = 0
        self.highest_label = -1
        self.media: tuple[Media, ...] = ()
        digest = hashlib.sha256()
        block: list[Sample] = []
        for sample in samples:
            block.append(sample)
            told = (sample.uid, sample.span, sample.captions, sample.label, sample.media)
            digest.update(repr((*told, sample.soft) if sample.soft else told).encode("ascii", "backslashreplace"))
            self.captioned += bool(sample.captions)
            if sample.label is not None:
                self.labelled += 1
                self.softly += bool(sample.soft)
                self.highest_label = max(self.highest_label, sample.label, *(number for number, _ in sample.soft))
            if sample.media not in self.media:
                self.media = (*self.media, sample.media)
            if len(block) == CHUNK:
                self._keep(block)
                block = []
        self._keep(block)
        self.hash = digest.hexdigest()

    def _keep(self, block: list[Sample]) -> None:
        if block:
            self._chunks.append(_packed(block))
            self._length += len(block)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "Samples": ...
    def __getitem__(self, index: int | slice) -> "Sample | Samples":
        if isinstance(index, slice):
            return Samples((self[place] for place in range(*index.indices(len(self)))), self.classes)
        if not -len(self) <= index < len(self):
            raise IndexError(f"no sample {index} among {len(self)}")
        chunk, row = divmod(index % len(self), CHUNK)
        return _unpacked(*(column[row].as_py() for column in self._chunks[chunk].columns))

    def __iter__(self) -> Iterator[Sample]:
        for chunk in self._chunks:
            for row in zip(*(column.to_pylist() for column in chunk.columns), strict=True):
                yield _unpacked(*row)

    def __repr__(self) -> str:
        return f"<{len(self):,} samples, list {self.hash[:12]}>"


_SCHEMA = pa.schema(
    [
        ("uid", pa.int64()),
        ("path", pa.binary()),  # names need not be UTF-8
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("captions", pa.list_(pa.string())),
        ("label", pa.int32()),
        ("source", pa.binary()),
        ("media", pa.string()),
        ("soft_labels", pa.list_(pa.int32())),
        ("soft_shares", pa.list_(pa.float64())),
    ]
)


def _packed(block: Sequence[Sample]) -> pa.RecordBatch:
    columns = zip(
        *(
            (
                sample.uid,
                os.fsencode(sample.path),
                sample.span.start if sample.span else None,
                sample.span.end if sample.span else None,
                [text.encode("utf-8", "replace").decode() for text in sample.captions],
                sample.label,
                os.fsencode(sample.source),
                sample.media,
                [number for number, _ in sample.soft],
                [share for _, share in sample.soft],
            )
            for sample in block
        ),
        strict=True,
    )
    arrays = [pa.array(list(column), kind.type) for column, kind in zip(columns, _SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


def _unpacked(
    uid: int,
    path: bytes,
    start: float | None,
    end: float | None,
    captions: list[str],
    label: int | None,
    source: bytes,
    media: Media,
    soft_labels: list[int],
    soft_shares: list[float],
) -> Sample:
    span = Span(start, end) if start is not None and end is not None else None
    soft = tuple(zip(soft_labels, soft_shares, strict=True))
    return Sample(uid, os.fsdecode(path), span, tuple(captions), label, os.fsdecode(source), media, soft)


def with_text(samples: Iterable[Sample], least_words: int = 2) -> Samples:
    """The samples that have a caption of at least so many words; shorter captions are left out.

    ViCLIP's training drops captions of fewer than two words.
    """
    kept = ((sample, tuple(text for text in sample.captions if len(text.split()) >= least_words)) for sample in samples)
    return Samples(replace(sample, captions=captions) for sample, captions in kept if captions)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of a list is there. share: of the samples whose file is missing, 0 to 1."""

    samples: int
    files: int
    missing_files: int
    missing_samples: int
    list_hash: str
    examples: list[str] = field(default_factory=list)  # the first missing files

    @property
    def share(self) -> float:
        return self.missing_samples / self.samples if self.samples else 0.0


def coverage(samples: Sequence[Sample]) -> Coverage:
    """Look for every file of a list once. Opens none: a file that is there may still be broken."""
    there: dict[str, bool] = {}
    missing = 0
    for sample in samples if getattr(samples, "has_files", True) else ():
        member = member_of(sample.path)
        path = member.tar if member else sample.path
        if path not in there:
            there[path] = bool(path) and Path(path).exists()
        missing += not there[path]
    gone = [path for path, found in there.items() if not found]
    known = samples if isinstance(samples, Samples) else Samples(samples)
    return Coverage(
        samples=len(samples),
        files=len(there),
        missing_files=len(gone),
        missing_samples=missing,
        list_hash=known.hash,
        examples=gone[:MISSING_SHOWN],
    )
