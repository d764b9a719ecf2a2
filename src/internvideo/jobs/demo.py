"""The main job from nothing: render a small world (or take a folder), curate, export, report, index and serve it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from internvideo.jobs.curate import curate
from internvideo.jobs.dataset import report
from internvideo.jobs.export import export
from internvideo.jobs.index import index
from internvideo.jobs.search import Searcher, say_answer
from internvideo.jobs.summary import say_summary
from internvideo.jobs.talk import duration, note

FILMS = 12
QUERY = "a red circle moves left"


def demo(
    folder: str | None, out: str, *, workers: int | None = None, serve: Callable[[str, bool], int] | None = None
) -> int:
    """Everything into `out`. Gives 0 when there is a dataset to look at, whatever single files failed.

    serve: shows the dataset as a page, (folder, whether to answer one request only); in a terminal until Ctrl-C.
    """
    target = Path(out)
    if folder is None:
        videos = target / "videos"
        began = time.monotonic()
        note(f"1/6 rendering {FILMS} films with known shots, captions, copies and a few broken files into {videos}")
        _render(videos)
        note(f"    {duration(time.monotonic() - began)}")
    else:
        videos = Path(folder)
        note(f"1/6 taking the videos below {videos}")
    dataset = target / "dataset"
    note(f"2/6 curating into {dataset}")
    summary = curate([videos], dataset, workers=workers)
    print(say_summary(summary))
    if not summary.clips:
        return summary.exit_code
    note("3/6 exporting the kept clips")
    for form in ("internvid", "webdataset"):
        found = export(dataset, form, target / "exports" / form)
        print(f"{form}: {found['clips']} clips in {found['files']} files, {target / 'exports' / form}")
    note("4/6 writing the report")
    page = report(dataset)
    print(f"\nreport: {page.as_uri()}")
    note("5/6 indexing, so that moments can be found")
    index([videos], dataset, workers=workers)
    searcher = Searcher(dataset)
    if folder is None:
        answer = searcher.search(searcher.question(QUERY, top=3))
        print(f"\nsearch “{QUERY}”:\n{say_answer(answer)}")
    if not searcher.understands_text:
        note(searcher.notes[-1])
    if serve is None:
        return 0
    note("6/6 serving the page")
    return serve(str(dataset), not sys.stdout.isatty())


def _render(folder: Path) -> None:
    from internvideo.datasets.moving_shapes import write_world

    write_world(folder, seed=0, count=FILMS)
