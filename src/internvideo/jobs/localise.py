"""`internvideo localise`: when does what happen in a video of yours, as a list, a timeline and a video.

Features are extracted with one network and read by a head that was trained on such features; or boxes of persons are
named by a head that reads pictures (`jobs.localise_boxes`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from internvideo.datasets.feature_folder import FeatureFolder
from internvideo.errors import UsageError, VideoError
from internvideo.jobs.choice import choose_model, say_model
from internvideo.jobs.features import Windows, features
from internvideo.jobs.localise_boxes import Keyframes, name_boxes
from internvideo.jobs.localise_video import COLOURS, Stretch, write_annotated
from internvideo.jobs.prepare import card_of
from internvideo.jobs.talk import columns, note
from internvideo.models.query_head import QueryHead
from internvideo.models.spatial_head import BoxReader
from internvideo.models.temporal_head import TemporalHead
from internvideo.ops.spans import Decoding
from internvideo.ops.suppression import Suppression
from internvideo.store.faults import told
from internvideo.tasks.queries import WINDOWS, word_ids
from internvideo.tasks.temporal import find_segments
from internvideo.video.reader import open_video

WIDTH, MARGIN, ROW, STRIP, FRAMES = 1200, 40, 26, 96, 8  # pixels; frames above the timeline


@dataclass(frozen=True)
class Segment:
    """A stretch of a video, in seconds, and what happens there."""

    start: float
    end: float
    label: str
    score: float


@dataclass(frozen=True)
class Located:
    """What was found in one video, best first."""

    video: str
    seconds: float
    segments: tuple[Segment, ...]
    picture: str = ""

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """A line per segment, in order of time."""
        rows = [
            (f"{each.start:8.2f} s", f"{each.end:8.2f} s", f"{each.score:.2f}", each.label)
            for each in sorted(self.segments, key=lambda each: each.start)
        ]
        return columns(rows) if rows else "nothing was found"


def localise(
    video: str,
    head: TemporalHead | QueryHead,
    model: Any,
    *,
    windows: Windows | None = None,
    labels: Sequence[str] = (),
    ask: str = "",
    top: int = 20,
    least: float = 0.1,
    picture: str = "",
    film: str = "",
) -> Located:
    """The best `top` segments of one video with a score of at least `least`. picture: file to draw the timeline into;
    film: a video file to draw them into. ask: what a head that reads words looks for.

    model: the network whose features the head was trained on; windows: as they were extracted then. Raises UsageError
    if the head reads other features, and a `VideoError` for a video that cannot be used.
    """
    reads = isinstance(head, QueryHead)
    if reads != bool(ask):
        raise UsageError(
            "this head looks for what it is asked" if reads else "this head reads no words",
            '--ask "a red circle moves left"' if reads else "leave --ask out, or --head-model actionformer-queries",
        )
    with TemporaryDirectory() as folder:
        (made,) = features(video, folder, model, windows=windows or Windows())
        if isinstance(made.problem, VideoError):
            raise made.problem
        with open_video(video) as opened:
            seconds = float(opened.seconds(len(opened) - 1)) + 1 / 30
        assert made.path is not None
        found = FeatureFolder(folder).read(made.path.stem, seconds)
    config = head.base.config if isinstance(head, QueryHead) else head.config
    if found.rows.shape[1] != config.channels:
        raise UsageError(
            f"the head reads {config.channels} channels, the features have {found.rows.shape[1]}",
            "--features-model must be the network that the head was trained with",
        )
    how = replace(WINDOWS, most=top) if reads else Suppression(most=top)
    words = word_ids([ask], head, card_of(head).family)[0] if isinstance(head, QueryHead) else None
    spans, scores, kinds = find_segments(head, found, seconds, Decoding(), how, words)
    names = [ask] if ask else list(labels) or [f"class {number}" for number in range(config.classes)]
    kept = [
        Segment(round(float(start), 3), round(float(end), 3), names[int(kind)], round(float(score), 4))
        for (start, end), score, kind in zip(spans, scores, kinds, strict=True)
        if score >= least
    ]
    located = Located(video, round(seconds, 3), tuple(kept), picture)
    if picture:
        draw_timeline(located, Path(picture))
    if film:
        stretches = [Stretch(each.start, each.end, each.label) for each in located.segments]
        write_annotated(video, Path(film), stretches=stretches)
    return located


def draw_timeline(located: Located, path: Path) -> None:
    """Frames of the video above, and a row per class with its segments; the more solid, the surer."""
    names = list(dict.fromkeys(each.label for each in located.segments))
    image = Image.new("RGB", (WIDTH, MARGIN + STRIP + 20 + ROW * max(len(names), 1) + MARGIN + 10), "#ffffff")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    left = MARGIN + (max(round(pen.textlength(name, font)) for name in names) + 12 if names else 0)
    scale = (WIDTH - MARGIN - left) / max(located.seconds, 1e-6)
    pen.text((MARGIN, 12), Path(located.video).name, "#16191d", ImageFont.load_default(18))
    _frames(image, located, left)
    top = MARGIN + STRIP + 20
    for row, name in enumerate(names):
        y = top + row * ROW
        pen.text((left - 10, y + ROW / 2), name, "#16191d", font, "rm")
        pen.rectangle((left, y + 3, WIDTH - MARGIN, y + ROW - 3), "#eef0f3")
        for each in sorted((one for one in located.segments if one.label == name), key=lambda one: one.score):
            colour = _faded(COLOURS[row % len(COLOURS)], each.score)
            first, last = left + each.start * scale, left + each.end * scale
            pen.rectangle((first, y + 3, max(last, first + 1), y + ROW - 3), colour)
    for mark in range(9):
        second = located.seconds * mark / 8
        x = left + second * scale
        pen.line((x, top + ROW * max(len(names), 1), x, top + ROW * max(len(names), 1) + 5), "#71777f")
        pen.text(
            (x, top + ROW * max(len(names), 1) + 8), f"{second:.1f} s", "#71777f", ImageFont.load_default(12), "ma"
        )
    with told("write", path):
        image.save(path)


def _frames(image: Image.Image, located: Located, left: int) -> None:
    with open_video(located.video) as video:
        pictures = video.frames(np.linspace(0, len(video) - 1, FRAMES).round().astype(int))
    width = (WIDTH - MARGIN - left) // FRAMES
    for place, picture in enumerate(pictures):
        small = Image.fromarray(picture)
        small.thumbnail((width - 4, STRIP))
        image.paste(small, (left + place * width, MARGIN + (STRIP - small.height) // 2))


def _faded(colour: str, share: float) -> str:
    """The colour over white, at least a third of it."""
    solid = max(share, 0.35)
    parts = [round(255 + (int(colour[i : i + 2], 16) - 255) * solid) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)


def run_localise(
    videos: Sequence[str],
    *,
    head: str,
    head_name: str,
    model: str | None,
    weights: str | None,
    windows: Windows,
    labels: Sequence[str] | Mapping[int, str] = (),
    ask: str = "",
    boxes: str = "",
    top: int = 20,
    least: float = 0.1,
    picture: str = "",
    film: str = "",
    device: str | None = None,
) -> tuple[list[Located | Keyframes], int]:
    """All videos, and the exit code: 1 if some cannot be used, 3 if none can."""
    reader = choose_model(head_name, head, device=device or "cpu")
    if not isinstance(reader, TemporalHead | QueryHead | BoxReader):
        raise UsageError(f"`{head_name}` finds nothing in videos", "--head-model actionformer-thumos14 and the like")
    network = None if isinstance(reader, BoxReader) else choose_model(model, weights, device=device)
    if network is not None:
        say_model(network)
    found: list[Located | Keyframes] = []
    failed = 0
    for number, video in enumerate(videos):
        drawn = [_numbered(path, number) if len(videos) > 1 else path for path in (picture, film)]
        try:
            if isinstance(reader, BoxReader):
                found.append(name_boxes(video, reader, boxes, labels=labels, least=least, film=drawn[1]))
            else:
                names = [labels[number] for number in sorted(labels)] if isinstance(labels, Mapping) else labels
                found.append(
                    localise(video, reader, network, windows=windows, labels=names, ask=ask, top=top, least=least,
                             picture=drawn[0], film=drawn[1])
                )  # fmt: skip
        except VideoError as problem:
            failed += 1
            note(f"failed ({problem.kind}): {video}: {problem.problem}")
    return found, 0 if not failed else 1 if found else 3


def _numbered(path: str, number: int) -> str:
    """
    >>> _numbered("a/line.png", 2), _numbered("", 2)
    ('a/line-2.png', '')
    """
    place = Path(path)
    return str(place.with_name(f"{place.stem}-{number}{place.suffix}")) if path else ""
