"""Moments for FiftyOne, as its `FiftyOneTemporalDetectionDataset` is laid out; FiftyOne itself is not needed.

`labels.json` has a temporal detection per clip (its caption, start and stop in seconds, scores as attributes), and
`data.json` says where the videos lie: nothing is copied, so the folder serves this machine and is not to be published.
"""

import json
from pathlib import Path
from typing import Any

from internvideo.curation.export.data import ExportData, ExportSummary, Progress, silent
from internvideo.curation.export.folder import ExportFolder

LABELS, MEDIA = "labels.json", "data.json"
UNTOLD = "clip"  # the label of a clip without a caption


def export_fiftyone(data: ExportData, out: Path, *, progress: Progress = silent) -> ExportSummary:
    """Write both files to the folder `out`. Clips of videos without a file are left out."""
    folder = ExportFolder(out, "fiftyone", data, {})
    starts, ends = (data.clips[name].to_pylist() for name in ("start_seconds", "end_seconds"))
    labels: dict[str, list[dict[str, Any]]] = {}
    used, left = [], []
    for row, clip in enumerate(data.rows):
        if clip.video not in data.files:
            left.append((clip.name, "its video has no file"))
            continue
        scores = {name: value for name, value in data.values(row).items() if value is not None}
        labels.setdefault(clip.video, []).append(
            {
                "label": data.best.get(clip.name, UNTOLD),
                "timestamps": [starts[row], ends[row]],
                "attributes": {"clip": clip.name, **scores},
            }
        )
        used.append(row)
        progress(row + 1, len(data), clip.file)
    media = {video: str(data.files[video][0].absolute()) for video in labels}
    parts = [(LABELS, {"labels": labels}), (MEDIA, media)]
    entries = [folder.write(name, json.dumps(part, indent=1, ensure_ascii=False).encode()) for name, part in parts]
    if {"files": entries} not in list(folder.finished()):
        folder.finish({"files": entries})
    return folder.close(entries, used, left)
