"""Collecting videos: what to look for, what an official search would take, and fetching what a list names."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvideo.curation.caption_files import parse_captions
from internvideo.curation.collect.fetch import JOURNAL, Collection, FetchRecipe
from internvideo.curation.collect.plan import SearchApi, plan
from internvideo.curation.collect.plugins import collector
from internvideo.curation.collect.queries import (
    QueryRecipe,
    distinct,
    from_captions,
    phrase_of,
    phrases_in,
    translated,
    widened,
)
from internvideo.curation.collect.quotas import parse_quotas, read_exclusions
from internvideo.curation.collect.sources import Address, Source, read_addresses, read_sources, write_sources
from internvideo.curation.collect.stores import is_store, videos_in
from internvideo.errors import UsageError
from internvideo.jobs.labels import names_in
from internvideo.jobs.language import writing
from internvideo.jobs.talk import CountTalk, columns, duration, note, size
from internvideo.store.best_caption import texts_of
from internvideo.store.dataset import Dataset

Folder = str | os.PathLike[str]


def plan_sources(lists: Sequence[str], api: SearchApi) -> dict[str, Any]:
    """What the sources of these lists take of a search API. Asks nobody."""
    sources = distinct(one for path in lists for one in read_sources(Path(path)))
    return {**plan(sources, api).as_row(), "per_day": api.searches_per_day, "per_page": api.per_page}


def say_plan(found: dict[str, Any]) -> str:
    rows: list[tuple[str, str]] = [
        ("sources", f"{found['queries']:,} queries, {found['channels']:,} channels"),
        ("videos", f"{found['videos']:,} at most, {found['hours']:,.0f} hours, {size(found['bytes'])}"),
        ("searches", f"{found['searches']:,} at {found['per_day']:,} a day, {found['per_page']} results each"),
        ("other calls", f"{found['calls']:,}, for channels and for the facts of every video"),
        ("time", f"{found['days']:,.1f} days until the quota has allowed all of it"),
    ]
    if found["short"]:
        rows.append(("out of reach", f"{found['short']:,} videos: a query gives no more results than that"))
    for group, values in found["groups"].items():
        if set(values) != {"not said"}:
            ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
            shown = ", ".join(f"{value} {count:,}" for value, count in ranked[:8])
            rows.append((group, shown + (f" and {len(ranked) - 8:,} more" if len(ranked) > 8 else "")))
    return columns(rows)


def make_queries(
    out: Folder, classes: Sequence[str], captions: Sequence[str], recipe: QueryRecipe, *, quiet: bool = False
) -> dict[str, Any]:
    """Write a source list from lists of classes and from captions (files or datasets); a model widens it if one is
    named. Answers are kept in `OUT.answers.sqlite`, so that nothing is asked twice.
    """
    import asyncio

    path, told = Path(out), [text for place in captions for text in _captions(place)]
    named = [
        Source("query", phrase_of(name), origin=Path(place).name)
        for place in classes
        for name in dict.fromkeys(names_in(place))
    ]
    if not named and not told:
        raise UsageError("nothing to make queries from", "give --classes FILE, --captions FILE or DATASET, or both")
    named = distinct(named)
    if not recipe.on:
        if recipe.languages:
            raise UsageError("no model to translate", "--endpoint URL --llm NAME names one")
        ruled = phrases_in(told, fewest=recipe.fewest, most=recipe.most)
        found = distinct([*named, *(Source("query", text, origin="captions, by rules") for text in ruled)])
        return {"out": str(out), "queries": write_sources(path, found), "origins": _origins(found)}

    async def all_of_it() -> list[Source]:
        made = await widened(who.model, recipe, named)
        made = distinct([*made, *(await from_captions(who.model, recipe, told))])
        made += await translated(who.model, recipe, made)
        await who.model.close()
        return distinct(made)

    with writing(recipe, path.with_name(path.name + ".answers.sqlite")) as who:
        if not quiet:
            about = f"{len(named) * (recipe.widen > 0):,} classes and {len(told):,} captions"
            note(who.say_cost(f"{about}, then {len(recipe.languages)} translations"))
        found = asyncio.run(all_of_it())
        if not quiet:
            note(who.said(f"{len(found):,} queries"))
    return {"out": str(out), "queries": write_sources(path, found), "origins": _origins(found)}


def _captions(place: str) -> list[str]:
    path = Path(place)
    if Dataset.exists(path):
        texts = texts_of(Dataset(path))
        seen = pa.compute.is_in(texts["scale"], value_set=pa.array(["clip", "fine", "coarse", "video"]))
        return list(dict.fromkeys(texts.filter(seen)["text"].drop_null().to_pylist()))
    if not path.is_file():
        raise UsageError(f"`{place}` is neither a file with captions nor a dataset", "give one of them")
    if path.suffix.lower() == ".txt":
        return [line for line in map(str.strip, path.read_text("utf-8-sig").splitlines()) if line]
    texts, problems = parse_captions(path.read_bytes(), path.name)
    if problems and not texts:
        raise UsageError(f"`{place}`: {problems[0]}", "captions are a column `caption` or a line each")
    return list(dict.fromkeys(text.text for text in texts if text.text))


def _origins(sources: Sequence[Source]) -> dict[str, int]:
    return dict(Counter(one.origin for one in sources))


def say_queries(found: dict[str, Any]) -> str:
    rows = [(origin, f"{count:,}") for origin, count in sorted(found["origins"].items())]
    return columns([*rows, ("in all", f"{found['queries']:,}: {found['out']}")], right=[1] if not rows else [])


def fetch(
    lists: Sequence[str],
    out: Folder,
    recipe: FetchRecipe,
    *,
    quotas: Sequence[str] = (),
    exclude: Sequence[str] = (),
    by: str | None = None,
    again: Sequence[str] = (),
    quiet: bool = False,
) -> dict[str, Any]:
    """Bring the videos of address lists and object stores into the folder `out`; what came of every address.

    by: a collector that somebody installed; then the lists are of sources. again: classes of failure to try once more.
    """
    collection = Collection(Path(out), recipe, parse_quotas(quotas), read_exclusions([Path(one) for one in exclude]))
    if by is not None:
        sources = distinct(one for place in lists for one in read_sources(Path(place)))
        with CountTalk("collecting", "sources") as talk:
            counts = collection.take_from(collector(by), sources, (lambda *_: None) if quiet else talk)
        return _came(collection, counts, len(sources))
    addresses = {one.url: one for place in lists for one in _addresses(place)}
    due = collection.due(addresses.values(), again)
    if not quiet:
        note(_say_due(collection, len(addresses), due, recipe))
    with CountTalk("fetching", "videos") as talk:
        counts = collection.fetch_all(due, (lambda *_: None) if quiet else talk)
    return _came(collection, counts, len(addresses))


def _addresses(place: str) -> list[Address]:
    if is_store(place):
        found = list(videos_in(place))
        if not found:
            raise UsageError(f"no videos below {place}", "files are recognised by their suffix, such as .mp4")
        return found
    if Path(place).is_dir():
        raise UsageError(f"`{place}` is a folder", f"its videos are here already: `internvideo curate {place} ...`")
    if place.partition("://")[0] in ("http", "https"):
        raise UsageError(f"`{place}` is an address", "put addresses into a list, one per line")
    return read_addresses(Path(place))


def _say_due(collection: Collection, total: int, due: Sequence[Address], recipe: FetchRecipe) -> str:
    sizes = [int(text) for one in due if (text := one.fact("bytes") or one.fact("filesize")).isdecimal()]
    rows = [("addresses", f"{total:,}, of which {len(due):,} are to be fetched; {size(collection.bytes)} are here")]
    if sizes:
        took = f", {duration(sum(sizes) / recipe.rate)} at the rate that is set" if recipe.rate else ""
        rows.append(("bytes", f"{size(sum(sizes))} as the list says for {len(sizes):,} of them{took}"))
    limits = [f"{recipe.at_once} at once", f"{recipe.pause:g} s between requests to one host"]
    limits += [f"{size(recipe.rate)}/s"] if recipe.rate else []
    limits += [f"{size(recipe.largest)} per file"] + ([f"{size(recipe.most)} in all"] if recipe.most else [])
    rows.append(("limits", ", ".join(limits)))
    return columns(rows)


def _came(collection: Collection, counts: Counter[str], asked: int) -> dict[str, Any]:
    """What the journal says now, and what this run did."""
    again = Collection(collection.folder, FetchRecipe(), {}, read_exclusions([]))
    here = [line for line in again.lines.values() if line["state"] == "here"]
    return {
        "out": str(collection.folder),
        "asked": asked,
        "now": dict(counts),
        "here": len(here),
        "bytes": again.bytes,
        "without_licence": sum(not line["licence"] for line in here),
        "left": [
            {"url": line["url"], "kind": line["state"], "message": line["message"]}
            for line in again.lines.values()
            if line["state"] != "here"
        ],
    }


def say_fetch(found: dict[str, Any]) -> str:
    rows = [(kind, f"{count:,}") for kind, count in sorted(found["now"].items())]
    lines = [columns(rows)] if rows else ["nothing was due"]
    lines.append(f"{found['here']:,} videos, {size(found['bytes'])}: {found['out']}")
    if found["without_licence"]:
        lines.append(
            f"  {found['without_licence']:,} of them without a licence: a column `licence` of the list says it"
        )
    lines += [f"  {one['kind']}: {one['url']}: {one['message']}" for one in found["left"][:20]]
    if len(found["left"]) > 20:
        lines.append(f"  and {len(found['left']) - 20:,} more: {JOURNAL}")
    return "\n".join(lines)
