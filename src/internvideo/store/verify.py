"""Does the folder say what it should? Finds damage, and knows what a kill may leave (fragments, temporary files).

`verify` only looks; with `repair` each finding is mended at once: what can be read is adopted, what cannot is moved to
`runs/damaged/` and its videos become due. Values are never made up.
"""

from collections.abc import Collection, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pyarrow as pa

from internvideo.errors import DamagedDataset
from internvideo.records import Clip
from internvideo.store import durable, folding, journal_lines, manifest, shards, values, views
from internvideo.store.check_values import DAMAGED, IGNORED, ValuesCheck
from internvideo.store.faults import ReadOnlyDataset, shown
from internvideo.store.findings import Finding, Problem
from internvideo.store.garbage import strike
from internvideo.store.ledger import LEDGER, Ledger
from internvideo.store.lock import WriterLock
from internvideo.store.values import SPAN_KEY, OperatorSpec, shard_name

ROUNDS = 4  # mending one thing may bring another to light


def verify(folder: Path, repair: bool = False) -> list[Problem]:
    """Everything that is wrong with a dataset; with `repair`, mended.

    Raises DatasetBusy while there is a writer, StoreError for a folder that is no dataset.
    """
    manifest.read(folder)
    try:
        lock = WriterLock(folder)
    except ReadOnlyDataset:
        if repair:
            raise
        return _once(folder, False)  # nobody can be writing it
    with lock:
        problems = _once(folder, repair)
        for _ in range(ROUNDS if repair and problems else 0):
            more = [problem for problem in _once(folder, repair) if problem not in problems]
            if not more:
                break
            problems += more
    return problems


def _once(folder: Path, repair: bool) -> list[Problem]:
    problems = []
    facts = manifest.read(folder)
    try:
        ledger = _open(folder, facts, repair)
    except DamagedDataset as error:
        problem = Finding(Problem("ledger", LEDGER, error.problem), lambda: _new_ledger(folder)).settled(repair)
        if not repair:
            return [problem]
        problems.append(problem)
        ledger = _open(folder, facts, repair)
    with closing(ledger):
        # Lazily: each is mended before the next is looked for.
        problems.extend(finding.settled(repair) for finding in _findings(folder, facts, ledger, repair))
    return problems


def _open(folder: Path, facts: manifest.Manifest, repair: bool) -> Ledger:
    path = folder / LEDGER
    ledger = Ledger.open(path, manifest.journal_mode(folder, facts.journal)) if repair else Ledger.read(path)
    try:
        complaints = [str(row[0]) for row in ledger.ask("PRAGMA quick_check")]
        if complaints != ["ok"]:
            raise DamagedDataset(f"`{shown(path)}` is damaged: {complaints[0]}", "verify with --repair rebuilds it")
    except BaseException:
        ledger.close()
        raise
    return ledger


def _new_ledger(folder: Path) -> str:
    """An empty ledger; the findings that follow adopt all rows of the shards into it."""
    for name in (LEDGER, LEDGER + "-wal", LEDGER + "-shm", LEDGER + "-journal"):
        if (folder / name).exists():
            durable.move(folder / name, folder / DAMAGED / name)
    Ledger.create(folder / LEDGER).close()
    return "rebuilt from the values; results that were not yet in shards, failures and attempts are lost"


def _findings(folder: Path, facts: manifest.Manifest, ledger: Ledger, repair: bool) -> Iterator[Finding]:
    if not ledger.totals_are_right():
        problem = Problem("totals", LEDGER, "its sums are not those of its rows")
        yield Finding(problem, partial(_count_again, ledger))
    for path in _strangers(folder / "values"):
        problem = Problem("foreign-file", shown(path.relative_to(folder)), "does not belong here")
        yield Finding(problem, partial(_move_away, folder, path))
    there, troubled = set(), set()
    for place in values.operator_folders(folder / "values"):
        there.add((place.parent.name, place.name))
        for finding in _operator_findings(folder, place, facts, ledger, repair):
            troubled.add(f"{place.parent.name}/{place.name}")
            yield finding
    for name, key in sorted(facts.current.items()):
        if (name, key) not in there:
            problem = Problem("missing-operator", f"values/{name}/{key}", "the current version has no folder")
            yield Finding(problem, partial(_forget, folder, ledger, name, key))
    yield from _view_findings(folder, ledger, facts.shards, troubled)
    for name in (journal_lines.VERDICTS, journal_lines.WITHHELD):
        for line in journal_lines.read(folder / name)[1]:
            yield Finding(Problem("bad-line", name, f"line {line} is no JSON object; correct or delete it by hand"))


def _strangers(values_folder: Path) -> list[Path]:
    """What lies among the operators' folders and is none."""
    if not values_folder.is_dir():
        return []
    strangers = []
    for operator in values_folder.iterdir():
        if not (operator.is_dir() and values.OPERATOR_NAME.fullmatch(operator.name)):
            strangers.append(operator)
            continue
        versions = [path for path in operator.iterdir() if path.is_dir() and values.OPERATOR_KEY.fullmatch(path.name)]
        strangers += [path for path in operator.iterdir() if path not in versions]
    return sorted(path for path in strangers if path.name not in IGNORED)


def _move_away(folder: Path, path: Path) -> str:
    away = folder / DAMAGED / path.relative_to(folder / "values")
    durable.move(path, away)
    return f"moved to {shown(away.relative_to(folder))}"


def _operator_findings(
    folder: Path, place: Path, facts: manifest.Manifest, ledger: Ledger, repair: bool
) -> Iterator[Finding]:
    name, key = place.parent.name, place.name
    text = f"values/{name}/{key}"
    if not (place / "operator.toml").exists() and not list(place.glob("*.parquet")):
        return  # killed before it was registered
    try:
        spec = values.read_operator(place)
    except DamagedDataset as error:
        problem = Problem("operator-text", f"{text}/operator.toml", error.problem.rpartition("` ")[2])
        yield Finding(problem, partial(_set_operator_aside, folder, place, ledger))
        return
    number = ledger.operator_id(name, key)
    if number is None and repair:
        with ledger.transaction():
            ledger.write("INSERT INTO operators (name, key) VALUES (?, ?)", (name, key))
        number = ledger.operator_id(name, key)
    check = ValuesCheck(folder, ledger, -1 if number is None else number, spec, facts.shards)
    yield from check.findings()


def _set_operator_aside(folder: Path, place: Path, ledger: Ledger) -> str:
    forgotten = _forget(folder, ledger, place.parent.name, place.name)
    return f"{forgotten}, {_move_away(folder, place)}"


def _forget(folder: Path, ledger: Ledger, name: str, key: str) -> str:
    """Strike an operator version from ledger and manifest; the recipe that names it will register it again."""
    number = ledger.operator_id(name, key)
    if number is not None:
        strike(ledger, number)
    facts = manifest.read(folder)
    current = {n: k for n, k in facts.current.items() if (n, k) != (name, key)}
    manifest.write(folder, manifest.Manifest(facts.shards, facts.journal, facts.recipe, current))
    return "all its videos are due again"


def _view_findings(folder: Path, ledger: Ledger, count: int, troubled: Collection[str]) -> Iterator[Finding]:
    """Views that do not read, or name clips that were not there when they were made.

    A view whose clip set has changed since is only out of date: that is the state between a flush and its making.
    """
    for name in views.names(folder):
        where = f"views/{name}.parquet"
        try:
            ids, description = views.load(folder, name)
        except DamagedDataset as error:
            problem = Problem("damaged-view", where, error.problem.rpartition("` ")[2])
            yield Finding(problem, partial(_set_view_aside, folder, name))
            continue
        made_from = description.get(views.MADE_FROM)
        place = folder / "values" / str(made_from.get("operator", "")) if isinstance(made_from, dict) else folder
        if not (place / "operator.toml").is_file() or f"{place.parent.name}/{place.name}" in troubled:
            continue
        spec = values.read_operator(place)
        if views.state_of(ledger, spec) != made_from:
            continue
        unknown = ids.join(_clips(place, ledger, spec, count), SPAN_KEY.names, join_type="left anti")
        if unknown.num_rows:
            first = Clip(**shards.sort_by(unknown, SPAN_KEY.names).slice(0, 1).to_pylist()[0])
            message = f"{unknown.num_rows} of {ids.num_rows} clips are unknown, such as {first.name}"
            yield Finding(Problem("stale-view", where, message), partial(_set_view_aside, folder, name))


def _set_view_aside(folder: Path, name: str) -> str:
    for path in (folder / "views" / f"{name}.parquet", folder / "views" / f"{name}.toml"):
        if path.exists():
            durable.move(path, folder / DAMAGED / "views" / path.name)
    return f"moved to {DAMAGED.as_posix()}/views; select the view again"


def _clips(place: Path, ledger: Ledger, spec: OperatorSpec, count: int) -> pa.Table:
    """Keys of all clips of a clip set, also those not yet in shards."""
    number = ledger.operator_id(spec.name, spec.key)
    tables = [SPAN_KEY.empty_table()]
    for shard in range(count):
        old = shards.read_if_there(place / shard_name(shard), spec.file_schema, spec.keys)
        new = {} if number is None else folding.fragments(ledger, number, shard, spec)
        tables += [table.select(SPAN_KEY.names) for table in (old, *new.values()) if table is not None]
    return pa.concat_tables(tables)


def _count_again(ledger: Ledger) -> str:
    ledger.count_again()
    return "counted again"
