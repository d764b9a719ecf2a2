"""Collectors that somebody installed: packages with an entry point in the group `internvideo.collectors`.

None comes with this package. A collector is a callable `(source, folder, want)` that puts at most `want` videos of a
`Source` into `folder` (with `.info.json` and subtitle files beside them, as yt-dlp writes them) and yields, for each, a
mapping with `url`, `file` (its name in the folder) and what is known of it: `licence`, `language`, `category`, ...
What becomes of it (exclusions, quotas, the journal) is decided here.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from internvideo.curation.collect.sources import Source
from internvideo.errors import UsageError, nearest

GROUP = "internvideo.collectors"
Collector = Callable[[Source, Path, int], Iterable[Mapping[str, Any]]]


def collector(name: str) -> Collector:
    """Load the collector of that name. Raises UsageError if no installed package has it."""
    known = {point.name: point for point in entry_points(group=GROUP)}
    if name not in known:
        hint = nearest(name, known) if known else f"install a package with an entry point in the group `{GROUP}`"
        raise UsageError(f"no installed package brings the collector `{name}`", hint)
    found: Collector = known[name].load()
    return found
