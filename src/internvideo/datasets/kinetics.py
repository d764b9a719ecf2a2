"""Kinetics 400, 600 and 700 as published, and label maps that merge such sets by class name (K710).

Columns: label, youtube_id, time_start, time_end, split; times in whole seconds of the YouTube video. The files are
those that the official crawler cuts: `<youtube_id>_<start>_<end>.mp4` with six digits each. They hold just the span.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from internvideo.datasets.lists import (
    BadList,
    cell,
    class_number,
    class_numbers,
    csv_rows,
    joined,
    lines,
    number,
    plain_name,
)
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of

CUT = "{youtube_id}_{start:06d}_{end:06d}.mp4"  # `name`: may also use {label}, {split}


def read_kinetics(
    path: PathLike,
    root: PathLike,
    *,
    classes: Sequence[str] | PathLike | None = None,
    split: str | None = None,
    name: str = CUT,
    corpus: str = "kinetics",
) -> Samples:
    """One sample per row of an official CSV file, labelled.

    classes: names in the order of their numbers, or a file of them; None: the names of this list in alphabetical order,
    which is right only where all are in it. Names of other editions are understood, so a list of Kinetics 400 can be
    numbered as in K710 (`merge_classes`). split: only these rows. name: how the files are called.
    """
    if classes is None:
        classes = sorted({row["label"] for row in csv_rows(path, ("label",))})
    names = lines(classes) if isinstance(classes, str | os.PathLike) else classes
    numbers = class_numbers([newest_name(each) for each in names])
    return Samples(_samples(path, root, numbers, split, name, corpus))


def _samples(
    path: PathLike, root: PathLike, numbers: Mapping[str, int], split: str | None, name: str, corpus: str
) -> Iterator[Sample]:
    known: dict[str, int] = {}
    for row in csv_rows(path, ("label", "youtube_id", "time_start", "time_end")):
        if split is not None and cell(row, "split", path) != split:
            continue
        start, end = (int(number(row[key], key, path)) for key in ("time_start", "time_end"))
        video = row["youtube_id"]
        file = name.format(youtube_id=video, start=start, end=end, label=row["label"], split=row.get("split", ""))
        uid = uid_of(corpus, f"{video}_{start}_{end}")
        label = known.get(row["label"])
        if label is None:
            label = known[row["label"]] = class_number(numbers, newest_name(row["label"]), path)
        yield Sample(uid, joined(root, file), label=label, source=video)


@dataclass(frozen=True)
class MergedClasses:
    """One numbering for several sets. numbers: for each set, class number there -> merged class number."""

    names: tuple[str, ...]
    numbers: tuple[tuple[int, ...], ...]


# Classes that the editions of Kinetics call differently: -> their name in K710.
KINETICS_RENAMED: Mapping[str, str] = {
    "balloon blowing": "inflating balloons",
    "changing wheel": "changing wheel (not on bike)",
    "cooking sausages": "cooking sausages (not on barbeque)",
    "drinking": "sipping cup",
    "dying hair": "dyeing hair",
    "garbage collecting": "person collecting garbage",
    "hugging": "hugging (not baby)",
    "making bed": "making the bed",
    "opening bottle": "opening bottle (not wine)",
    "picking fruit": "picking apples",
    "skiing (not slalom or crosscountry)": "skiing mono",
    "sniffing": "smelling feet",
    "throwing ball (not baseball or American football)": "throwing ball",
    "tying tie": "tying necktie",
}


def newest_name(name: str, renamed: Mapping[str, str] = KINETICS_RENAMED) -> str:
    """A class name in plain spelling, as K710 calls it.

    >>> newest_name("balloon blowing"), newest_name("Yoga")
    ('inflating balloons', 'yoga')
    """
    plain = plain_name(name)
    return next((plain_name(new) for old, new in renamed.items() if plain_name(old) == plain), plain)


def merge_classes(
    sets: Sequence[Sequence[str]], renamed: Mapping[str, str] = KINETICS_RENAMED, names: Sequence[str] | None = None
) -> MergedClasses:
    """Number the classes of several sets together: those of the first in their order, then what the next add.

    Spelling does not count (see `lists.plain_name`). names: the merged list, where it is published. Of Kinetics
    400, 600 and 700 the result has 710 classes, the first 400 being those of Kinetics 400 (UniFormerV2's K710).
    """
    plain = [[newest_name(name, renamed) for name in each] for each in sets]
    spelt: dict[str, str] = {}
    for each, given in zip(plain, sets, strict=True):
        for name, spelling in zip(each, given, strict=True):
            spelt.setdefault(name, spelling)
    if names is not None:
        known = {newest_name(given, renamed): given for given in names}
        if lost := sorted({*spelt} - {*known}):
            raise BadList(f"the merged list has no class `{lost[0]}`", "is it the list of these sets?")
        spelt = known
    place = {name: number for number, name in enumerate(spelt)}
    return MergedClasses(tuple(spelt.values()), tuple(tuple(place[name] for name in each) for each in plain))
