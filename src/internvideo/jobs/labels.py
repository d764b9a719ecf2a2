"""What a video may be called: labels from a line of text or a file, and the sentences around them.

Understands the public label files: a name per line, `12: name` or `12 name` per line, CSV with a header, JSON lists,
tables and lists of records. Knows no model.
"""

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from internvideo.errors import UsageError, nearest
from internvideo.text.prompts import PROMPTS

SUFFIXES = (".txt", ".csv", ".tsv", ".json")
NAME_COLUMNS = ("name", "label", "class", "class_name", "action", "text", "caption")
NUMBER_COLUMNS = ("id", "index", "label_id", "class_id")


def read_labels(given: str | os.PathLike[str] | Sequence[str]) -> tuple[str, ...]:
    """Labels in their order: of a sequence, a file, or a line such as `a dog,a cat` (commas inside quotes stay).

    `FILE.json#key` takes one list of a file that holds several. Raises UsageError for what cannot be read, for fewer
    than two labels, and for one that comes twice.
    """
    labels = names_in(given)
    twice = next((label for place, label in enumerate(labels) if label in labels[:place]), None)
    if twice is not None:
        raise UsageError(f"the label `{twice}` comes twice", "give each label once")
    if len(labels) < 2:
        raise UsageError(f"{len(labels)} label{'' if labels else 's'}: there is nothing to choose from", "give two")
    return tuple(labels)


def names_in(given: str | os.PathLike[str] | Sequence[str]) -> list[str]:
    """The same, also fewer than two and several times the same: what a list of annotations has in its rows."""
    labels = _given(given) if isinstance(given, str | os.PathLike) else list(given)
    labels = [" ".join(label.split()) for label in labels]
    return [label for label in labels if label]


def read_prompts(given: str | os.PathLike[str] | Sequence[str]) -> tuple[str, ...]:
    """Templates with `{}` for the label: a set by name (`text.prompts.PROMPTS`), a file with one per line, a list."""
    if not isinstance(given, str | os.PathLike):
        return tuple(given)
    if given in PROMPTS:
        return PROMPTS[str(given)]
    if "{}" in str(given):
        return (str(given),)
    path = Path(given)
    if not path.is_file():
        raise UsageError(f"no prompts `{given}`: neither a set nor a file", nearest(str(given), PROMPTS))
    templates = tuple(line for line in map(str.strip, _text(path).splitlines()) if line)
    if not templates:
        raise UsageError(f"`{given}` holds no templates", "write one per line, like `a video of {}`")
    return templates


def _given(given: str | os.PathLike[str]) -> list[str]:
    name, _, key = os.fspath(given).partition("#")
    path = Path(name)
    if path.suffix.lower() not in SUFFIXES:
        if isinstance(given, str) and not path.is_file():
            return next(csv.reader([given], skipinitialspace=True))
    elif not path.is_file():
        raise UsageError(f"there is no label file `{name}`", "labels themselves are written like `a dog,a cat`")
    text = _text(path)
    if path.suffix.lower() == ".json":
        return _from_json(text, name, key)
    if path.suffix.lower() in (".csv", ".tsv"):
        return _from_table(text, "\t" if path.suffix.lower() == ".tsv" else ",", name)
    return _from_lines(text)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` cannot be read as text ({error})", "save it as UTF-8") from error


def _from_lines(text: str) -> list[str]:
    """A name per line; numbers before the names are taken off if every line has one, and order them if they can."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [re.fullmatch(r'(\d+)(?::\s*|\s+)"?(.+?)"?', line) for line in lines]
    pairs = [(int(match[1]), match[2]) for match in numbered if match]
    return [name for _, name in sorted(pairs)] if len(pairs) == len(lines) else lines


def _from_table(text: str, delimiter: str, name: str) -> list[str]:
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True) if any(row)]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((head.index(known) for known in NAME_COLUMNS if known in head), None)
    if column is None:
        if any(len(row) != 1 for row in rows):
            raise UsageError(f"no column of `{name}` is named {', '.join(NAME_COLUMNS)}", "name one of them so")
        return [row[0] for row in rows]
    number = next((head.index(known) for known in NUMBER_COLUMNS if known in head), None)
    rows = [row for row in rows[1:] if len(row) > column]
    if number is not None and all(len(row) > number and row[number].strip().isdigit() for row in rows):
        rows.sort(key=lambda row: int(row[number]))
    return [row[column] for row in rows]


def _from_json(text: str, name: str, key: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"`{name}` is not JSON ({error})", "give a list of names") from error
    if isinstance(found, Mapping) and any(isinstance(value, list) for value in found.values()):
        if key not in found:
            raise UsageError(f"`{name}` holds several lists", f"add #{' or #'.join(map(str, found))}")
        found = found[key]
    if isinstance(found, Mapping) and all(str(value).isdigit() for value in found.values()):  # Something-Something: "0"
        found = sorted(found, key=lambda label: int(found[label]))
    elif isinstance(found, Mapping) and all(str(number).isdigit() for number in found):
        found = [found[number] for number in sorted(found, key=int)]
    if isinstance(found, list) and found and all(isinstance(row, Mapping) for row in found):
        column = next((known for known in NAME_COLUMNS if known in found[0]), "")
        found = [row.get(column) for row in found]
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise UsageError(
            f"`{name}` holds no names of classes", 'expected ["a dog", "a cat"] or {"a dog": 0, "a cat": 1}'
        )
    return found
