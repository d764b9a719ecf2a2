"""All measures, the dense pass that counts them, and how their series are joined and sent.

`MEASURES` is the list. A pass over a whole video and passes over its pieces, joined, give the same series.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from internvideo.curation.measure import Measure, Numbers
from internvideo.curation.operator import Series
from internvideo.curation.score_measures import SCORE_MEASURES
from internvideo.errors import pick
from internvideo.ops.hashing import frame_hash
from internvideo.video import pixels
from internvideo.video.picture import Picture

__all__ = ["MEASURES", "DensePass", "Measure", "concatenate", "series_from_bytes", "series_to_bytes"]

GLIMPSE, GLIMPSE_SECONDS = (18, 32), 2.0
HELD_BYTES = 24 << 20  # decoded frames that wait to be measured
HELD_FRAMES = 16
_ROWS = 4096  # rows that are kept as Python numbers before they become arrays


def _clock(picture: Picture, before: Picture | None) -> Numbers:
    """For how many ticks the file says that the frame is shown; 0 if it does not say."""
    return (picture.frame.duration or 0,)


def _change(picture: Picture, before: Picture | None) -> Numbers:
    """Mean |difference| to the frame before of hue (in half degrees, not around the circle), saturation and value.

    NaN for the first frame. Where the size of the picture changes, the frame before is sampled in the new size.
    """
    if before is None:
        return (np.nan, np.nan, np.nan)
    now, then = picture.hsv, before.hsv
    if now.shape != then.shape:
        then = pixels.nearest(then, now.shape[1:])
    return tuple(pixels.means(pixels.distances(now, then)).tolist())


def _brightness(picture: Picture, before: Picture | None) -> Numbers:
    """Mean of all R, G and B values."""
    return (float(pixels.means(picture.small.reshape(1, -1, 1))[0]),)


def _glimpse(picture: Picture, before: Picture | None) -> Numbers:
    """Hue, saturation and value at 18 x 32 points: enough to compare frames that are seconds apart."""
    return (pixels.nearest(picture.hsv, GLIMPSE).reshape(-1),)


def _hash(picture: Picture, before: Picture | None) -> Numbers:
    """Perceptual hash of the picture and how much there is to see in it, see `ops.hashing`."""
    return frame_hash(picture.luma)


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("clock", ("duration",), 0.0, 1, _clock, ("i8",)),
        Measure("change", ("hue", "saturation", "value"), 0.0, 1, _change),
        Measure("brightness", ("level",), 0.0, 1, _brightness),
        Measure("glimpse", ("hsv",), GLIMPSE_SECONDS, 1, _glimpse, (f"({3 * GLIMPSE[0] * GLIMPSE[1]},)u1",)),
        Measure("hash", ("words", "quality"), 0.25, 1, _hash, ("(4,)u8", "u1")),
        *(Measure(name, *facts) for name, facts in SCORE_MEASURES.items()),
    )
}


def held_frames(picture: Picture) -> int:
    """How many decoded frames like this one are kept and then measured together."""
    size = picture.frame.width * picture.frame.height * 3 // 2
    return max(1, min(HELD_FRAMES, HELD_BYTES // max(size, 1)))


class DensePass:
    """Looks at the frames of a video one after the other: `feed` each, then take the `result`.

    names: of `MEASURES`. continues: the first frame fed belongs to the piece before and only serves as the one before
    the next. Frames are measured some at a time, while the working arrays are in the cache: that takes half the time.
    """

    def __init__(self, names: Iterable[str], *, continues: bool = False) -> None:
        self._measures = [pick(MEASURES, name, "measure") for name in sorted(set(names))]
        self._ticks: dict[str, list[int]] = {measure.name: [] for measure in self._measures}
        self._rows: dict[str, list[Numbers]] = {measure.name: [] for measure in self._measures}
        self._done: dict[str, list[Series]] = {measure.name: [] for measure in self._measures}
        self._waiting: list[Picture] = []
        self._before: Picture | None = None
        self._skip_first = continues

    def feed(self, picture: Picture) -> None:
        """The next frame in presentation order."""
        if self._skip_first:
            self._before, self._skip_first = picture, False
            return
        self._waiting.append(picture)
        if len(self._waiting) >= held_frames(picture):
            self._measure_waiting()

    def result(self) -> dict[str, Series]:
        """The series of each measure, by name."""
        self._measure_waiting()
        for measure in self._measures:
            self._pack(measure)
        return {measure.name: _joined(self._done[measure.name]) for measure in self._measures}

    def _measure_waiting(self) -> None:
        for picture in self._waiting:
            for measure in self._measures:
                if measure.samples(picture, self._before):
                    self._ticks[measure.name].append(picture.tick)
                    self._rows[measure.name].append(measure.measure(picture, self._before))
            self._before = picture
        self._waiting.clear()
        for measure in self._measures:
            if len(self._rows[measure.name]) >= _ROWS:
                self._pack(measure)

    def _pack(self, measure: Measure) -> None:
        ticks, rows = self._ticks[measure.name], self._rows[measure.name]
        columns = {name: measure.column(name, rows) for name in measure.columns}
        self._done[measure.name].append(Series(np.array(ticks, np.int64), columns))
        ticks.clear()
        rows.clear()


def concatenate(pieces: Sequence[Mapping[str, Series]]) -> dict[str, Series]:
    """Series of consecutive pieces of one video, joined."""
    return {name: _joined([piece[name] for piece in pieces]) for name in (pieces[0] if pieces else ())}


def _joined(parts: Sequence[Series]) -> Series:
    ticks = np.concatenate([part.ticks for part in parts])
    return Series(ticks, {n: np.concatenate([part.columns[n] for part in parts]) for n in parts[0].columns})


def series_to_bytes(series: Mapping[str, Series]) -> bytes:
    """An Arrow stream of one row: a list per column. `series_from_bytes` gives back equal series."""
    arrays, fields = [], []
    for name, one in series.items():
        for column, values in (("", one.ticks), *one.columns.items()):
            flat = pa.array(values.ravel())
            arrays.append(pa.LargeListArray.from_arrays(pa.array([0, len(flat)], pa.int64()), flat))
            shape = ",".join(str(size) for size in values.shape)
            fields.append(pa.field(f"{name}/{column}", arrays[-1].type, metadata={"shape": shape}))
    batch = pa.record_batch(arrays, schema=pa.schema(fields))
    options = pa.ipc.IpcWriteOptions(compression="zstd" if pa.Codec.is_available("zstd") else None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


def series_from_bytes(data: bytes) -> dict[str, Series]:
    """The reverse of `series_to_bytes`. The arrays cannot be written to."""
    batch = pa.ipc.open_stream(data).read_next_batch()
    found: dict[str, dict[str, np.ndarray]] = {}
    for field, lists in zip(batch.schema, batch.columns, strict=True):
        name, _, column = field.name.partition("/")
        shape = [int(size) for size in field.metadata[b"shape"].split(b",")]
        found.setdefault(name, {})[column] = lists.flatten().to_numpy().reshape(shape)
    return {name: Series(columns.pop(""), columns) for name, columns in found.items()}
