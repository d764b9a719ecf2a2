"""Several tasks in one go: `evaluate --suite`, a table of what one network reaches on each list that is there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from internvideo import distributed
from internvideo.config import load_recipe
from internvideo.errors import InternVideoError, UsageError
from internvideo.jobs.choice import choose_model, say_model
from internvideo.jobs.evaluate import Marked, evaluate, make_task, tell_missing
from internvideo.jobs.labels import read_labels
from internvideo.jobs.prepare import card_of
from internvideo.jobs.report_pages import flat, number
from internvideo.jobs.talk import columns, note
from internvideo.store import durable
from internvideo.tasks.data import SMALL_WORLD, Data

TABLE = "suite.md"
SHOWN = 2  # numbers of each task in the table for people


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a suite. list, root, classes: paths below the folder that `--data` names.

    shown: numbers for the table, by path (`t2v R@1`).
    """

    name: str
    task: str
    list: str = ""
    format: str = ""
    root: str = ""
    classes: str = ""
    split: str = ""
    options: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    def data(self, place: Path, more: Mapping[str, str]) -> Data:
        def below(name: str) -> str:
            return str(place / name) if name else ""

        classes = read_labels(below(self.classes)) if self.classes else ()
        split = below(self.split) if self.split and (place / self.split).exists() else self.split
        return Data(place=below(self.list) or str(place), reader=self.format, root=below(self.root), split=split,
                    classes=classes, options=more)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is asked, in this order."""

    entries: tuple[Entry, ...]


_RETRIEVAL, _MEAN, _ACCURACY = ("t2v R@1", "v2t R@1"), ("top-1", "mean of top-1 and top-5"), ("accuracy",)
SUITES: Mapping[str, Suite] = {
    "zero-shot": Suite(
        entries=(
            Entry(name="motions", task="zero-shot-recognition", shown=_MEAN),
            Entry(name="captions, five options", task="multiple-choice", shown=_ACCURACY),
            Entry(name="captions, 200 candidates", task="retrieval", shown=_RETRIEVAL),
        )
    )
}


@dataclass(frozen=True)
class Table:
    """What came out: a row per entry, with the report of the task or why there is none."""

    rows: tuple[tuple[Entry, Marked | str], ...]
    model: str

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        found = {entry.name: {"not marked": one} if isinstance(one, str) else one.as_row() for entry, one in self.rows}
        return {"model": self.model, "tasks": found}

    def cells(self) -> list[tuple[str, str, str, str]]:
        cells = []
        for entry, one in self.rows:
            if isinstance(one, str):
                cells.append((entry.name, entry.task, "-", one))
                continue
            found = dict(flat(one.metrics))
            names = [name for name in entry.shown if name in found] or list(found)[:SHOWN]
            missing = f"{one.missing} without an answer" if one.missing else ""
            cells += [(entry.name, f"{entry.task}: {name}", number(found[name]), missing) for name in names]
        return cells

    def as_text(self) -> str:
        return columns(self.cells(), right=[2])

    def page(self) -> str:
        """Markdown."""
        lines = [f"# {self.model}", "", "| list | number | value | |", "|---|---|---:|---|"]
        return "\n".join(lines + [f"| {' | '.join(row)} |" for row in self.cells()]) + "\n"

    @property
    def exit_code(self) -> int:
        bad = [one for _, one in self.rows if isinstance(one, str) or one.exit_code]
        return 3 if all(isinstance(one, str) for _, one in self.rows) else 1 if bad else 0


def run_suite(
    name: str,
    place: str,
    *,
    model: str | None = None,
    weights: str | None = None,
    paper: bool = False,
    out: str | None = None,
    precision: str = "fp32",
    device: str | None = None,
    lanes: int | None = None,
    more: Mapping[str, str] | None = None,
) -> Table | None:
    """Every entry of a suite (a preset, or a Python file that gives a `Suite`); what is not there is told in its row.

    place: the folder of all lists, or moving_shapes for the presets. more: `data.` options of all entries. With several
    processes only the main one gets the table, the others None.
    """
    suite = load_recipe(name, SUITES, Suite)
    if name in SUITES and Path(place).name != SMALL_WORLD:
        raise UsageError(
            f"the suite `{name}` is about the small world; `{place}` is not",
            "--data moving_shapes, or --suite configs/evaluate/zero_shot.py for the published lists",
        )
    rows: list[tuple[Entry, Marked | str]] = []
    with distributed.start() as usual:
        network = choose_model(model, weights, precision=precision, device=device or str(usual))
        say_model(network)
        for entry in suite.entries:
            note(f"{entry.name}: {entry.task}")
            folder = str(Path(out) / entry.name.replace(" ", "-").replace(",", "")) if out else None
            try:
                task = make_task(entry.task, entry.data(Path(place), more or {}), entry.options, paper=paper)
                tell_missing(task)
                found = evaluate(task, network, out=folder, lanes=lanes)
                rows += [(entry, found)] if found is not None else []
            except InternVideoError as error:
                note(f"not marked: {error.problem}")
                rows.append((entry, error.problem))
        if not distributed.is_main():
            return None
    table = Table(tuple(rows), card_of(network).name)
    if out is not None:
        durable.make_folder(Path(out))
        durable.write_atomic(Path(out) / TABLE, table.page().encode())
        durable.write_atomic(Path(out) / "suite.json", json.dumps(table.as_row(), indent=2, default=str).encode())
    return table
