"""Clips and texts in turn, one JSON object per line: examples to learn from in context, of whole films. No media.

The three forms of InternVid-ICL (section 4 of the paper): `clips`, each followed by its caption, in order of time;
`transcript`, which also has what is said in each clip; `joined`, several films one after the other. Clips are left out
at random while their texts stay, so that more must be read from the texts. Which ones depends on the seed and the name
of the clip alone: neither on the order nor on what else is in the dataset.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from internvideo.curation.export.data import ExportData, ExportSummary, Progress, silent
from internvideo.curation.export.folder import ExportFolder
from internvideo.errors import UsageError

FILE = "interleaved.jsonl"
Part = tuple[int, ...]  # rows of one film, in order of time


@dataclass(frozen=True, kw_only=True)
class InterleavedOptions:
    """drop: probability that a clip is left out (0.3 in the paper); one clip of every example always stays.

    join: films per example of the form `joined`. most_clips: of one film in an example; longer ones become several;
    0: all.
    """

    form: Literal["clips", "transcript", "joined"] = "clips"
    drop: float = 0.3
    join: int = 2
    most_clips: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.drop < 1 or self.join < 2 or self.most_clips < 0:
            raise UsageError(
                f"drop={self.drop} join={self.join} most_clips={self.most_clips}",
                "give 0 <= drop < 1, join of at least 2, and most_clips of at least 0",
            )


def export_interleaved(
    data: ExportData,
    out: Path,
    *,
    options: InterleavedOptions = InterleavedOptions(),
    progress: Progress = silent,
) -> ExportSummary:
    """Write `interleaved.jsonl` to the folder `out`. Clips without a caption are skipped and listed."""
    folder = ExportFolder(out, "interleaved", data, asdict(options))
    told = [row for row, clip in enumerate(data.rows) if clip.name in data.best]
    examples = list(_examples(data, told, options))
    entry = folder.write_lines(FILE, (_example(data, parts, options) for parts in examples), len(examples), progress)
    silent_clips = [(clip.name, "it has no caption") for clip in data.rows if clip.name not in data.best]
    return folder.close([entry], told, silent_clips)


def _examples(data: ExportData, told: Sequence[int], options: InterleavedOptions) -> Iterator[tuple[Part, ...]]:
    """The films of every example: each film, or each stretch of a long one, once."""
    parts: list[Part] = []
    for _, group in groupby(told, lambda row: (data.rows[row].video, data.rows[row].stream)):
        rows = tuple(group)
        most = options.most_clips or len(rows)
        parts += [rows[first : first + most] for first in range(0, len(rows), most)]
    if options.form != "joined":
        yield from ((part,) for part in parts)
        return
    parts.sort(key=lambda part: _share(options.seed, "join", data.rows[part[0]].name))
    groups = max(1, len(parts) // options.join)  # what is left over joins the others
    for number in range(groups if parts else 0):
        yield tuple(parts[number::groups])


def _example(data: ExportData, parts: Sequence[Part], options: InterleavedOptions) -> dict[str, Any]:
    rows = [row for part in parts for row in part]
    shares = {row: _share(options.seed, "drop", data.rows[row].name) for row in rows}
    stays = max(rows, key=lambda row: shares[row])
    dropped = {row for row in rows if shares[row] < options.drop and row != stays}
    films = [data.rows[part[0]] for part in parts]
    licences = [data.clips["licence"][part[0]].as_py() for part in parts]
    name = hashlib.sha256("\n".join(data.rows[row].name for row in rows).encode("utf-8")).hexdigest()[:16]
    return {
        "id": name,
        "form": options.form,
        "videos": [
            {"video": film.video, "file": film.file or None, "source": film.source, "licence": licence}
            for film, licence in zip(films, licences, strict=True)
        ],
        "content": [
            piece for row in rows for piece in _pieces(data, row, row in dropped, options.form == "transcript")
        ],
        "dropped": [data.rows[row].name for row in rows if row in dropped],
    }


def _pieces(data: ExportData, row: int, dropped: bool, transcript: bool) -> Iterator[dict[str, Any]]:
    """The clip, what is said in it, what it shows."""
    clip = data.rows[row]
    if not dropped:
        start, end = (data.clips[name][row].as_py() for name in ("start_seconds", "end_seconds"))
        yield {"clip": clip.name, "video": clip.video, "start_seconds": start, "end_seconds": end}
    kinds: list[tuple[str, Sequence[str]]] = [("transcript", ("transcript",))] if transcript else []
    for kind, scales in [*kinds, ("caption", data.scales)]:
        text = next((t for scale in scales for t in data.texts[clip.name] if t["scale"] == scale), None)
        if text is not None:
            shown = {key: text[key] or None for key in ("scale", "origin", "language")}
            yield {"text": text["text"], "kind": kind, "of": clip.name, **shown}


def _share(seed: int, what: str, name: str) -> float:
    """A number in [0, 1) that stays the same."""
    digest = hashlib.sha256(f"{seed}\n{what}\n{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
