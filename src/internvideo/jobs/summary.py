"""What a dataset holds after a run, and what the run took: for people, for JSON, and for the next estimate."""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from internvideo.config import plain
from internvideo.curation.recipe import CurateRecipe
from internvideo.curation.run import Progress
from internvideo.jobs.talk import columns, duration
from internvideo.store.dataset import Dataset
from internvideo.store.faults import shown

SHOWN_FAILURES = 20
RATES = "rates.json"  # in the dataset's `runs/`: what the last run that decoded anything measured


@dataclass(frozen=True)
class Summary:
    """Counts of a dataset and of the run that brought it here."""

    dataset: str
    view: str | None
    files: int
    videos: int
    copies: int  # files with the bytes of another
    failures: list[dict[str, str]]  # name, kind, message: nothing of these files is kept
    damaged: list[dict[str, str]]  # the same of files of which a part is kept
    clips: int
    kept: int
    funnel: list[dict[str, Any]]  # rule by rule: rule, in, kept, unknown
    duplicate_groups: int
    captions: int
    done_now: int  # units of work of this run
    seconds: float
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 all good, 1 some inputs failed and the rest was kept, 3 not one video could be used."""
        if not self.failures and not self.damaged:
            return 0
        return 1 if self.clips else 3

    def as_row(self) -> dict[str, Any]:
        return {**asdict(self), "exit_code": self.exit_code}


def summarize(dataset: Dataset, recipe: CurateRecipe, progress: Progress, seconds: float, done_now: int) -> Summary:
    """Count what the dataset holds now."""
    status, view = dataset.status(), recipe.views[0] if recipe.views else None
    description = dataset.view_description(view.name) if view is not None else {}
    funnel: Any = description.get("funnel", [])
    first = next(iter(status.clip_sets), "")
    clip_set = view.clip_set if view is not None else "shots" if "shots" in status.clip_sets else first
    rows = {one.name: one.rows for one in status.operators}
    groups = dataset.rows("duplicates")["group"].drop_null().unique() if "duplicates" in rows else []
    length = dataset.rows("probe")["seconds"].drop_null().to_pylist() if progress.due else []
    failures = [{"name": f.place or f.video, "kind": f.kind, "message": f.message} for f in dataset.failures()]
    opened = rows.get("probe", 0)
    return Summary(
        dataset=status.path,
        view=view.name if view is not None else None,
        files=progress.files,
        videos=opened,
        copies=max(0, status.files - (status.videos - status.gone - status.withheld)),
        failures=failures,
        damaged=damaged(dataset) if opened else [],
        clips=status.clip_sets.get(clip_set, 0),
        kept=status.views.get(view.name, 0) if view is not None else 0,
        funnel=funnel,
        duplicate_groups=len(groups),
        captions=sum(rows.get(name, 0) for name in ("captions", "model_captions")),
        done_now=done_now,
        seconds=seconds,
        rates=rates_of(progress, seconds, sum(length)),
    )


def damaged(dataset: Dataset) -> list[dict[str, str]]:
    """Videos of which only a part decodes: the part is kept, the loss is named."""
    found = []
    for row in dataset.rows("decoding").to_pylist():
        if row["missing"]:
            place = dataset.locate(row["video"])
            kind = "truncated" if "lacks its last" in (row["message"] or "") else "damaged"
            reason = row["message"] or "the decoder does not say why"
            words = f"{row['decoded']:,} of {row['promised']:,} frames decode; {reason}"
            found.append({"name": shown(place) if place else row["video"], "kind": kind, "message": words})
    return sorted(found, key=lambda one: one["name"])


def say_summary(summary: Summary) -> str:
    """The funnel, the failures by name, and what the run took."""
    rows: list[tuple[str, str, str]] = [("files", f"{summary.files:,}", "")]
    if summary.copies:
        rows.append(("  copies", f"-{summary.copies:,}", "same bytes as another file"))
    rows += [
        (f"  {kind}", f"-{count:,}", "")
        for kind, count in sorted(Counter(failure["kind"] for failure in summary.failures).items())
    ]
    rows += [("videos", f"{summary.videos:,}", ""), ("shots", f"{summary.clips:,}", "")]
    for step in summary.funnel:
        unknown = f"{step['unknown']:,} of them unknown" if step["unknown"] else ""
        rows.append((f"  {step['rule']}", f"-{step['in'] - step['kept']:,}", unknown))
    share = f"{summary.kept / summary.clips:.0%} of the shots" if summary.clips else ""
    rows += [(f"kept ({summary.view})", f"{summary.kept:,}", share)] if summary.view else []
    lines = [columns(rows, right=[1]), ""]
    lines.append(f"{summary.duplicate_groups:,} groups of near-duplicates, {summary.captions:,} captions")
    for title, items in (("failed", summary.failures), ("damaged, kept in part", summary.damaged)):
        if items:
            rows_of = [(f"  {one['name']}", one["kind"], one["message"]) for one in items[:SHOWN_FAILURES]]
            lines += ["", f"{title}:", columns(rows_of)]
        if len(items) > SHOWN_FAILURES:
            more = len(items) - SHOWN_FAILURES
            lines.append(f"  ... and {more:,} more: internvideo dataset status {summary.dataset}")
    if summary.done_now:
        rate = summary.rates.get("frames_per_second")
        speed = f", {rate:,.0f} frames/s, {summary.rates['times_real_time']:.0f} x real time" if rate else ""
        lines += ["", f"{summary.done_now:,} units of work in {duration(summary.seconds)}{speed}"]
    else:
        lines += ["", f"nothing to do: everything was up to date ({duration(summary.seconds)})"]
    return "\n".join(lines)


def measured_rate(dataset: Dataset) -> float | None:
    """Frames per CPU second, as the last run of this dataset that decoded anything measured it."""
    try:
        rate = json.loads((dataset.path / "runs" / RATES).read_text("utf-8"))["frames_per_cpu_second"]
    except (OSError, ValueError, KeyError):
        return None
    return float(rate) if rate else None


def rates_of(progress: Progress, seconds: float, seconds_of_video: float) -> dict[str, float]:
    """Speeds of a run; empty when it decoded nothing."""
    if not progress.frames or not progress.cpu_seconds:
        return {}
    return {
        "frames": progress.frames,
        "frames_per_second": round(progress.frames / seconds, 1),
        "frames_per_cpu_second": round(progress.frames / progress.cpu_seconds, 1),
        "pixels_per_cpu_second": round(progress.pixels / progress.cpu_seconds),
        "times_real_time": round(seconds_of_video / seconds, 2),
        "cpu_seconds": round(progress.cpu_seconds, 2),
    }


def write_log(dataset: Dataset, summary: Summary, recipe: CurateRecipe, workers: int) -> None:
    """Keep what a run did under `runs/`: logs may name times, values never do."""
    folder = dataset.path / "runs"
    folder.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    log = {"finished": stamp, "workers": workers, "summary": summary.as_row(), "recipe": plain(recipe)}
    (folder / f"{stamp}.json").write_text(json.dumps(log, indent=1, ensure_ascii=False), "utf-8")
    if summary.rates:
        (folder / RATES).write_text(json.dumps(summary.rates), "utf-8")
