"""Features of whole videos: one array per video, and beside it a JSON that says what each row is.

Row i of an array is window i, (rows, D), as heads like ActionFormer read it; its time is in the JSON. A folder holds
features of one setting only. Arrays appear whole or not at all. A run that was killed goes on where it stopped, in the
middle of a video: at most what was being computed, a window per lane or the batches at hand, is computed again.
"""

import glob
import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor, nn

from internvideo.curation.scan import Found
from internvideo.errors import ChangedVideo, UsageError, VideoError
from internvideo.jobs.lanes import each_video
from internvideo.jobs.named_videos import find_videos
from internvideo.jobs.prepare import card_of, device_of
from internvideo.jobs.shared_batches import SharedBatches
from internvideo.models.internvideo_mm import InternVideoMM
from internvideo.models.uniformerv2 import UniFormerV2
from internvideo.models.viclip import ViCLIP, ViCLIPClassifier
from internvideo.models.videomae import VideoMAE, VideoMAEClassifier
from internvideo.records import Preprocess
from internvideo.store.durable import sync_folder, write_atomic
from internvideo.store.faults import told
from internvideo.store.lock import WriterLock
from internvideo.video.clips import choose_frames, clips_of
from internvideo.video.reader import Video, open_video
from internvideo.video.sampling import middle

SETTINGS = "features.json"  # of all in the folder; those of one video end in .npy.json
WORDS = {"numbers": "precision or device", "tokens": "kind (pooled or dense)"}  # settings, as people say them
NAME_BYTES = 180  # of a file name, before its suffixes


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Where rows come from. A window is `window` frames, a row begins every `stride` frames; incomplete windows at the
    end are left out, but a shorter video gives one row. Of each window the network sees its own number of frames,
    spread evenly.

    window: None for as many as the network sees. stride: None for `window`. fps: frames are counted at this rate, None
    for the video's own. whole: one row per video, by the frame policy of the weights; nothing else counts then.
    """

    window: int | None = None
    stride: int | None = None
    fps: float | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        for name in ("window", "stride", "fps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"{name} must be over 0, got {value}", f"for example --{name} 16")
            if value is not None and self.whole:
                raise UsageError(f"--whole makes one row per video: there is no {name}", f"leave --{name} out")

    def grid(self, video: Video, how: Preprocess) -> "Grid":
        """The windows of one video."""
        ticks, base = video.ticks, float(video.time_base)
        step = int(np.diff(ticks)[-1:].sum()) or 1
        edges = np.append(ticks, ticks[-1] + step) * base  # frame i is shown from edges[i] to edges[i + 1]
        seconds = float(edges[-1] - edges[0])
        if self.whole:
            middle_second = round(float(edges[0] + seconds / 2), 6)
            return Grid([choose_frames(video, how)], [middle_second], len(ticks) / seconds, 0, 0, seconds)
        frames, fps = np.arange(len(ticks)), len(ticks) / seconds
        if self.fps is not None:
            fps = self.fps
            centres = edges[0] + (np.arange(max(1, round(seconds * fps))) + 0.5) / fps
            frames = np.searchsorted(edges[:-1], np.minimum(centres, edges[-1]), side="right") - 1
            edges = edges[0] + np.arange(len(frames) + 1) / fps
        window = self.window or how.frame_count
        stride = self.stride or window
        starts = range(0, max(len(frames) - window, 0) + 1, stride)
        length = min(window, len(frames))
        inside = middle(length, how.frame_count)
        windows = [[int(frames[start + place]) for place in inside] for start in starts]
        times = [round(float(edges[start] + edges[start + length]) / 2, 6) for start in starts]
        return Grid(windows, times, fps, window, stride, seconds)


@dataclass(frozen=True)
class Grid:
    """The windows of one video: frame numbers and middle second of each; window and stride in frames at `fps`."""

    windows: list[list[int]]
    times: list[float]
    fps: float
    window: int
    stride: int
    seconds: float  # of the whole video


@dataclass(frozen=True)
class Written:
    """What became of one video: `path` of its array with `rows`; `new` if this run made it; or `problem`."""

    video: str
    path: Path | None = None
    rows: int = 0
    new: bool = False
    problem: VideoError | None = None

    def as_row(self) -> dict[str, object]:
        """For JSON."""
        if self.problem is not None:
            return {"video": self.video, "failed": self.problem.kind, "problem": self.problem.problem}
        return {"video": self.video, "array": str(self.path), "rows": self.rows, "new": self.new}


def features(
    videos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    model: nn.Module,
    *,
    windows: Windows | None = None,
    dense: bool = False,
) -> list[Written]:
    """Write the features of files, folders or patterns to the folder `out`; broken videos have a `problem`.

    dense: every token instead of one vector per window, (rows, tokens, D). What is there and unchanged is not made
    again. Raises UsageError where `out` holds features of other settings, StoreError if it cannot be written.
    """
    places = find_videos([videos] if isinstance(videos, str | os.PathLike) else videos)
    return list(each_written(places, out, model, windows=windows, dense=dense))


def each_written(
    places: Sequence[Found],
    out: str | os.PathLike[str],
    model: nn.Module,
    *,
    windows: Windows | None = None,
    dense: bool = False,
    lanes: int | None = None,
    batch: int | None = None,
) -> Iterator[Written]:
    """`features`, video by video, in order. batch: see `SharedBatches`."""
    windows, folder = windows or Windows(), Path(out)
    settings = settings_of(model, windows, dense)
    _claim(folder, settings)
    network = _tokens(model) if dense else _pooled(model)
    batches = SharedBatches(network, device_of(model), batch)
    work = _Work(folder, settings, windows, card_of(model).preprocess, batches)
    items = list(zip(places, names_of(places), strict=True))
    with WriterLock(folder):
        for (place, _), given in each_video(items, work, lanes, batches):
            yield Written(place.name, problem=given) if isinstance(given, VideoError) else given


def settings_of(model: nn.Module, windows: Windows, dense: bool) -> dict[str, Any]:
    """All that numbers depend on beside the video, and what may be done with them."""
    card = card_of(model)
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in (*model.parameters(), *model.buffers())}
    layers = {type(part).__name__ for part in model.modules() if "Linear" in type(part).__name__}  # quantised or not
    asked = replace(windows, window=windows.window or (None if windows.whole else card.preprocess.frame_count))
    settings = {
        "model": card.name,
        "weights": card.weights,
        "source": card.source,
        "licence": asdict(card.licence),
        "preprocessing": asdict(card.preprocess),
        "windows": asdict(asked),
        "tokens": "all" if dense else "one",
        "numbers": {"weights": sorted(kinds), "layers": sorted(layers), "device": device_of(model).type},
        "decoder": f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}",
    }
    plain: dict[str, Any] = json.loads(_json(settings))  # as it comes back from a file: lists for tuples
    return plain


def names_of(places: Sequence[Found]) -> list[str]:
    """A name for the array of each video, without `.npy`: its path below the folder given, without suffix.

    Where two would be the same (also on file systems that know no capitals), those keep the suffix, then get the name
    of the folder given, then a hash of the whole path. Bytes that are not safe everywhere are written as %XX.
    """
    stems = []
    for place in places:
        relative, folder = (os.fsdecode(name) for name in (place.relative, place.root))
        long = _safe(f"{PurePath(folder).name}/{relative}")
        hashed = f"{long}-{hashlib.sha256(place.path).hexdigest()[:8]}"
        stems.append((_safe(str(PurePosixPath(relative).with_suffix(""))), _safe(relative), long, hashed))
    level = [0] * len(places)
    for _ in range(3):
        names = [choices[at].casefold() for choices, at in zip(stems, level, strict=True)]
        count = Counter(names)
        level = [at + (count[name] > 1) for at, name in zip(level, names, strict=True)]
    return [choices[at] for choices, at in zip(stems, level, strict=True)]


def _safe(relative: str) -> str:
    """
    >>> _safe("a b/caf\\udce9: 1.")
    'a b/caf%E9%3A 1%2E'
    """
    parts = []
    for part in relative.split("/"):
        kept = [c if c.isprintable() and c not in '%<>:"|?*\\' else _percent(c) for c in part]
        if kept and kept[-1] in ". ":
            kept[-1] = _percent(kept[-1])
        name = "".join(kept)
        if len(name.encode()) > NAME_BYTES:
            cut = name.encode()[: NAME_BYTES - 17].decode("utf-8", "ignore")
            name = f"{cut}-{hashlib.sha256(part.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
        parts.append(name)
    return "/".join(parts)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Make `folder` the place of these settings, or see that it is. Raises UsageError where it is not."""
    path = folder / SETTINGS
    try:
        there = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        with told("create", folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, _json(settings))
        return
    except (OSError, ValueError) as error:
        raise UsageError(f"`{path}` cannot be read ({error})", "choose another folder with --out") from error
    other = [name for name in settings if not isinstance(there, dict) or there.get(name) != settings[name]]
    if other:
        raise UsageError(
            f"`{folder}` holds features of another {' and '.join(WORDS.get(name, name) for name in other)}",
            "choose another folder with --out: one folder holds one kind of features",
        )


@dataclass(frozen=True)
class _Work:
    """Makes the array and the JSON of one video."""

    folder: Path
    settings: dict[str, Any]
    windows: Windows
    how: Preprocess
    batches: SharedBatches

    def __call__(self, item: tuple[Found, str], check: Callable[[], None]) -> Written:
        place, name = item
        if place.problem is not None:
            raise place.problem
        path = self.folder / f"{name}.npy"
        about = {"video": place.name, "bytes": place.stat[0], "mtime_ns": place.stat[1], **self.settings}
        rows = _done(path, about)
        if rows is not None:
            return Written(place.name, path, rows)
        with open_video(place.path) as video:
            grid = self.windows.grid(video, self.how)
            key = hashlib.sha256(_json([about, grid.windows])).hexdigest()[:16]
            with _Part(path, key, len(grid.windows)) as part:
                for row in self.batches(clips_of(video, grid.windows[part.rows :], self.how)):
                    part.add(row)
                    check()
                if place.now().stat != place.stat:
                    raise ChangedVideo(f"`{place.name}` changed while it was read", "run the command again")
                shape = part.finish()
        facts = {name: getattr(grid, name) for name in ("fps", "window", "stride", "seconds", "times")}
        write_atomic(_beside(path), _json({**about, "array": path.name, "shape": shape, **facts}))
        return Written(place.name, path, shape[0], new=True)


class _Part:
    """An array on its way to `path`: rows go to a file beside it, which is renamed when it is complete.

    Whole rows that a killed run with the same `key` left are taken over: `rows` is how many are there.
    """

    def __init__(self, path: Path, key: str, total: int) -> None:
        self._path, self._total = path, total
        self._part = path.with_name(f"{path.name}.{key}.part")
        self._shape: tuple[int, ...] = ()
        self.rows = 0

    def __enter__(self) -> "_Part":
        with told("write", self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            for other in self._path.parent.glob(f"{glob.escape(self._path.name)}.*.part"):
                if other != self._part:
                    other.unlink()
            self._file = self._part.open("r+b" if self._part.exists() else "w+b")
            self._take_over()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, row: np.ndarray) -> None:
        """One more row: float32, of the same shape as the others. It is on the disk when this returns."""
        with told("write", self._path):
            if not self._shape:
                self._shape = (self._total, *row.shape)
                head = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
                np.lib.format.write_array_header_1_0(self._file, head)
            self._file.write(np.asarray(row, "<f4").tobytes())
            self._file.flush()
            os.fsync(self._file.fileno())
        self.rows += 1

    def finish(self) -> tuple[int, ...]:
        """Put the array in its place; its shape."""
        with told("write", self._path):
            self._file.close()
            self._part.replace(self._path)
            sync_folder(self._path.parent)
        return self._shape

    def _take_over(self) -> None:
        try:
            np.lib.format.read_magic(self._file)
            shape, _, kind = np.lib.format.read_array_header_1_0(self._file)
        except (ValueError, EOFError):
            shape, kind = (), np.dtype("<f4")
        if len(shape) > 1 and shape[0] == self._total:
            begin, width = self._file.tell(), math.prod(shape[1:]) * kind.itemsize
            self._shape, self.rows = shape, min((self._part.stat().st_size - begin) // width, self._total)
            self._file.seek(begin + self.rows * width)
        else:
            self._file.seek(0)
        self._file.truncate()


def _done(path: Path, about: dict[str, Any]) -> int | None:
    """How many rows there are, if the array is there and was made from the same file with the same settings."""
    try:
        record = json.loads(_beside(path).read_text("utf-8", "surrogateescape"))
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError):
        return None
    same = isinstance(record, dict) and all(record.get(name) == value for name, value in about.items())
    return shape[0] if same and list(shape) == record.get("shape") else None


def _beside(path: Path) -> Path:
    """The JSON of an array."""
    return path.with_name(path.name + ".json")


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")


def _pooled(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """(B, C, T, H, W) -> (B, D): what a head of this network reads."""
    if isinstance(model, VideoMAE):
        return lambda video: _all_cubes(model, video).mean(1)
    if hasattr(model, "encode_video"):
        network: Callable[[Tensor], Tensor] = model.encode_video  # type: ignore[assignment]
        return network
    raise UsageError(f"`{card_of(model).name}` gives no features", "`internvideo models list` shows those that do")


def _tokens(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """(B, C, T, H, W) -> (B, N, D): all tokens after the last block, in the order that the network's file states."""
    if isinstance(model, ViCLIP | ViCLIPClassifier):
        return model.video.tokens
    if isinstance(model, VideoMAEClassifier):
        return model.tokens
    if isinstance(model, VideoMAE):
        return lambda video: _all_cubes(model, video)
    if isinstance(model, InternVideoMM):
        return lambda video: model.video_feature(video)[1].flatten(1, 2)
    if isinstance(model, UniFormerV2):
        return lambda video: model.frames(video)[1].flatten(1, 2)
    raise UsageError(f"`{card_of(model).name}` gives one vector per clip only", "leave --dense out")


def _all_cubes(model: VideoMAE, video: Tensor) -> Tensor:
    """The pre-trained encoder with nothing hidden."""
    count = math.prod(model.encoder.patches.grid(video))
    return model.encode(video, torch.arange(count, device=video.device).expand(len(video), -1))
