"""Everything that is known of one video or clip: where it lies, what was computed or failed, which subsets hold it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.errors import StoreError, nearest
from internvideo.records import Clip
from internvideo.store import views
from internvideo.store.ledger import Ledger
from internvideo.store.lookup import Meant
from internvideo.store.places import PLACES
from internvideo.store.reading import ShardCache, read_rows
from internvideo.store.results import State
from internvideo.store.schema_text import is_scalar
from internvideo.store.values import JSON, SPAN_KEY, WHOLE, OperatorSpec

SHOWN_ROWS = 20  # per operator


@dataclass(frozen=True)
class OperatorAnswer:
    """What one operator said."""

    name: str
    key: str
    state: State
    values: list[dict[str, JSON]] = field(default_factory=list)  # of this clip or video, scalar columns, at most 20


@dataclass(frozen=True)
class Why:
    """The answer to `internvideo dataset why`."""

    video: str  # "" for a file that could not be identified
    clip: Clip | None
    places: list[dict[str, JSON]]  # rows of `places`: place, bytes, source, licence ...
    withheld: str | None  # the reason
    failure: tuple[str, str] | None  # kind and message of a file that could not be identified
    operators: list[OperatorAnswer]
    clip_sets: dict[str, int]  # clips of this video in each; for a clip: 1 or 0
    views: dict[str, int]  # the same for the named subsets
    clips: list[str]  # names of the video's clips, in order; for a clip: only itself


class Asker:
    """Answers one question from one state of the folder."""

    def __init__(
        self, folder: Path, ledger: Ledger, specs: Mapping[str, OperatorSpec], count: int, cache: ShardCache
    ) -> None:
        self._folder, self._ledger, self._specs, self._count, self._cache = folder, ledger, specs, count, cache

    def why(self, meant: Meant, withheld: Mapping[str, str]) -> Why:
        """Raises StoreError if the clip is in no clip set; the hint names the video's nearest one."""
        video = meant.video
        if not video:
            return Why("", None, [], None, meant.failure, [], {}, {}, [])
        rows = {name: self._rows(spec, video) for name, spec in self._specs.items()}
        sets = {name: rows[name] for name, spec in self._specs.items() if spec.segmenter}
        clip = meant.clip or (None if meant.seconds is None else _at(sets, meant.seconds))
        spans = {tuple(row.values()) for table in sets.values() for row in table.select(SPAN_KEY.names).to_pylist()}
        named = [Clip(*span).name for span in sorted(spans)]
        if meant.seconds is not None and clip is None:
            raise StoreError(f"no clip of {video[:12]} holds second {meant.seconds:g}", _times(sets))
        if clip is not None and clip.name not in named:
            raise StoreError(f"no clip set has `{clip.name}`", nearest(clip.name, named))
        selected = {name: _of(views.load(self._folder, name)[0], video, clip) for name in views.names(self._folder)}
        return Why(
            video=video,
            clip=clip,
            places=_scalars(rows.get(PLACES.name, PLACES.schema.empty_table())),
            withheld=withheld.get(video),
            failure=None,
            operators=[self._answer(spec, rows[name], video, clip) for name, spec in sorted(self._specs.items())],
            clip_sets={name: _of(table, video, clip).num_rows for name, table in sorted(sets.items())},
            views={name: table.num_rows for name, table in selected.items()},
            clips=named if clip is None else [clip.name],
        )

    def _rows(self, spec: OperatorSpec, video: str) -> pa.Table:
        folder = self._folder / "values" / spec.name / spec.key
        return read_rows(folder, spec, self._count, [video], cache=self._cache)

    def _answer(self, spec: OperatorSpec, rows: pa.Table, video: str, clip: Clip | None) -> OperatorAnswer:
        number = self._ledger.operator_id(spec.name, spec.key)
        subject = WHOLE if spec.grain == "dataset" else video
        sql = "SELECT state, input, rows, kind, message, attempts FROM status WHERE operator = ? AND video = ?"
        found = self._ledger.ask(sql, (number, subject))
        state = State.of(found[0]) if found else State("not tried" if self._fails(video) else "due")
        of_clip = "start" in spec.keys
        if of_clip and clip is None:
            return OperatorAnswer(spec.name, spec.key, state)  # a video has too many
        return OperatorAnswer(spec.name, spec.key, state, _scalars(_of(rows, video, clip if of_clip else None)))

    def _fails(self, video: str) -> bool:
        """Whether some operator gave up on it: then those that read its rows wait, and nobody says they are due."""
        sql = "SELECT count(*) FROM status WHERE video = ? AND state IN ('failed', 'quarantined')"
        return self._ledger.number(sql, (video,)) > 0


def _of(rows: pa.Table, video: str, clip: Clip | None) -> pa.Table:
    chosen = pc.equal(rows["video"], video)
    if clip is not None:
        for key in ("stream", "start", "end"):
            chosen = pc.and_(chosen, pc.equal(rows[key], getattr(clip, key)))
    return rows.filter(chosen)


def _scalars(rows: pa.Table) -> list[dict[str, JSON]]:
    hidden = {*SPAN_KEY.names, "input"}
    names = [field.name for field in rows.schema if is_scalar(field.type) and field.name not in hidden]
    return [dict(row) for row in rows.slice(0, SHOWN_ROWS).select(names).to_pylist()]


def _at(sets: Mapping[str, pa.Table], seconds: float) -> Clip | None:
    """The clip that holds a moment, of the first clip set that knows seconds."""
    for _, table in sorted(sets.items()):
        for row in table.to_pylist():
            start, end = row.get("start_seconds"), row.get("end_seconds")
            if start is not None and end is not None and start <= seconds < end:
                return Clip(row["video"], row["stream"], row["start"], row["end"])
    return None


def _times(sets: Mapping[str, pa.Table]) -> str:
    ends = [
        end
        for table in sets.values()
        if "end_seconds" in table.schema.names
        for end in table["end_seconds"].to_pylist()
    ]
    return f"its last clip ends at {max(ends):.2f} s" if ends else "it has no clips with times in seconds"
