"""What can be asked of a dataset folder: status, why, verify, retry, report, gc; a function and a text each."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from internvideo.errors import UsageError, nearest
from internvideo.jobs.talk import columns, size
from internvideo.store.dataset import Dataset

Folder = str | os.PathLike[str]


def status(folder: Folder) -> dict[str, Any]:
    """Counts per operator, failures by class and by name, clip sets and views."""
    dataset = Dataset(Path(folder))
    counts, items = asdict(dataset.status()), [asdict(item) for item in dataset.failures()]
    barred = len({item["video"] for item in items if item["operator"] in ("probe", "decoding")})
    for one in counts["operators"]:  # nothing can come of a video that does not open or decode: that is not due
        one["due"] = max(0, one["due"] - barred)
    return {**counts, "failed_items": items}


def say_status(found: dict[str, Any]) -> str:
    lines = [f"{found['path']}: {found['videos']:,} videos in {found['files']:,} files"]
    if found["gone"] or found["withheld"]:
        lines.append(f"  {found['gone']:,} gone, {found['withheld']:,} withheld")
    lines += ["clip sets: " + (", ".join(f"{name} {count:,}" for name, count in found["clip_sets"].items()) or "none")]
    lines += ["views:     " + (", ".join(f"{name} {count:,}" for name, count in found["views"].items()) or "none"), ""]
    rows: list[tuple[object, ...]] = [("operator", "done", "due", "failed", "quarantined", "rows")]
    counts = ("name", "done", "due", "failed", "quarantined", "rows")
    rows += [tuple(one[count] for count in counts) for one in found["operators"]]
    lines.append(columns(rows, right=range(1, 6)))
    if found["failed_items"]:
        lines += ["", "failures:"]
        items = [
            (f"  {i['place'] or i['video'][:12]}", i["operator"], i["kind"], i["message"])
            for i in found["failed_items"]
        ]
        lines.append(columns(items))
    return "\n".join(lines)


def why(folder: Folder, what: str) -> dict[str, Any]:
    """Everything that is known of one clip, moment or video, with the views it is in."""
    found = Dataset(Path(folder)).why(what)
    return {**asdict(found), "clip": found.clip.name if found.clip else None}


def say_why(found: dict[str, Any]) -> str:
    rows: list[tuple[object, object]] = [("video", found["video"] or "not identified"), ("clip", found["clip"] or "")]
    rows += [("place", place["place"]) for place in found["places"]]
    rows += [("withheld", found["withheld"])] if found["withheld"] else []
    rows += [("failure", ": ".join(found["failure"]))] if found["failure"] else []
    rows += [("clip set", f"{name}: {count}") for name, count in found["clip_sets"].items()]
    rows += [("view", f"{name}: {'in it' if count else 'not in it'}") for name, count in found["views"].items()]
    for one in found["operators"]:
        state = one["state"]
        words = state["state"] if state["state"] == "done" else f"{state['state']} {state['kind']} {state['message']}"
        rows.append((one["name"], words.strip()))
        for value in one["values"]:
            known = {name: cell for name, cell in value.items() if name not in _KEYS and cell is not None}
            rows.append(("", ", ".join(f"{name} {_short(cell)}" for name, cell in known.items())))
    if not found["clip"] and found["clips"]:
        rows += [("clips", " ".join(found["clips"][:8]) + (" ..." if len(found["clips"]) > 8 else ""))]
    return columns(rows)


_KEYS = frozenset({"video", "stream", "start", "end", "item", "input"})


def _short(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def verify(folder: Folder, *, repair: bool = False) -> dict[str, Any]:
    """Problems of the folder; sound when there are none left."""
    problems = [asdict(problem) for problem in Dataset(Path(folder)).verify(repair=repair)]
    left = [problem for problem in problems if not problem["repaired"]]
    return {"dataset": str(folder), "sound": not left, "problems": problems}


def say_verify(found: dict[str, Any]) -> str:
    if not found["problems"]:
        return f"{found['dataset']}: sound"
    rows = [(p["kind"], p["where"], p["message"], p["repaired"]) for p in found["problems"]]
    verdict = "all mended" if found["sound"] else "`--repair` mends what can be mended"
    return columns(rows) + f"\n{len(rows):,} problems; {verdict}"


def retry(folder: Folder, *, kind: str | None = None, video: str | None = None) -> dict[str, Any]:
    """Make failures due again: all, of one class, or of one video."""
    dataset = Dataset(Path(folder))
    kinds = sorted({item.kind for item in dataset.failures()})
    if kind is not None and kind not in kinds:
        raise UsageError(f"no failure of class `{kind}` in this dataset", nearest(kind, kinds))
    meant = dataset.find(video).video if video is not None else None
    with dataset.writer() as writer:
        return {"dataset": str(folder), "due_again": writer.retry(kind, meant)}


def say_retry(found: dict[str, Any]) -> str:
    return f"{found['due_again']:,} results are due again; the next `internvideo curate` tries them"


def main_view(dataset: Dataset) -> str | None:
    """The first view of the recipe that made the dataset, if it has been made."""
    try:
        names = [view["name"] for view in json.loads(dataset.manifest.recipe)["views"]]
    except (ValueError, KeyError, TypeError):
        names = []
    made = dataset.views()
    return next((name for name in [*names, *made] if name in made), None)


def report(folder: Folder, *, view: str | None = None, out: Folder | None = None) -> Path:
    """Write the page; its path."""
    from internvideo.curation.report.adapter import write_report

    dataset = Dataset(Path(folder))
    page = Path(out) if out is not None else dataset.path / "report.html"
    return write_report(dataset, view or main_view(dataset), page.resolve())


def gc(folder: Folder, *, delete: bool = False) -> dict[str, Any]:
    """Values and caches that nothing names any more."""
    listed = [asdict(item) for item in Dataset(Path(folder)).gc(delete=delete)]
    return {"dataset": str(folder), "deleted": delete, "items": listed, "bytes": sum(item["bytes"] for item in listed)}


def say_gc(found: dict[str, Any]) -> str:
    if not found["items"]:
        return "nothing to remove"
    rows = [(item["path"], size(item["bytes"]), item["reason"]) for item in found["items"]]
    last = "removed" if found["deleted"] else "in all; --delete removes them"
    return columns(rows, right=[1]) + f"\n{size(found['bytes'])} {last}"
