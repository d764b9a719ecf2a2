"""`internvideo localise` with a head over boxes: who does what at each keyframe of a video of yours."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from internvideo.datasets.ava import Persons, inside, read_ava, read_person_boxes
from internvideo.errors import UsageError
from internvideo.jobs.asking import Network
from internvideo.jobs.localise_video import Named, write_annotated
from internvideo.jobs.talk import columns, note
from internvideo.models.spatial_head import BoxReader
from internvideo.tasks.predictions import Boxes
from internvideo.tasks.spatial import SpatialLocalisation

WRITTEN = 3  # actions beside a box


@dataclass(frozen=True)
class Deed:
    """What is done in one box (x1, y1, x2, y2), in [0, 1], at one second."""

    second: float
    box: tuple[float, float, float, float]
    label: str
    score: float


@dataclass(frozen=True)
class Keyframes:
    """What was found in one video, keyframe by keyframe, the surest first."""

    video: str
    deeds: tuple[Deed, ...]
    film: str = ""

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """A line per box and action."""
        rows = [
            (f"{each.second:8.2f} s", " ".join(f"{side:.2f}" for side in each.box), f"{each.score:.2f}", each.label)
            for each in self.deeds
        ]
        return columns(rows) if rows else "nothing was found"


def name_boxes(
    video: str,
    head: BoxReader,
    boxes: str,
    *,
    labels: Sequence[str] | Mapping[int, str] = (),
    least: float = 0.1,
    film: str = "",
) -> Keyframes:
    """What persons in boxes do. boxes: file of them (AVA's CSV or a detector's JSON); film: a video file to draw into.

    labels: names of the classes in order, or by their numbers from 1: others are not told. Raises UsageError where the
    file has no boxes of this video, and a `VideoError` for a video that cannot be used.
    """
    if not boxes:
        raise UsageError("where are the persons?", "--boxes FILE of a person detector: docs/guides/localise.md")
    frames = _boxes_of(Path(video).stem, boxes)
    plain = [f"action {kind}" for kind in range(1, head.classes + 1)]
    names = dict(labels) if isinstance(labels, Mapping) else dict(enumerate(labels or plain, start=1))
    task = SpatialLocalisation(frames=frames, classes=names, paths={Path(video).stem: video})
    by_name = {frame.name: frame for frame in frames}
    deeds, shown = [], []
    asked = Network(head)
    for example in task.examples:
        frame = by_name[example.id]
        (found,) = task.predict(asked, [example])
        assert isinstance(found, Boxes)
        said: dict[tuple[float, ...], list[str]] = {tuple(box): [] for box in frame.boxes.tolist()}
        for row in (-found.scores).argsort(kind="stable"):
            score, box = float(found.scores[row]), tuple(found.boxes[row].tolist())
            if score >= least and int(found.labels[row]) in names:
                label = names[int(found.labels[row])]
                deeds.append(Deed(frame.second, box, label, round(score, 4)))
                said[box].append(f"{label} {score:.2f}")
        shown.append(Named(frame.second, frame.boxes, tuple(", ".join(each[:WRITTEN]) for each in said.values())))
    if film:
        write_annotated(video, Path(film), shown=shown)
    return Keyframes(video, tuple(deeds), film)


def _boxes_of(video: str, path: str) -> list[Persons]:
    """Keyframes of one video in order of time."""
    if path.endswith(".csv"):
        listed = read_ava(path)
    else:
        listed = []
        for name, (boxes, scores) in read_person_boxes(path).items():
            of, _, second = name.rpartition(",")
            listed.append(Persons(of, float(second), boxes, tuple(frozenset[int]() for _ in boxes), scores))
    frames, told = inside(frame for frame in listed if frame.video == video)
    for problem in told:
        note(problem)
    if not any(len(frame.boxes) for frame in frames):
        known = ", ".join(sorted({frame.video for frame in listed})[:5]) or "none"
        raise UsageError(f"`{path}` has no boxes of `{video}`", f"it has boxes of: {known}")
    return sorted(frames, key=lambda frame: frame.second)
