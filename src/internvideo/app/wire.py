"""What goes over the wire: requests and answers as types, so that the OpenAPI page tells all of it."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from internvideo.records import Span
from internvideo.search.filters import Filters

SECONDS = 10_000_000.0  # longer films do not exist


def _without_zeros(text: str) -> str:
    """JSON can hold the character zero; names and words cannot."""
    if "\0" in text:
        raise ValueError("text with a zero character")
    return text


Text = Annotated[str, Field(max_length=2_000), AfterValidator(_without_zeros)]
Name = Annotated[str, Field(max_length=300), AfterValidator(_without_zeros)]
Second = Annotated[float, Field(ge=-SECONDS, le=SECONDS, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorBody(BaseModel):
    """Every error: what kind, what went wrong, how to mend it."""

    kind: str
    problem: str
    hint: str = ""


class Stretch(Body):
    """Some seconds of a video, by its id."""

    video: Name
    start: Second
    end: Second

    def span(self) -> Span:
        return Span(self.start, max(self.end, self.start + 1e-3))


class FilterBody(Body):
    folder: Name = ""
    since: Annotated[str, Field(max_length=10)] = ""
    until: Annotated[str, Field(max_length=10)] = ""
    min_seconds: Annotated[float, Field(ge=0, le=SECONDS, allow_inf_nan=False)] = 0.0
    max_seconds: Annotated[float, Field(ge=0, le=SECONDS, allow_inf_nan=False)] | None = None
    language: Name = ""
    licence: Name = ""
    where: Annotated[list[Name], Field(max_length=16)] = []

    def filters(self) -> Filters:
        most = math.inf if self.max_seconds is None else self.max_seconds
        return Filters(
            folder=self.folder,
            since=self.since,
            until=self.until,
            seconds=(self.min_seconds, most),
            language=self.language,
            licence=self.licence,
            where=tuple(self.where),
        )


class SearchBody(Body):
    """Words, or a stretch of a video as an example; and what to leave out."""

    text: Text = ""
    like: Stretch | None = None
    filters: FilterBody = FilterBody()
    top: Annotated[int, Field(ge=1, le=500)] = 24
    cut_off: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    nearest: bool = True


class TimelineBody(SearchBody):
    video: Name


class HitBody(BaseModel):
    clip: str
    video: str
    name: str
    path: str | None
    start: float
    end: float
    score: float
    why: dict[str, Any]


class AnswerBody(BaseModel):
    relevant: bool
    hits: list[HitBody]
    nearest: list[HitBody] = []
    by: list[str]
    calibrated: bool
    moments: int
    seconds: float
    notes: list[str] = []


class ClassifyBody(Body):
    video: Name
    labels: Annotated[list[Name], Field(min_length=2, max_length=100)]
    seconds: Annotated[float, Field(gt=0.05, le=SECONDS, allow_inf_nan=False)] | None = 4.0


class FeaturesBody(Body):
    """Either text or a video, with or without a stretch of it."""

    text: Text = ""
    video: Name = ""
    start: Second | None = None
    end: Second | None = None


class RangeBody(Body):
    column: Name
    low: Number | None = None
    high: Number | None = None


class CountBody(Body):
    view: Name | None = None
    ranges: Annotated[list[RangeBody], Field(max_length=64)] = []
    border: Name | None = None


class ListBody(CountBody):
    sort: Name = ""
    down: bool = False
    first: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    count: Annotated[int, Field(ge=1, le=200)] = 24


class VerdictBody(Body):
    clip: Name
    verdict: Literal["keep", "drop", "bad caption", "bad cut", "unsure"]
    view: Name | None = None
