"""Operators for what a video says of itself (`probe`) and what became of it when it was decoded (`decoding`)."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from internvideo.curation.operator import FrameRequest, Grain, Subject, video_rows

_TEXT = ("container", "codec", "profile", "pixel_format", "colour_range", "colour_matrix", "language", "title", "date")


@dataclass(frozen=True)
class Probe:
    """Facts from the headers and the first frame. Seconds are those of the picture stream, not of a longer sound."""

    name: str = "probe"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "video"
    needs: ClassVar[tuple[str, ...]] = ()
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("stream", pa.int16()),
            ("video_streams", pa.int16()),
            ("width", pa.int32()),  # as shown: after rotation
            ("height", pa.int32()),
            ("rotation", pa.int16()),  # degrees clockwise
            ("sample_aspect_ratio", pa.string()),
            ("fps", pa.float64()),  # average
            ("variable_frame_rate", pa.bool_()),
            ("time_base", pa.string()),
            ("seconds", pa.float64()),
            ("header_frames", pa.int64()),
            ("bit_rate", pa.int64()),
            ("sound_streams", pa.int16()),
            ("sound_codec", pa.string()),
            *((name, pa.string()) for name in _TEXT),
        ]
    )

    def process(self, subject: Subject) -> pa.Table:
        facts = {name: subject.facts.get(name) for name in self.columns.names}
        rate = subject.facts.get("average_fps")
        facts["fps"] = float(_fraction(rate)) if isinstance(rate, str) else None
        return video_rows(subject, self.columns, [facts])


@dataclass(frozen=True)
class Decoding:
    """How many frames the file promises, how many came out of the decoder, and what the decoder said."""

    name: str = "decoding"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "video"
    needs: ClassVar[tuple[str, ...]] = ()
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("clock",))
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("promised", pa.int64()),
            ("decoded", pa.int64()),
            ("missing", pa.int64()),
            ("first_tick", pa.int64()),
            ("last_tick", pa.int64()),
            ("message", pa.string()),
        ]
    )

    def process(self, subject: Subject) -> pa.Table:
        ticks = subject.series["clock"].ticks
        promised = int(subject.facts["frames_promised"])
        row = {
            "promised": promised,
            "decoded": len(ticks),
            "missing": max(0, promised - len(ticks)),
            "first_tick": int(ticks[0]),
            "last_tick": int(ticks[-1]),
            "message": subject.facts.get("decoder_message") or None,  # also where every frame came out
        }
        return video_rows(subject, self.columns, [row])


def _fraction(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)
