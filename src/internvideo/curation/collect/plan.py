"""What looking for videos would take: calls of a search API, days at its daily quota, hours and bytes of film.

Arithmetic only; asks nobody.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from internvideo.curation.collect.sources import GROUPS, Source
from internvideo.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class SearchApi:
    """What a search API allows. The defaults are YouTube's Data API v3 with the quota that a new project gets.

    searches_per_day: calls of `search.list`. calls_per_day: of the cheap ones (`videos.list` for facts of up to
    `per_page` videos, `playlistItems.list` for a page of a channel's uploads): one unit each of 10,000.
    most_results: of one query, whatever is asked for. seconds, megabits: of a mean video, for hours and bytes: the
    mean source of InternVid (351.9 s) and a common rate of 720p.
    """

    searches_per_day: int = 100
    calls_per_day: int = 10_000
    per_page: int = 50
    most_results: int = 500
    seconds: float = 351.9
    megabits: float = 2.0  # per second

    def __post_init__(self) -> None:
        if min(self.searches_per_day, self.calls_per_day, self.per_page, self.most_results) < 1:
            raise UsageError("a quota below 1", "leave it at its default if it is not known")


@dataclass(frozen=True)
class Plan:
    """searches, calls: of the API. days: until both quotas have allowed them. short: wanted beyond `most_results`."""

    queries: int
    channels: int
    videos: int
    searches: int
    calls: int
    days: float
    hours: float
    bytes: float
    short: int
    groups: dict[str, dict[str, int]]  # category, language, country -> value -> videos

    def as_row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def plan(sources: Sequence[Source], api: SearchApi) -> Plan:
    """What these sources take. A query that does not say how many videos it wants takes one page.

    Every video found is also looked up once, for its length, licence and language.
    """
    searches = calls = videos = short = 0
    groups: dict[str, dict[str, int]] = {name: {} for name in GROUPS}
    for source in sources:
        wanted = source.videos or api.per_page
        if source.kind == "query":
            short += max(0, wanted - api.most_results)
            wanted = min(wanted, api.most_results)
            searches += math.ceil(wanted / api.per_page)
        else:
            calls += math.ceil(wanted / api.per_page)
        videos += wanted
        for name in GROUPS:
            value = getattr(source, name) or "not said"
            groups[name][value] = groups[name].get(value, 0) + wanted
    calls += math.ceil(videos / api.per_page)
    seconds = videos * api.seconds
    return Plan(
        queries=sum(source.kind == "query" for source in sources),
        channels=sum(source.kind == "channel" for source in sources),
        videos=videos,
        searches=searches,
        calls=calls,
        days=max(searches / api.searches_per_day, calls / api.calls_per_day),
        hours=seconds / 3600,
        bytes=seconds * api.megabits * 1e6 / 8,
        short=short,
        groups=groups,
    )
