"""`internvideo dataset propose` and `similar`: what to fix a threshold on, looked at before it is fixed."""

import hashlib
import json
import os
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from internvideo.curation.clip_tables import clips_of
from internvideo.curation.proposals import nearest_unjudged, propose
from internvideo.curation.select import numbers
from internvideo.curation.semantic import SemanticDuplicates, groups_at
from internvideo.errors import UsageError, nearest
from internvideo.jobs.browse import SHOWN
from internvideo.jobs.dataset import main_view
from internvideo.jobs.talk import columns
from internvideo.records import EMBEDDING
from internvideo.store.dataset import Dataset

Folder = str | os.PathLike[str]
ABOUT_WORDS = ("match_", "captions_", "caption_statistics_")
LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99)
NEXT, EXAMPLES = 5, 3


def proposals(
    folder: Folder, *, clip_set: str | None = None, column: str = "", precision: float = 0.9
) -> dict[str, Any]:
    """Thresholds on single scores that people's verdicts ask for, the most telling score first.

    keep is good; drop and bad cut are bad for scores of the picture, bad caption for scores of the words; of several
    verdicts on one clip the last one counts.
    """
    if not 0 < precision < 1:
        raise UsageError(f"a precision of {precision}", "give a share over 0 and under 1, such as 0.9")
    dataset = Dataset(folder)
    table = clips_of(dataset, clip_set or _clip_set(dataset))
    names = table["clip"].to_pylist()
    said = {str(one["clip"]): str(one.get("verdict", "")) for one in dataset.verdicts() if "clip" in one}
    order = sorted((name for name in said), key=lambda name: hashlib.sha256(name.encode()).digest())
    row_of = {name: row for row, name in enumerate(names) if name in said}
    known = [
        field.name
        for field in table.schema
        if (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)) and SHOWN.fullmatch(field.name)
    ]
    if column and column not in known:
        raise UsageError(f"no score `{column}`", nearest(column, known))
    found = []
    for name in [column] if column else known:
        bad = ("bad caption",) if name.startswith(ABOUT_WORDS) else ("drop", "bad cut")
        asked = [clip for clip in order if clip in row_of and said[clip] in ("keep", *bad)]
        rows, values = np.array([row_of[clip] for clip in asked], np.int64), numbers(table, name, name)
        proposal = propose(name, values[rows], np.array([said[clip] == "keep" for clip in asked], bool), precision)
        if proposal is not None:
            judged = np.zeros(len(names), bool)
            judged[[row_of[clip] for clip in said if clip in row_of]] = True
            stay = values >= proposal.threshold if proposal.relation == ">=" else values <= proposal.threshold
            following = nearest_unjudged(values, judged, proposal.threshold, NEXT)
            row = {**asdict(proposal), "rule": proposal.rule, "would_keep": int(stay.sum())}
            found.append({**row, "next": [names[place] for place in following]})
    found.sort(key=lambda one: (-one["separation"], one["column"]))
    counted = dict(Counter(said[name] for name in row_of))
    return {"dataset": str(folder), "clips": len(names), "verdicts": counted, "asked": precision, "proposals": found}


def say_proposals(found: dict[str, Any]) -> str:
    counted = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(found["verdicts"].items())) or "none"
    lines = [f"verdicts: {counted}"]
    if not found["proposals"]:
        lines.append(
            "nothing to propose: it takes 10 verdicts and two of each kind; give them at `internvideo serve DATASET`"
        )
        return "\n".join(lines)
    rows: list[tuple[object, ...]] = [
        ("rule", "tells apart", "precision", "95 % interval", "good kept", "would keep", "")
    ]
    rows += [
        (
            one["rule"], f"{one['separation']:.2f}", f"{one['precision']:.2f}",
            f"{one['interval'][0]:.2f}-{one['interval'][1]:.2f}", f"{one['recall']:.0%}",
            f"{one['would_keep']:,} of {found['clips']:,}",
            "" if one["enough"] else f"under {found['asked']:g} or unsure",
        )
        for one in found["proposals"][:12]
    ]  # fmt: skip
    best = found["proposals"][0]
    lines += ["", columns(rows, right=range(1, 6)), ""]
    lines.append(f"judge next: {' '.join(best['next']) or 'all clips near it are judged'}")
    lines.append(f'take it: internvideo curate ... "views.NAME.also={best["rule"]}"')
    return "\n".join(lines)


def _clip_set(dataset: Dataset) -> str:
    view = main_view(dataset)
    return str(dataset.view_description(view)["clip_set"]) if view else "shots"


def similar(folder: Folder, *, clip_set: str | None = None, examples: int = EXAMPLES) -> dict[str, Any]:
    """How alike clips are to the better clip that is most alike: counts above levels, and pairs on each level."""
    dataset = Dataset(folder)
    table, vectors = _semantic(dataset, clip_set or _clip_set(dataset))
    similarity = numbers(table, "similarity", "similarity")
    key = {
        span: row
        for row, span in enumerate(zip(*(table[n].to_pylist() for n in ("video", "start", "end")), strict=True))
    }
    others = zip(*(table[f"other_{name}"].to_pylist() for name in ("video", "start", "end")), strict=True)
    other = np.array([key.get(span, row) for row, span in enumerate(others)], np.int64)
    names = _names(dataset, table)
    levels = []
    for low, high in zip(LEVELS, (*LEVELS[1:], 2.0), strict=True):
        keeper = groups_at(similarity, other, low)
        inside = np.flatnonzero((similarity > low) & (similarity <= high))
        shown = inside[np.linspace(0, len(inside) - 1, min(examples, len(inside))).astype(np.int64)]
        pairs = [
            {"clip": names[i], "like": names[other[i]], "similarity": round(float(similarity[i]), 4)} for i in shown
        ]
        groups = len(np.unique(keeper[keeper != np.arange(len(keeper))]))
        levels.append({"over": low, "clips": int((similarity > low).sum()), "groups": groups, "pairs": pairs})
    return {"dataset": str(folder), "vectors": vectors, "clips": table.num_rows, "levels": levels}


def say_similar(found: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = [("cosine over", "clips that go", "groups", "")]
    top = max((level["clips"] for level in found["levels"]), default=0) or 1
    rows += [
        (f"{one['over']:g}", f"{one['clips']:,}", f"{one['groups']:,}", "#" * round(30 * one["clips"] / top))
        for one in found["levels"]
    ]
    lines = [f"{found['clips']:,} clips, vectors of {found['vectors']}", "", columns(rows, right=(1, 2)), ""]
    pairs = [pair for level in found["levels"] for pair in level["pairs"]]
    lines += [f"  {pair['similarity']:.4f}  {pair['clip']}  like  {pair['like']}" for pair in pairs]
    lines.append("\nfix a threshold: internvideo curate ... views.NAME.max_similarity=0.95")
    return "\n".join(lines)


def _semantic(dataset: Dataset, clip_set: str) -> tuple[pa.Table, str]:
    """Rows of `SemanticDuplicates`, as a run has stored them or made now, and whose vectors they come from."""
    current = dataset.operators()
    names = [name for name in current if name.startswith(EMBEDDING)]
    if SemanticDuplicates.name in current:
        stored = json.loads(current[SemanticDuplicates.name].text)["parameters"]
        if stored["clip_set"] == clip_set:
            return dataset.rows(SemanticDuplicates.name), str(stored["embedding"])
    if not names:
        raise UsageError(
            f"`{dataset.path}` has no vectors", "curate with match.model=NAME, or `internvideo index` makes them"
        )
    operator = SemanticDuplicates(names[0], clip_set)
    rows = {name: dataset.rows(name).drop_columns(["input"]) for name in operator.needs}
    return operator.process_all(rows), names[0]


def _names(dataset: Dataset, table: pa.Table) -> list[str]:
    """`film.mp4@12.50` for each row, as `dataset why` takes them."""
    where: dict[str, str] = {}
    for row in dataset.rows("places").select(["video", "place"]).to_pylist():
        where.setdefault(row["video"], row["place"] or row["video"])
    bases = {row["video"]: row["time_base"] for row in dataset.rows("probe").select(["video", "time_base"]).to_pylist()}
    found = []
    for video, start in zip(table["video"].to_pylist(), table["start"].to_pylist(), strict=True):
        over, _, under = str(bases.get(video) or "1/1").partition("/")
        found.append(f"{where.get(video, video)}@{start * int(over) / int(under or 1):.2f}")
    return found
