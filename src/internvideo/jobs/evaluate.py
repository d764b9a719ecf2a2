"""The verb `evaluate`: ask a network what a task wants to know, keep the answers, mark them, report.

Answers are kept as they come, so a killed run goes on where it stopped. With `torchrun` the videos are shared out and
the answers put together by id. A video that cannot be used is told and its questions count as wrong.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from torch import nn

from internvideo import distributed
from internvideo.datasets.sample import coverage
from internvideo.errors import InternVideoError, UsageError, VideoError, pick
from internvideo.jobs.asking import Network
from internvideo.jobs.choice import choose_model, say_model
from internvideo.jobs.lanes import each_video
from internvideo.jobs.prepare import card_of
from internvideo.jobs.report_pages import metrics_text, write_report
from internvideo.jobs.talk import CountTalk, note
from internvideo.metrics.classification import softmax
from internvideo.models import named
from internvideo.models.fetch import saved_folder
from internvideo.models.hub import told_in
from internvideo.store import durable
from internvideo.store.faults import told
from internvideo.tasks import TASKS
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Record, Scores, about_line, line, match, mixed, read_predictions, shown
from internvideo.tasks.recognition import Recognition
from internvideo.tasks.task import Asked, Example, Task, list_hash, tags

PREDICTIONS, ANSWERS = "predictions.jsonl", "answers.csv"
OFFICIAL = (".json", ".txt", ".npz")


@dataclass(frozen=True)
class Marked:
    """What an evaluation found. missing: examples without an answer; failed: videos that could not be used."""

    task: str
    model: str
    metrics: Mapping[str, Any]
    about: Mapping[str, Any]  # list, protocol, weights: all that the numbers depend on
    notes: tuple[str, ...]
    missing: int
    failed: Mapping[str, int]  # class of the problem -> videos
    out: str = ""

    def as_row(self) -> dict[str, Any]:
        """For JSON: the metrics first, by their own names."""
        rest = {"task": self.task, "model": self.model, **self.about, "missing": self.missing}
        return {**self.metrics, **rest, "failed": dict(self.failed), "notes": list(self.notes), "out": self.out}

    def as_text(self) -> str:
        return metrics_text(self.metrics)

    @property
    def exit_code(self) -> int:
        return 1 if self.missing or self.failed else 0


def make_task(name: str, data: Data, options: Sequence[str] = (), *, paper: bool = False) -> Task:
    """The task over a list. options: `switch=value` of its protocol. paper: the published switches."""
    return pick(TASKS, name, "task")(data, options, paper=paper)


def evaluate(
    task: Task,
    model: nn.Module | None = None,
    *,
    predictions: str | None = None,
    out: str | None = None,
    dump: bool = False,
    lanes: int | None = None,
) -> Marked | None:
    """Ask `model`, or take the answers in the file `predictions`, and mark them.

    out: folder for predictions, answers.csv, report.json, report.md and pictures; a run goes on there. dump: also a
    line per example. With several processes only the main one gets what came out, the others None.
    Raises UsageError and BadPredictions for what cannot be marked.
    """
    if (model is None) == (predictions is None):
        raise UsageError(
            "either a model answers, or a file of predictions is marked", "--model M, or --predictions FILE"
        )
    about: dict[str, Any] = {"family": task.family, "list": list_hash(task.examples), "protocol": tags(task.protocol)}
    problems: list[VideoError] = []
    if predictions is not None:
        said, records = read_given(task, predictions)
        about |= {"predictions": predictions, "made_by": said}
        notes = _other_list(said, about)
    else:
        assert model is not None
        card = card_of(model)
        about |= {"task": task.name, "model": card.name, "weights": card.weights, "source": card.source}
        records, problems = answers(task, Network(model), about, out, lanes)
        notes = []
    if not distributed.is_main():
        return None
    ids = [id for example in task.examples for id in task.ids_of(example)]
    if problems and not records:
        raise InternVideoError(f"none of the videos can be used: {problems[0].problem}", problems[0].hint)
    matched = match(records, ids)
    marks = task.score(matched.found)
    failed: dict[str, int] = {}
    for problem in problems:
        failed[problem.kind] = failed.get(problem.kind, 0) + 1
    notes += [f"{len(problems):,} videos could not be used; their answers count as wrong"] if problems else []
    found = Marked(
        task=task.name,
        model=str(about.get("model", "")),
        metrics=marks.metrics,
        about={key: value for key, value in about.items() if key not in ("task", "model")},
        notes=(*notes, *matched.notes(), *marks.notes),
        missing=len(matched.missing) + len(matched.extra),
        failed=failed,
        out=out or "",
    )
    if out is not None:
        write_report(Path(out), found.as_row(), marks.tables)
        if isinstance(task, Recognition) and task.classes:
            write_answers(Path(out) / ANSWERS, task, matched.found)
        if dump:
            _dump(Path(out) / "samples.jsonl", task, matched.found)
    return found


def read_given(task: Task, path: str) -> tuple[Mapping[str, Any], list[Record]]:
    """What a file of predictions says about itself, and its records. A folder or a file that ends in one of OFFICIAL:
    in the benchmark's own form, if it has one.

    Several files, `a.jsonl:0.6,b.jsonl:0.4`, are an ensemble: see `predictions.mixed`.
    """
    parts = [part.rpartition(":") if weighted(part) else (part, "", "1") for part in path.split(",")]
    if len(parts) > 1:
        weights = [float(weight) for _, _, weight in parts]
        records = mixed([read_given(task, one)[1] for one, _, _ in parts], weights)
        return {"mixed": path}, records
    official = getattr(task, "read_official", None)
    if official is not None and (Path(path).is_dir() or path.endswith(OFFICIAL)):
        return {}, official(Path(path))
    return read_predictions(path, task.family)


def weighted(part: str) -> bool:
    """
    >>> weighted("a.jsonl:0.3"), weighted("a.jsonl")
    (True, False)
    """
    weight = part.rpartition(":")[2]
    return ":" in part and weight.replace(".", "", 1).isdigit()


def write_answers(path: Path, task: Recognition, found: Mapping[str, Record]) -> None:
    """A table for people and spreadsheets: clip, class, its probability, then the probability of each class."""
    classes = task.classes
    rows = [["clip", "predicted", "probability", *classes]]
    for example in task.examples:
        record = found.get(example.id)
        if isinstance(record, Scores):
            shares = softmax(record.scores)
            best = int(shares.argmax())
            rows.append([example.id, classes[best], f"{shares[best]:.6f}", *(f"{share:.6f}" for share in shares)])
        else:
            rows.append([example.id, "", "", *[""] * len(classes)])
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    durable.write_atomic(path, text.getvalue().encode())


def _trained_classes(model: str | None, weights: str | None) -> tuple[str, ...]:
    """The names that a network of a training run knows its classes by, so that lists are numbered as it does."""
    if model is None:
        return ()
    _, folder = named(model, weights)
    place = saved_folder(Path(folder)) if folder is not None else None
    return tuple(map(str, told_in(place).get("classes", ()))) if place is not None else ()


def _other_list(said: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
    other = said.get("list") not in (None, about["list"])
    return ["these predictions were made for another version of the list"] if other else []


def answers(
    task: Task, asked: Asked, about: Mapping[str, Any], out: str | None, lanes: int | None = None
) -> tuple[list[Record], list[VideoError]]:
    """All answers, of all processes, on the main one; and what could not be used. out: where they are kept."""
    groups = list(grouped(task.examples))
    kept = _Kept(Path(out), about, task.family) if out is not None else None
    done = {record.id for record in kept.records} if kept else set[str]()
    due = [group for group in groups if any(id not in done for example in group for id in task.ids_of(example))]
    if kept and len(due) < len(groups) and distributed.is_main():
        note(f"{len(groups) - len(due):,} of {len(groups):,} videos are answered already")
    mine = distributed.shard(due)
    records: list[Record] = []
    problems: list[VideoError] = []
    with ExitStack() as stack:
        file = stack.enter_context(kept.part()) if kept else None
        talk = stack.enter_context(CountTalk("evaluate", "videos"))
        for count, (group, given, problem) in enumerate(_each(task, asked, mine, lanes), start=1):
            records += given
            if file is not None:
                file.write("".join(line(record) for record in given))
                file.flush()
            if problem is not None:
                problems.append(problem)
                note(f"failed ({problem.kind}): {group[0].id}: {problem.problem}")
            talk(count, len(mine), group[0].id)
    records, problems = distributed.collect(records), distributed.collect(problems)
    distributed.barrier()
    if kept and distributed.is_main():
        records = kept.finish()
    return records, problems


def grouped(examples: Sequence[Example]) -> Iterator[list[Example]]:
    """The examples of each video together, in order of first appearance: a video is decoded once."""
    found: dict[tuple[str, Any], list[Example]] = {}
    for example in examples:
        found.setdefault((example.sample.path, example.sample.span), []).append(example)
    yield from found.values()


def _each(
    task: Task, asked: Asked, groups: Sequence[list[Example]], lanes: int | None
) -> Iterator[tuple[list[Example], list[Record], VideoError | None]]:
    def work(group: list[Example], check: Callable[[], None]) -> tuple[list[Record], VideoError | None]:
        given: list[Record] = []
        try:
            for record in task.predict(asked, group):
                given.append(record)
                check()
        except VideoError as problem:
            return given, problem
        return given, None

    whole = hasattr(asked.network, "encode_video")  # heads over features or boxes compute in their lanes
    batches = asked.batches if isinstance(asked, Network) and whole else None
    for group, result in each_video(groups, work, lanes, batches):
        assert not isinstance(result, VideoError)
        yield group, *result


class _Kept:
    """Answers in a folder: `predictions.jsonl`, and while a run goes on a part per process."""

    def __init__(self, out: Path, about: Mapping[str, Any], family: str) -> None:
        self.out, self.about, self.family = out, about, family
        self.records: list[Record] = []
        with told("create", out):
            out.mkdir(parents=True, exist_ok=True)
        for path in self._files():
            said, records = read_predictions(path, family)
            if said and said != json.loads(json.dumps(about)):
                other = [key for key in about if said.get(key) != json.loads(json.dumps(about[key]))]
                raise UsageError(
                    f"`{out}` holds answers to another {' and '.join(other)}", "choose another folder with --out"
                )
            self.records += records
        distributed.barrier()

    def _files(self) -> list[Path]:
        return [path for path in (self.out / PREDICTIONS, *sorted(self.out.glob("part-*.jsonl"))) if path.is_file()]

    def part(self) -> TextIO:
        """A new file for what this process finds."""
        for number in range(sys.maxsize):
            path = self.out / f"part-{distributed.rank()}-{number}.jsonl"
            if not path.exists():
                file = path.open("x", encoding="utf-8")
                file.write(about_line(self.about))
                return file
        raise AssertionError("unreachable")

    def finish(self) -> list[Record]:
        """Everything in one file, each id once, in the order of ids; the parts are removed."""
        files = self._files()
        found = {record.id: record for path in files for record in read_predictions(path, self.family)[1]}
        records = [found[id] for id in sorted(found)]
        text = about_line(self.about) + "".join(map(line, records))
        durable.write_atomic(self.out / PREDICTIONS, text.encode())
        for path in files[1:] if files and files[0].name == PREDICTIONS else files:
            path.unlink()
        return records


def _dump(path: Path, task: Task, found: Mapping[str, Record]) -> None:
    """A line per example: what was asked, what is right, what was answered."""
    lines = []
    for example in task.examples:
        record = found.get(example.id)
        row: dict[str, Any] = {"id": example.id, "path": example.sample.path, "texts": list(example.texts)}
        row |= {"truth": example.truth, "group": example.group, "answered": record is not None}
        scores = getattr(record, "scores", None)
        if scores is not None and len(scores) and task.family == "scores":
            row |= {"answer": int(scores.argmax()), "score": float(scores.max())}
        lines.append(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    durable.write_atomic(path, "".join(lines).encode())


def run_evaluate(
    name: str,
    data: Data,
    *,
    options: Sequence[str] = (),
    model: str | None = None,
    weights: str | None = None,
    predictions: str | None = None,
    paper: bool = False,
    out: str | None = None,
    dump: bool = False,
    precision: str = "fp32",
    device: str | None = None,
    lanes: int | None = None,
) -> Marked | None:
    """`internvideo evaluate`: load what was asked for, say what is missing, and `evaluate`."""
    with distributed.start() as place:
        if not data.classes and predictions is None:
            data = replace(data, classes=_trained_classes(model, weights))
        task = make_task(name, data, options, paper=paper)
        if dump and out is None:
            raise UsageError("--dump needs a folder to write to", "add --out DIR")
        network = None
        if predictions is None:
            tell_missing(task)
            network = choose_model(model, weights, precision=precision, device=device or str(place))
            if distributed.is_main():
                say_model(network)
        found = evaluate(task, network, predictions=predictions, out=out, dump=dump, lanes=lanes)
    if found is not None:
        for told_of in found.notes:
            note(f"note: {told_of}")
    return found


def tell_missing(task: Task) -> None:
    """Say how many files of the list are not there. Raises UsageError if none is."""
    found = coverage([example.sample for example in task.examples])
    if found.missing_files and distributed.is_main():
        told_of = f"{found.missing_files:,} of {found.files:,} videos of the list are missing: {shown(found.examples)}"
        if found.missing_files == found.files:
            raise UsageError(told_of, "--root DIR says where the videos lie")
        note(f"{told_of}; what is asked of them counts as wrong")
