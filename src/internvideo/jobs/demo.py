"""The main job from nothing: render a small world (or take a folder), curate it, export it, write the report."""

import time
from pathlib import Path

from internvideo.jobs.curate import curate
from internvideo.jobs.dataset import export, report
from internvideo.jobs.summary import say_summary
from internvideo.jobs.talk import duration, note

FILMS = 12


def demo(folder: str | None, out: str, *, workers: int | None = None) -> int:
    """Everything into `out`. Gives 0 when there is a dataset to look at, whatever single files failed."""
    target = Path(out)
    if folder is None:
        videos = target / "videos"
        began = time.monotonic()
        note(f"1/4 rendering {FILMS} films with known shots, captions, copies and a few broken files into {videos}")
        _render(videos)
        note(f"    {duration(time.monotonic() - began)}")
    else:
        videos = Path(folder)
        note(f"1/4 taking the videos below {videos}")
    dataset = target / "dataset"
    note(f"2/4 curating into {dataset}")
    summary = curate([videos], dataset, workers=workers)
    print(say_summary(summary))
    if not summary.clips:
        return summary.exit_code
    note("3/4 exporting the kept clips")
    for form in ("internvid", "webdataset"):
        found = export(dataset, form, target / "exports" / form)
        print(f"{form}: {found['clips']} clips in {found['files']} files, {target / 'exports' / form}")
    note("4/4 writing the report")
    page = report(dataset)
    print(f"\nreport: {page.as_uri()}")
    return 0


def _render(folder: Path) -> None:
    from internvideo.datasets.moving_shapes import write_world

    write_world(folder, seed=0, count=FILMS)
