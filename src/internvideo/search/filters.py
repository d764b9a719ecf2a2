"""Which moments may be found at all: by folder, date, length, language, licence and scores."""

import datetime
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from internvideo.errors import UsageError, nearest
from internvideo.search.moments import Moments, VideoFacts

COMPARISON = re.compile(r"\s*([a-z_][a-z0-9_]*)\s*(<=|>=|!=|<|>|=)\s*(.+?)\s*")
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Filters:
    """folder: parts of the path that follow each other. since, until: days, YYYY-MM-DD; of the upload where a sidecar
    says so, else of the file. seconds: least and most length of a moment. where: comparisons with a column of the
    joined table, such as `motion_score>=0.2`."""

    folder: str = ""
    since: str = ""
    until: str = ""
    seconds: tuple[float, float] = (0.0, float("inf"))
    language: str = ""
    licence: str = ""
    where: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for day in (self.since, self.until):
            if day and not _is_day(day):
                raise UsageError(f"`{day}` is no day", "write it like 2024-05-31")
        for rule in self.where:
            if not COMPARISON.fullmatch(rule):
                raise UsageError(f"`{rule}` is no comparison", "write it like `motion_score>=0.2`")

    def allowed(self, moments: Moments) -> np.ndarray | None:
        """(N,) bool, or None if nothing is asked. Raises UsageError for an unknown column."""
        if self == Filters():
            return None
        videos = np.array([self._video(one) for one in moments.videos] + [False])
        length = moments.end - moments.start
        allowed = videos[moments.video] & (length >= self.seconds[0]) & (length <= self.seconds[1])
        for rule in self.where:
            allowed &= _compared(moments, rule)
        return np.asarray(allowed)

    def _video(self, facts: VideoFacts) -> bool:
        if self.folder:
            parts = f"/{facts.root}/{facts.name}".replace("\\", "/")
            if f"/{self.folder.strip('/')}/" not in parts.replace("//", "/"):
                return False
        if self.language and not facts.language.lower().startswith(self.language.lower()):
            return False
        if self.licence and self.licence.lower() not in facts.licence.lower():
            return False
        return self._dated(facts)

    def _dated(self, facts: VideoFacts) -> bool:
        if not self.since and not self.until:
            return True
        day = facts.upload_date
        if not day and facts.path is not None:
            try:
                day = datetime.date.fromtimestamp(facts.path.stat().st_mtime).isoformat()
            except OSError:
                return False
        return bool(day) and (not self.since or day >= self.since) and (not self.until or day <= self.until)


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _compared(moments: Moments, rule: str) -> np.ndarray:
    found = COMPARISON.fullmatch(rule)
    assert found is not None
    name, sign, text = found.groups()
    values, known = moments.column(name)
    if not known:
        raise UsageError(f"no column `{name}` in this dataset", nearest(name, moments.columns()))
    try:
        wanted: object = float(text)
    except ValueError:
        wanted = {"true": True, "false": False}.get(text.lower(), text)
    compare = COMPARE[sign]
    try:
        return np.array([value is not None and bool(compare(value, wanted)) for value in values], bool)
    except TypeError:
        raise UsageError(f"`{rule}` compares text with a number", f"`{name}` holds values of another kind") from None
