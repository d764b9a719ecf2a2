"""What an evaluation found, for people: a table as text and Markdown, report.json, and pictures of what there is."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from internvideo.jobs.confusion_picture import draw_confusion
from internvideo.jobs.part_picture import draw_parts
from internvideo.jobs.report_curves import draw_report
from internvideo.jobs.talk import columns
from internvideo.store import durable

REPORT, PAGE, CURVES = "report.json", "report.md", "curves.png"
CONFUSION, PARTS = "confusion.png", "parts.png"


def metrics_text(metrics: Mapping[str, Any]) -> str:
    """Numbers as aligned lines, parts by path."""
    return columns([(name, number(value)) for name, value in flat(metrics)], right=[1])


def flat(metrics: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """
    >>> list(flat({"t2v": {"R@1": 50.0}, "videos": 2}))
    [('t2v R@1', 50.0), ('videos', 2)]
    """
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{name} ")
        else:
            yield f"{path}{name}", value


def number(value: Any) -> str:
    """
    >>> number(12.3456), number(7), number("x")
    ('12.35', '7', 'x')
    """
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def write_report(out: Path, row: Mapping[str, Any], tables: Mapping[str, Any]) -> None:
    """`report.json`, `report.md` and pictures in the folder."""
    durable.make_folder(out)
    durable.write_atomic(out / REPORT, (json.dumps(row, indent=2, ensure_ascii=False, default=str) + "\n").encode())
    text = page(row)
    if draw_report(tables, out / CURVES, " · ".join(filter(None, (row["task"], row["model"])))):
        text += f"\n![curves]({CURVES})\n"
    if "confusion" in tables and draw_confusion(tables["confusion"], tables["classes"], out / CONFUSION):
        text += f"\n![which class was taken for which]({CONFUSION})\n"
    if draw_parts(tables.get("parts", {}), out / PARTS):
        text += f"\n![how many of each part are right]({PARTS})\n"
    durable.write_atomic(out / PAGE, text.encode())


def page(row: Mapping[str, Any]) -> str:
    """The report as Markdown: numbers first, then all that they depend on."""
    known = ("task", "model", "family", "list", "protocol", "weights", "source", "missing", "failed", "notes", "out",
             "predictions", "made_by")  # fmt: skip
    metrics = {name: value for name, value in row.items() if name not in known}
    lines = [f"# {row['task']}, {row['model'] or row.get('predictions', '')}", "", "| metric | value |", "|---|---:|"]
    lines += [f"| {name} | {number(value)} |" for name, value in flat(metrics)]
    lines += ["", "| protocol | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in row["protocol"].items()]
    lines += [f"| list | {row['list'][:16]} |"]
    lines += [f"| weights | {str(row['weights'])[:16]} |"] if "weights" in row else []
    lines += [f"| examples without an answer | {row['missing']} |"]
    lines += [f"| videos that failed: {kind} | {count} |" for kind, count in row["failed"].items()]
    lines += ["", *(f"- {told}" for told in row["notes"])] if row["notes"] else []
    return "\n".join(lines) + "\n"
