"""What keeps a dataset honest over the years: videos taken out for ever, files looked for again, a comparison."""

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from internvideo.curation.collect.web import Refused, Web
from internvideo.errors import UsageError, nearest
from internvideo.jobs.export import EXPORTS, export
from internvideo.jobs.talk import CountTalk, columns, note
from internvideo.store import durable, journal_lines
from internvideo.store.alive import look_again
from internvideo.store.dataset import Dataset

Folder = str | os.PathLike[str]


def forget(
    folder: Folder, what: Sequence[str], *, reason: str = "", date: str | None = None, quiet: bool = False
) -> dict[str, Any]:
    """Take videos out for ever: by hash, path, or `source:NAME`. Exports that had them are made again without.

    date: of the request, like 2026-11-27; None: today. Raises StoreError for a name that nothing has.
    """
    from internvideo.curation.language.answers import AnswerStore
    from internvideo.jobs.language import ANSWERS
    from internvideo.store.forget import forget as take_out

    dataset = Dataset(Path(folder))
    videos = list(dict.fromkeys(video for word in what for video in _meant(dataset, word)))
    answers = dataset.path / "cache" / ANSWERS
    if answers.is_file():
        with AnswerStore(answers) as store:
            store.forget(videos)
    kept = answers.read_bytes() if answers.is_file() else None
    done = take_out(dataset, videos, date=date or time.strftime("%Y-%m-%d"), reason=reason)
    if kept is not None:  # paid for, and nothing of these videos is in it
        durable.make_folder(answers.parent)
        durable.write_atomic(answers, kept)
    again = []
    for line in journal_lines.read(dataset.path / EXPORTS)[0]:
        if _holds(Path(str(line["out"])), videos):
            if not quiet:
                note(f"making the export {line['out']} again without them")
            view = None if line["view"] is None else str(line["view"])
            settings = [str(word) for word in cast(list[object], line.get("settings", []))]
            export(folder, str(line["format"]), str(line["out"]), view=view, settings=settings)
            again.append(str(line["out"]))
    return {"dataset": str(folder), **asdict(done), "exports": again}


def _meant(dataset: Dataset, word: str) -> list[str]:
    """The videos that a word names; one that is withheld already is named by its whole hash."""
    if word in dataset.withheld():
        return [word]
    if word.startswith("source:"):
        rows = dataset.rows("places")
        videos = rows.filter(pc.equal(rows["source"], word.removeprefix("source:")))["video"].unique().to_pylist()
        if not videos:
            known = {f"source:{source}" for source in rows["source"].unique().to_pylist() if source}
            raise UsageError(f"no video has the {word}", nearest(word, known))
        return [str(video) for video in videos]
    return [dataset.find(word).video]


def _holds(out: Path, videos: Sequence[str]) -> bool:
    """Whether an export, as it lies there, has clips of these videos."""
    try:
        name = next((name for name in ("ids.parquet", "moments.parquet") if (out / name).is_file()), "ids.parquet")
        ids = pq.read_table(out / name, columns=["video"])["video"].to_pylist()
    except (OSError, pa.ArrowException):
        return (out / "export.jsonl").is_file()  # a list, or one that was never finished: made again to be sure
    return not frozenset(videos).isdisjoint(ids)


def say_forget(found: dict[str, Any]) -> str:
    lines = [f"{len(found['videos']):,} videos with {found['clips']:,} clips and {found['rows']:,} rows are forgotten"]
    lines += [f"  removed {name}" for name in found["removed"]]
    lines += [f"  made again without them: {name}" for name in found["exports"]]
    if "index" in found["removed"]:
        lines.append(f"the search index is made again by `internvideo index FOLDER --out {found['dataset']}`")
    lines.append("their hashes stay in withheld.jsonl, so that no scan brings them back; removals.jsonl is for copies")
    return "\n".join(lines)


def diff(one: Folder, two: Folder) -> dict[str, Any]:
    """What differs between two datasets: videos, operator versions, and rows by video; and views, clip by clip."""
    first, second = Dataset(Path(one)), Dataset(Path(two))
    specs = (first.operators(), second.operators())
    operators = []
    for name in sorted({*specs[0], *specs[1]}):
        keys = [spec[name].key if name in spec else None for spec in specs]
        differing: list[str] = []
        if keys[0] == keys[1] and name != "places":
            differing = _videos_that_differ(first.rows(name), second.rows(name))
        operators.append({"name": name, "first": keys[0], "second": keys[1], "videos": differing})
    views = []
    for name in sorted({*first.views(), *second.views()}):
        sets = [_keys(d.view(name)) if name in d.views() else None for d in (first, second)]
        only = [len((a or set()) - (b or set())) for a, b in (sets, sets[::-1])]
        views.append({"name": name, "only_first": only[0], "only_second": only[1]})
    videos = [frozenset(d.rows("places")["video"].to_pylist()) for d in (first, second)]
    only_first, only_second = sorted(videos[0] - videos[1]), sorted(videos[1] - videos[0])
    changed = any(o["first"] != o["second"] or o["videos"] for o in operators)
    same = not (changed or only_first or only_second or any(v["only_first"] or v["only_second"] for v in views))
    return {"same": same, "only_first": only_first, "only_second": only_second, "operators": operators, "views": views}


def _videos_that_differ(one: pa.Table, two: pa.Table) -> list[str]:
    """Videos whose rows are not the same."""
    digests: list[dict[str, str]] = []
    for table in (one, two):
        found: dict[str, str] = {}
        for row in table.to_pylist():
            said = f"{found.get(row['video'], '')}{sorted(row.items())!r}"
            found[row["video"]] = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
        digests.append(found)
    return sorted(video for video in {*digests[0], *digests[1]} if digests[0].get(video) != digests[1].get(video))


def _keys(ids: pa.Table) -> set[tuple[Any, ...]]:
    return set(zip(*(ids[name].to_pylist() for name in ids.column_names), strict=True))


def say_diff(found: dict[str, Any]) -> str:
    if found["same"]:
        return "no difference"
    lines = [
        f"only in the first: {len(found['only_first']):,} videos; only in the second: {len(found['only_second']):,}"
    ]
    rows = []
    for one in found["operators"]:
        if one["first"] != one["second"]:
            rows.append((one["name"], f"{one['first'] or 'not there'} against {one['second'] or 'not there'}"))
        elif one["videos"]:
            rows.append((one["name"], f"{len(one['videos']):,} videos differ, such as {one['videos'][0][:12]}"))
    rows += [
        (
            f"view {one['name']}",
            f"{one['only_first']:,} clips only in the first, {one['only_second']:,} only in the second",
        )
        for one in found["views"]
        if one["only_first"] or one["only_second"]
    ]
    return "\n".join([*lines, columns(rows)])


def alive(folder: Folder) -> dict[str, Any]:
    """Whether the files of all videos are still where they were, of the same size and time; those that are not are
    marked as gone, and those that are there again as there. Reads no content.
    """
    dataset = Dataset(Path(folder))
    with dataset.writer() as writer:
        found = look_again(writer)
    status = dataset.status()
    there = status.videos - status.gone - status.withheld
    return {"dataset": str(folder), "videos": status.videos, "there": there, **found}


def addresses_alive(folder: Folder, web: Web, *, quiet: bool = False) -> dict[str, Any]:
    """Whether the addresses that the videos came from still answer. Asks the network; notes nothing: the files decide.

    What is gone there can no longer be fetched by those who have only the list.
    """
    dataset = Dataset(Path(folder))
    rows = dataset.rows("sidecars") if "sidecars" in dataset.operators() else None
    urls = sorted({str(url) for url in rows["url"].to_pylist() if url}) if rows is not None else []
    if not urls:
        raise UsageError("no video of this dataset has an address", "`.info.json` files and lists bring them in")
    found: dict[str, list[str]] = {"there": [], "gone": [], "silent": [], "refused": []}
    with CountTalk("asking", "addresses") as talk, ThreadPoolExecutor(4) as pool:
        for done, (url, (state, said)) in enumerate(zip(urls, pool.map(partial(_answers, web), urls), strict=True), 1):
            found[state].append(url if state == "there" else f"{url}: {said}")
            if not quiet:
                talk(done, len(urls), "")
    return {"dataset": str(folder), "addresses": len(urls), **found}


def _answers(web: Web, url: str) -> tuple[str, str]:
    try:
        return web.answers(url)
    except Refused as refused:
        return "refused", str(refused)


def say_addresses(found: dict[str, Any]) -> str:
    share = len(found["there"]) / found["addresses"]
    lines = [f"{len(found['there']):,} of {found['addresses']:,} addresses answer ({share:.1%})"]
    lines += [f"  {state}: {one}" for state in ("gone", "silent", "refused") for one in found[state]]
    return "\n".join(lines)


def say_alive(found: dict[str, Any]) -> str:
    share = found["there"] / found["videos"] if found["videos"] else 1.0
    lines = [f"{found['there']:,} of {found['videos']:,} videos are there ({share:.1%})"]
    for word, names in (("gone", found["gone"]), ("changed", found["changed"]), ("there again", found["there_again"])):
        lines += [f"  {word}: {name}" for name in names]
    return "\n".join(lines)
