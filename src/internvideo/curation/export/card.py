"""The page of a dataset on a hub: what it is, how it was chosen, what it may be used for, what was taken out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from internvideo.curation.export.statistics import UNKNOWN, Distribution

# Licences that the Hugging Face Hub knows by these identifiers, among those that videos and texts have.
HUB_LICENCES = frozenset(
    f"cc-{kind}-{version}"
    for kind in ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
    for version in ("2.0", "2.5", "3.0", "4.0")
) | {"cc0-1.0", "pddl", "odc-by", "odbl", "mit", "apache-2.0"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = ((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**12, "n>1T"))


@dataclass(frozen=True)
class Release:
    """What is told of how a dataset was made, beside its clips.

    funnel: (rule, came, kept) of the view, in order. operators: (name, version and fingerprint). removals: lines with
    `video`, `date` and `clips` of what was taken out since the dataset was made.
    """

    files: int = 0
    videos: int = 0
    clips: int = 0  # of the clip set, before the view
    funnel: Sequence[tuple[str, int, int]] = ()
    operators: Sequence[tuple[str, str]] = ()
    removals: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Told:
    """What a card says of what is in the release."""

    name: str
    view: str
    clips: int
    videos: int
    hours: float
    captioned: int
    columns: Sequence[tuple[str, str]]  # name, meaning
    languages: Sequence[str]  # of captions, as codes
    licences: Mapping[str, int]  # of videos; "" is not known
    origins: Mapping[str, int]  # who wrote the captions that stand for clips, by "scale, origin"
    media: bool


def card(told: Told, release: Release, distributions: Sequence[Distribution]) -> str:
    """The page, in Markdown with a YAML head."""
    parts = [
        _head(told),
        f"# {told.name}" + (f", {told.view}" if told.view else ""),
        f"{told.clips:,} clips of {told.videos:,} videos, {told.hours:,.2f} hours; {told.captioned:,} have a caption.",
        _media(told),
        "## How the clips were chosen",
        _funnel(told, release),
        "## Statistics",
        "![distributions](figures/statistics.png)",
        _statistics(distributions),
        "## Columns",
        _table(("column", "meaning"), told.columns),
        "## Captions",
        _table(("made by", "clips"), [(origin, f"{count:,}") for origin, count in told.origins.items()]),
        "## Licence",
        _licence(told),
        "## Removals",
        _removals(release),
        "## Made with",
        _table(("operator", "version"), release.operators),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def licence_of(licences: Mapping[str, int]) -> str:
    """The identifier of the hub if all videos have one licence that it knows, else `other`.

    >>> licence_of({"CC-BY-4.0": 3}), licence_of({"CC-BY-4.0": 3, "": 1})
    ('cc-by-4.0', 'other')
    """
    only = next(iter(licences)).lower() if len(licences) == 1 else ""
    return only if only in HUB_LICENCES else "other"


def _head(told: Told) -> str:
    licence = licence_of(told.licences)
    lines = ["---", f"pretty_name: {_quoted(told.name)}", f"license: {licence}"]
    lines += ["license_name: per-video", "license_link: '#licence'"] if licence == "other" else []
    codes = [code for code in told.languages if code.isascii() and code.isalpha() and len(code) in (2, 3)]
    lines += ["language:", *(f"- {_quoted(code)}" for code in codes)] if codes else []
    lines += ["task_categories:", "- video-text-to-text", "- text-to-video", "tags:", "- video", "- internvideo"]
    lines += ["size_categories:", f"- {next(name for most, name in _SIZES + _LARGER if told.clips < most)}"]
    lines += ["configs:", "- config_name: clips", "  default: true", "  data_files: data/*.parquet"]
    lines += ["- config_name: videos", "  data_files: media/*.tar"] if told.media else []
    return "\n".join([*lines, "---"])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _media(told: Told) -> str:
    if told.media:
        return (
            "The videos of the clips are in `media/` (WebDataset); `media/clip_map.parquet` says where each one lies."
        )
    return "No media: rows name the video, its start and its end. Clips are cut by whoever has the videos."


def _funnel(told: Told, release: Release) -> str:
    rows = [("files", "", f"{release.files:,}"), ("videos", "", f"{release.videos:,}")]
    rows.append(("clips", "", f"{release.clips:,}"))
    rows += [(rule, f"{came:,}", f"{kept:,}") for rule, came, kept in release.funnel]
    rows.append(("in this release", "", f"{told.clips:,}"))
    return _table(("step", "came", "kept"), rows)


def _statistics(distributions: Sequence[Distribution]) -> str:
    rows = []
    for one in distributions:
        total = sum(one.counts) or 1
        shares = ", ".join(f"{label} {count / total:.0%}" for label, count in zip(one.labels, one.counts, strict=True))
        mean = f"{one.mean:.3g} {one.unit}".strip() if one.mean is not None else ""
        rows.append((f"{one.name} ({one.of})", mean, shares))
    return _table(("what", "mean", "shares"), rows)


def _licence(told: Told) -> str:
    rows = [(name or UNKNOWN, f"{count:,}") for name, count in sorted(told.licences.items())]
    text = "Each row states the licence of its video in `licence`; videos keep the rights they came with."
    return f"{text}\n\n{_table(('licence', 'videos'), rows)}"


def _removals(release: Release) -> str:
    if not release.removals:
        return "Nothing has been taken out since the first release. `removals.jsonl` will list what is."
    clips = sum(len(line["clips"]) for line in release.removals)
    return (
        f"{len(release.removals):,} videos with {clips:,} clips were taken out. `removals.jsonl` names them; whoever "
        "has a copy of an earlier release must remove them too."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
