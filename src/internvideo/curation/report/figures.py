"""Which distributions the page shows, what each number is called, its unit, and what it means in plain words.

Knows the columns of the built-in operators; a column that it does not know is shown under its own name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.report.data import LENGTH, NEEDED, ReportData, Threshold

MOST_FIGURES = 24
LONG_FILM = 120.0  # seconds; films that are mostly longer are told in minutes
# Endings of columns that count or name something, and operators that tell of files and texts, not of how clips are.
_IDS = ("group", "cluster", "rank", "index", "item", "tick", "stream", "start", "end", "frames", "_seconds")
_NOT_SCORES = (
    "video_",
    "decoding_",
    "frame_hashes_",
    "packet_digest_",
    "sidecars_",
    "caption",
    "transcript_",
    "places_",
    "ranks_",
    "leaks_",
)


@dataclass(frozen=True, slots=True)
class Title:
    """How a number is told: its name, its unit ("" for a plain number), what it says, and what stands at its axis."""

    name: str
    unit: str = ""
    meaning: str = ""
    axis: str = "value"  # where there is no unit


@dataclass(frozen=True)
class Figure:
    """One distribution: values (N,) float64, NaN for missing, and which of them belong to what was kept.

    subject: what is counted, in plural. thresholds: what rules ask of this number, drawn as lines.
    """

    column: str
    title: Title
    values: np.ndarray
    kept: np.ndarray
    subject: str = "clips"
    thresholds: Sequence[Threshold] = ()
    whole: bool = False  # whole numbers only


def _share(name: str, meaning: str) -> Title:
    return Title(name, "", f"Share of {meaning}", "share, 0 to 1")


LENGTH_TITLE = Title("Clip length", "s", "From a clip's first frame to the end of its last.")
WORDS_TITLE = Title(
    "Words per caption",
    "words",
    "Of the caption that stands for a clip. In scripts without spaces each letter counts as a word.",
)
SOURCE_TITLE = Title("Source length", "s", "How long the films are that the clips come from.")
SIZE_TITLE = Title("Resolution", "px", "The shorter side of the picture, after rotation.")
SCORES = {  # in the order in which they are shown
    "motion_flow_mean": Title("Motion", "heights/s", "Mean speed of what moves, in picture heights per second."),
    "stillness_still_share": _share("Still share", "the clip's time in which nothing moves."),
    "exposure_luma_mean": Title("Brightness", "", "Mean luma, 0 black to 255 white.", "luma"),
    "sharpness_median": Title("Sharpness", "", "0 blurred to 1 sharp, judged at 256 pixels."),
    "match_cosine": Title(
        "Caption match", "", "Cosine of a clip and the caption that fits it best, by the network named."
    ),
    "aesthetic_mean": Title("Beauty", "", "Mean aesthetic score of a few frames, about 1 to 10."),
    "semantic_similarity": Title(
        "Likeness in meaning", "", "Cosine to the better clip that is most alike; `dataset similar` shows pairs."
    ),
    "text_area": _share("Writing", "the picture that writing covers."),
    "text_static": _share("Writing that stays", "the picture that writing covers in every frame: watermarks, logos."),
    "exposure_dark_share": _share("Dark pixels", "pixels that are nearly black."),
    "exposure_bright_share": _share("Bright pixels", "pixels that are nearly white."),
    "exposure_bad_frames": _share("Badly exposed frames", "frames with too many black or white pixels."),
    "colour_colourfulness": Title("Colourfulness", "", "0 without colour; 15 slight, 33 moderate, 59 much."),
    "colour_grey_share": _share("Grey pixels", "pixels without colour."),
    "colour_flat_frames": _share("Flat frames", "frames of nearly one colour."),
    "motion_flow_p90": Title("Fast motion", "heights/s", "Speed that a tenth of the picture exceeds."),
    "motion_camera_share": _share("Camera motion", "the motion that moving the camera explains."),
    "motion_difference_mean": Title("Change", "levels", "How much frames differ, in grey levels per 1/30 s."),
    "motion_difference_max": Title(
        "Largest change", "levels", "Between two frames; flashes and missed cuts show here."
    ),
    "stillness_longest_still_seconds": Title("Longest still", "s", "The longest stretch in which nothing moves."),
    "sharpness_low": Title("Sharpness, worst tenth", "", "Passing blur shows here."),
    "bars_top_bottom": _share("Letterbox", "the height that black bars cover."),
    "bars_left_right": _share("Pillarbox", "the width that black bars cover."),
    "duplicates_similarity": Title("Likeness of doubles", "", "Of clips that have a better double, to that one."),
    "duplicates_matched": _share("Shown by a double", "a clip that its better double shows too."),
}


def figures(data: ReportData) -> list[Figure]:
    """Length, caption words, resolution and source length; then scores: those with a threshold before the others."""
    asked = _by_column(data)
    length = Figure(LENGTH, LENGTH_TITLE, data.seconds, data.kept, thresholds=asked.get(LENGTH, ()))
    scores = [
        Figure(
            name,
            title_of(name, data),
            data.numbers(name),
            data.kept,
            thresholds=asked.get(name, ()),
            whole=_whole(data, name),
        )
        for name in score_columns(data)
    ]
    shown = [
        figure for figure in [length, _words(data), *_of_videos(data), *scores] if np.isfinite(figure.values).any()
    ]
    return shown[:MOST_FIGURES]


def score_columns(data: ReportData) -> list[str]:
    """Numeric columns that say something of a clip: those with a threshold first, then known ones, then others.

    No keys, ids or ticks, no facts of videos and texts, and none that always has the same value unless a rule reads it.
    """
    ruled = {threshold.column for threshold in data.thresholds}
    known = list(SCORES)
    found = []
    for column in data.clips.schema:
        numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        name = column.name
        told = name in known or name in ruled or not (name.startswith(_NOT_SCORES) or name.endswith(_IDS))
        if not numeric or name in NEEDED or not told:
            continue
        low, high = pc.min_max(data.clips[name]).as_py().values()
        if low is not None and (low != high or name in ruled):
            found.append(name)
    return sorted(found, key=lambda name: (name not in ruled, known.index(name) if name in known else len(known)))


def title_of(column: str, data: ReportData) -> Title:
    """The title of a column: known ones, those that the data brings, else its name with spaces."""
    if column in SCORES or column == LENGTH:
        return SCORES.get(column, LENGTH_TITLE)
    return Title(data.titles.get(column, column.replace("_", " ").capitalize()))


def _by_column(data: ReportData) -> dict[str, list[Threshold]]:
    found: dict[str, list[Threshold]] = {}
    for threshold in data.thresholds:
        found.setdefault(threshold.column, []).append(threshold)
    return found


def _whole(data: ReportData, column: str) -> bool:
    return bool(pa.types.is_integer(data.clips.schema.field(column).type))


def _words(data: ReportData) -> Figure:
    best, words = data.best_captions, data.caption_words
    counts = [float(words[best[name]]) if name in best else math.nan for name in data.names]
    return Figure("words", WORDS_TITLE, np.array(counts, np.float64), data.kept, whole=True)


def _of_videos(data: ReportData) -> list[Figure]:
    """Source length and resolution: one value per video; kept are those with at least one kept clip."""
    videos = data.videos
    kept_videos = pc.unique(data.clips["video"].filter(data.clips["kept"]))
    kept = pc.is_in(
        videos["video"],
        value_set=kept_videos.combine_chunks() if isinstance(kept_videos, pa.ChunkedArray) else kept_videos,
    )
    of_kept = np.asarray(kept.to_numpy(zero_copy_only=False) if isinstance(kept, pa.Array) else kept.to_numpy(), bool)
    made = []
    if "seconds" in videos.column_names:
        lengths = np.asarray(pc.cast(videos["seconds"], pa.float64()).to_numpy(), np.float64)
        known = lengths[np.isfinite(lengths)]
        unit, scale = ("min", 60.0) if len(known) and np.median(known) >= LONG_FILM else ("s", 1.0)
        made.append(Figure("video_seconds", replace(SOURCE_TITLE, unit=unit), lengths / scale, of_kept, "videos"))
    if {"width", "height"} <= {*videos.column_names}:
        short = pc.cast(pc.min_element_wise(videos["width"], videos["height"]), pa.float64())
        made.append(
            Figure(
                "short_side",
                SIZE_TITLE,
                np.asarray(short.to_numpy(), np.float64),
                of_kept,
                "videos",
                whole=True,
            )
        )
    return made
