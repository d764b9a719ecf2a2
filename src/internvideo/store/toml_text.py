"""Plain values as TOML text, always the same text for the same values. Reading is `tomllib`'s work."""

import json
import re
from collections.abc import Mapping

Scalar = str | int | float | bool
BARE = re.compile(r"[A-Za-z0-9_-]+")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def dumps(values: Mapping[str, object]) -> str:
    """TOML of nested mappings, lists and scalars, in the order given. None is left out: TOML has no word for it.

    >>> print(dumps({"format": 1, "recipe": {"name": "flt"}}), end="")
    format = 1
    <BLANKLINE>
    [recipe]
    name = "flt"
    """
    return "\n".join(_table(values, ())).lstrip("\n") + "\n"


def _table(values: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(k)} = {_value(v)}" for k, v in values.items() if v is not None and not isinstance(v, Mapping)]
    for name, inner in values.items():
        if isinstance(inner, Mapping):
            below = (*path, name)
            lines += ["", f"[{'.'.join(map(_key, below))}]", *_table(inner, below)]
    return lines


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else _text(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _lines(value) if "\n" in value else _text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)  # TOML reads Python's digits, `inf` and `nan` alike
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    raise TypeError(f"TOML cannot hold {type(value).__name__}: use text, numbers, booleans, lists and mappings")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(text: str) -> str:
    """A string of several lines: as it is between three quotes where TOML allows that, else with escapes."""
    if not (CONTROL.search(text) or "'''" in text or text.endswith("'")):
        return f"'''\n{text}'''"
    return '"""\n' + "\n".join(_text(line)[1:-1] for line in text.split("\n")) + '"""'
