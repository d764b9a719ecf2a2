"""Lists of questions about videos, as published: with options to choose from, or with an open answer.

All numbers of options count from 0 here; LSMDC's file counts from 1. Opens no video.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from internvideo.datasets.lists import BadList, cell, csv_rows, joined, json_file, json_lines, lines, record, records
from internvideo.datasets.lsmdc import film_of
from internvideo.datasets.sample import PathLike, Sample, uid_of

NEXTQA_KINDS = {
    "CW": "causal/why",
    "CH": "causal/how",
    "TN": "temporal/before and after",
    "TP": "temporal/before and after",
    "TC": "temporal/when",
    "DC": "descriptive/count",
    "DL": "descriptive/where",
    "DO": "descriptive/other",
}
SHOWN = 5  # rows that are told where something is wrong with many


@dataclass(frozen=True, slots=True)
class Question:
    """options: () where the answer is open. answer: the number of the right option, or a text; None if not known."""

    id: str  # one of its kind in the list
    sample: Sample
    text: str  # "": which option is true of the video?
    options: tuple[str, ...]
    answer: int | str | None
    kind: str = ""  # the list's own type of question


def read_nextqa(
    path: PathLike, root: PathLike, *, folders: PathLike | None = None, corpus: str = "nextqa"
) -> list[Question]:
    """NExT-QA: CSV with video, question, answer, qid, type, a0 to a4. ids `<video>_<qid>`, as in its predictions.

    folders: its JSON that maps videos to `<folder>/<video>` of VidOR, where they lie so.
    """
    places = record(json_file(folders), f"`{folders}`") if folders is not None else {}
    return _checked(_nextqa(path, root, places, corpus), path)


def _nextqa(path: PathLike, root: PathLike, places: Mapping[str, Any], corpus: str) -> Iterator[Question]:
    for row in csv_rows(path, ("video", "question", "qid", "type", *(f"a{n}" for n in range(5)))):
        video = row["video"]
        options = tuple(row[f"a{n}"] for n in range(5))
        answer = int(row["answer"]) if row.get("answer", "").isdigit() else None
        sample = _sample(corpus, video, root, f"{places.get(video, video)}.mp4")
        yield Question(
            f"{video}_{row['qid']}",
            sample,
            row["question"],
            options,
            answer,
            NEXTQA_KINDS.get(row["type"], row["type"]),
        )


def read_msrvtt_choice(
    path: PathLike, root: PathLike, *, suffix: str = ".mp4", corpus: str = "msrvtt-mc"
) -> list[Question]:
    """MSRVTT-MC: JSON lines with clip_name, options (five captions), answer (from 0)."""
    rows = list(json_lines(path))
    ids = _numbered(str(cell(row, "clip_name", path)) for row in rows)
    return _checked(
        (
            Question(
                id,
                _sample(corpus, str(row["clip_name"]), root, f"{row['clip_name']}{suffix}"),
                "",
                tuple(map(str, cell(row, "options", path))),
                int(cell(row, "answer", path)),
            )
            for id, row in zip(ids, rows, strict=True)
        ),
        path,
    )


def read_lsmdc_choice(
    path: PathLike, root: PathLike, *, suffix: str = ".avi", corpus: str = "lsmdc-mc"
) -> list[Question]:
    """LSMDC multiple choice: lines separated by tabs: clip, ..., five options in columns 5 to 9, answer (from 1) in 10.

    Published evaluations leave rows of another length out; here they are an error that names them.
    """
    columns = ["clip", *(f"column {n}" for n in range(1, 5)), *(f"a{n}" for n in range(5)), "answer"]
    rows = list(csv_rows(path, columns, delimiter="\t", header=False))
    ids = _numbered(row["clip"] for row in rows)
    return _checked(
        (
            Question(
                id,
                _sample(corpus, row["clip"], root, f"{film_of(row['clip'])}/{row['clip']}{suffix}"),
                "",
                tuple(row[f"a{n}"] for n in range(5)),
                _whole(row["answer"], path) - 1,
            )
            for id, row in zip(ids, rows, strict=True)
        ),
        path,
    )


def read_msrvtt_qa(
    path: PathLike, root: PathLike, *, suffix: str = ".mp4", corpus: str = "msrvtt-qa"
) -> list[Question]:
    """MSRVTT-QA: JSON lines with video_id, question, answer, and in some files answer_type."""

    def file(row: Mapping[str, Any]) -> str:
        video = str(cell(row, "video_id", path))
        return f"video{video}{suffix}" if video.isdigit() else f"{video}{suffix}"

    return _checked(_open(json_lines(path), path, root, file, corpus), path)


def read_msvd_qa(
    path: PathLike, root: PathLike, *, mapping: PathLike | None = None, suffix: str = ".avi", corpus: str = "msvd-qa"
) -> list[Question]:
    """MSVD-QA: a JSON list with video_id, question, answer.

    mapping: lines `<file name> vid<number>`, by default `msvd_youtube_mapping.txt` beside the list.
    """
    table = mapping if mapping is not None else Path(path).with_name("msvd_youtube_mapping.txt")
    names = {number: name for name, _, number in (line.rpartition(" ") for line in lines(table))}

    def file(row: Mapping[str, Any]) -> str:
        number = f"vid{cell(row, 'video_id', path)}"
        if number not in names:
            raise BadList(f"`{table}` has no `{number}`", "are mapping and questions of the same release?")
        return names[number] + suffix

    return _checked(_open(records(json_file(path), path), path, root, file, corpus), path)


def read_tgif_qa(path: PathLike, root: PathLike, *, suffix: str = ".gif", corpus: str = "tgif-qa") -> list[Question]:
    """TGIF-QA: JSON lines with gif_name, question, answer; action and transition with five options and its number."""
    return _checked(
        _open(json_lines(path), path, root, lambda row: f"{cell(row, 'gif_name', path)}{suffix}", corpus), path
    )


def _open(
    rows: Iterable[Mapping[str, Any]],
    path: PathLike,
    root: PathLike,
    file: Callable[[Mapping[str, Any]], str],
    corpus: str,
) -> Iterator[Question]:
    for number, row in enumerate(rows):
        name, text = file(row), str(cell(row, "question", path))
        options = tuple(map(str, row.get("options") or ()))
        answer = row.get("answer")
        if answer is not None:
            answer = _whole(answer, path) if options else str(answer)
        kind = str(row.get("answer_type") or text.partition(" ")[0].lower())
        yield Question(f"{number}:{name}", _sample(corpus, name, root, name), text, options, answer, kind)


def read_answers(path: PathLike) -> tuple[str, ...]:
    """The answers that a network may choose from, in the order of their numbers: JSON answer -> number, or lines."""
    if Path(path).suffix != ".json":
        return tuple(lines(path))
    found = record(json_file(path), f"`{path}`")
    numbers = [_whole(number, path) for number in found.values()]
    if sorted(numbers) != list(range(len(numbers))):
        raise BadList(f"`{path}` does not number {len(numbers)} answers from 0 on", 'expected {"man": 0, "dog": 1}')
    return tuple(sorted(found, key=lambda answer: int(found[answer])))


def _sample(corpus: str, name: str, root: PathLike, file: str) -> Sample:
    return Sample(uid_of(corpus, name), joined(root, file), source=name)


def _whole(value: object, path: PathLike) -> int:
    if isinstance(value, bool) or not str(value).removeprefix("-").isdigit():
        raise BadList(f"`{path}`: `{value}` is no whole number", "is it of another format?")
    return int(str(value))


def _numbered(names: Iterable[str]) -> list[str]:
    """
    >>> _numbered(["a", "b", "a"])
    ['a', 'b', 'a#1']
    """
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name}#{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def _checked(questions: Iterable[Question], path: PathLike) -> list[Question]:
    """All of them; raise BadList with the first ones that cannot be asked."""
    found = list(questions)
    ids = Counter(question.id for question in found)
    wrong = [f"{id} comes twice" for id, count in ids.items() if count > 1]
    for one in found:
        if one.options and isinstance(one.answer, int) and not 0 <= one.answer < len(one.options):
            wrong.append(f"{one.id}: there is no option {one.answer} among {len(one.options)}")
        if any(not option.strip() for option in one.options) or not (one.text.strip() or one.options):
            wrong.append(f"{one.id}: an empty text")
    if wrong:
        shown = "; ".join(wrong[:SHOWN]) + (" ..." if len(wrong) > SHOWN else "")
        raise BadList(
            f"{len(wrong)} questions of `{path}` cannot be asked: {shown}", "mend the list, or leave them out"
        )
    if not found:
        raise BadList(f"`{path}` holds no questions", "is it the right file?")
    return found


# How lists of questions are written, by name: reader(list, root, **options).
QUESTION_READERS: Mapping[str, Callable[..., Sequence[Question]]] = {
    "nextqa": read_nextqa,
    "msrvtt-mc": read_msrvtt_choice,
    "lsmdc-mc": read_lsmdc_choice,
    "msrvtt-qa": read_msrvtt_qa,
    "msvd-qa": read_msvd_qa,
    "tgif-frameqa": partial(read_tgif_qa, corpus="tgif-frameqa"),
    "tgif-action": partial(read_tgif_qa, corpus="tgif-action"),
    "tgif-transition": partial(read_tgif_qa, corpus="tgif-transition"),
}
