"""Conversations about videos, one JSON object per line, as most programs that fine-tune on instructions read them.

`conversations` alternates {"from": "human"} and {"from": "gpt"}, the first question begins with `<video>`: the layout
of LLaVA, which VideoChat's later data and others share. Only what passed all checks; no media.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvideo.curation.export.data import ExportData, ExportSummary, Progress, silent
from internvideo.curation.export.folder import ExportFolder

FILE, TOKEN = "instructions.jsonl", "<video>\n"


@dataclass(frozen=True, kw_only=True)
class InstructionOptions:
    """grounded: leave out answers of whose words a smaller share stands in the texts they were made from."""

    grounded: float = 0.0


def export_instructions(
    data: ExportData,
    out: Path,
    *,
    rows: pa.Table,
    options: InstructionOptions = InstructionOptions(),
    progress: Progress = silent,
) -> ExportSummary:
    """Write `instructions.jsonl` to the folder `out`. rows: of the operator `instructions`.

    What is about a clip that is not in `data` is left out.
    """
    place = {clip.name: row for row, clip in enumerate(data.rows)}
    every = [row for row in rows.to_pylist() if all(clip in place for clip in row["clips"])]
    made_from = hashlib.sha256(repr(every).encode("utf-8")).hexdigest()
    folder = ExportFolder(out, "instructions", data, {**asdict(options), "rows": made_from})
    good = [row for row in every if not row["problem"] and (row["grounded"] or 0.0) >= options.grounded]
    entry = folder.write_lines(FILE, _lines(data, good, place), len(good), progress)
    used = sorted({place[clip] for row in good for clip in row["clips"]})
    left = [
        (row["clips"][0], f"{row['kind']}: {row['problem'] or 'too few of its words are in the texts'}")
        for row in every
        if row not in good
    ]
    return folder.close([entry], used, left)


def _lines(data: ExportData, rows: list[dict[str, Any]], place: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for row in rows:
        first, last = (place[row["clips"][number]] for number in (0, -1))
        talk: list[dict[str, str]] = []
        for turn in row["turns"]:
            talk.append({"from": "human", "value": ("" if talk else TOKEN) + turn["question"]})
            talk.append({"from": "gpt", "value": turn["answer"]})
        yield {
            "id": f"{data.rows[first].name}.{row['kind']}",
            "video": data.rows[first].file or row["video"],
            "video_id": row["video"],
            "start_seconds": data.clips["start_seconds"][first].as_py(),
            "end_seconds": data.clips["end_seconds"][last].as_py(),
            "clips": row["clips"],
            "kind": row["kind"],
            "conversations": talk,
            "origin": row["origin"],
            "grounded": row["grounded"],
        }
