"""Recipes: frozen dataclasses, loaded from a Python file or by name, changed by dotted overrides.

A recipe file has a docstring (Run, Cost, Expect) and a function `config()`. Overrides are `path=value`: the path goes
through fields by name, through tuples by the `name` of an element (`operators.shots.threshold=30`) and through mappings
by key. Values are checked against the declared types; a typo is an error that names the nearest valid key.
"""

import dataclasses
import importlib.machinery
import importlib.util
import json
import types
import typing
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from internvideo.errors import UsageError, nearest

T = TypeVar("T")


class _Uncached(importlib.machinery.SourceFileLoader):
    """Leaves no `__pycache__` beside a user's recipe."""

    def set_data(self, *_: object, **__: object) -> None:
        pass


def load_recipe(name: str, presets: Mapping[str, T], expected: type[T]) -> T:
    """The preset of that name, or what `config()` of that Python file returns.

    Raises UsageError when there is neither, or when the file gives something else than `expected`.
    """
    if name in presets:
        return presets[name]
    path = Path(name)
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(f"no recipe `{name}`: neither a preset nor a Python file", nearest(name, presets))
    spec = importlib.util.spec_from_file_location(path.stem, path, loader=_Uncached(path.stem, str(path)))
    if spec is None or spec.loader is None:
        raise UsageError(f"`{name}` cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        made = module.config()
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"recipe `{name}` failed: {type(error).__name__}: {error}", "run it with python to see where"
        ) from error
    if not isinstance(made, expected):
        raise UsageError(f"`config()` of {name} gives {type(made).__name__}, expected {expected.__name__}")
    return made


def override(config: T, assignments: Sequence[str]) -> T:
    """The same recipe with `path=value` assignments applied, left to right.

    Raises UsageError for an unknown path (naming the nearest), a value of the wrong type, or one the recipe refuses.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(
                f"`{assignment}` is no override", "write path=value, for example operators.shots.threshold=30"
            )
        config = _replace(config, path.strip().split("."), text.strip(), assignment)
    return config


def _replace(node: Any, path: Sequence[str], text: str, assignment: str) -> Any:
    head, rest = path[0], path[1:]
    if isinstance(node, tuple):
        names = [getattr(item, "name", str(place)) for place, item in enumerate(node)]
        if head not in names:
            raise UsageError(f"no `{head}` in `{assignment}`", nearest(head, names))
        if not rest:
            raise UsageError(
                f"`{assignment}` replaces all of `{head}`", f"name one field: {_fields_of(node[names.index(head)])}"
            )
        return tuple(
            _replace(item, rest, text, assignment) if name == head else item
            for name, item in zip(names, node, strict=True)
        )
    if isinstance(node, Mapping):  # of options: any key, which their reader checks
        return {**node, head: _replace(node.get(head, {}), rest, text, assignment) if rest else _plain_value(text)}
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        raise UsageError(f"`{assignment}`: nothing below a plain value", "shorten the path")
    fields = {field.name for field in dataclasses.fields(node) if field.init}
    if head not in fields:
        raise UsageError(f"no `{head}` in {type(node).__name__} (`{assignment}`)", nearest(head, fields))
    old = getattr(node, head)
    new = (
        _replace(old, rest, text, assignment)
        if rest
        else _parse(text, typing.get_type_hints(type(node))[head], assignment)
    )
    try:
        return dataclasses.replace(node, **{head: new})
    except ValueError as error:
        raise UsageError(f"`{assignment}`: {error}") from error


def _fields_of(node: Any) -> str:
    return (
        ", ".join(field.name for field in dataclasses.fields(node)) if dataclasses.is_dataclass(node) else "it has none"
    )


def _parse(text: str, wanted: Any, assignment: str) -> Any:
    """`text` as a value of the type `wanted`."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        if text.lower() in {"none", "null"} and type(None) in arguments:
            return None
        for option in arguments:
            if option is not type(None):
                try:
                    return _parse(text, option, assignment)
                except UsageError:
                    continue
    elif origin is typing.Literal:
        by_text = {str(option): option for option in arguments}
        if text in by_text:
            return by_text[text]
        raise UsageError(f"`{assignment}`: {text!r} is not allowed", nearest(text, by_text))
    elif origin is tuple:
        parts = [part.strip() for part in text.strip("()[]").split(",") if part.strip()]
        inner = [arguments[0]] * len(parts) if len(arguments) == 2 and arguments[1] is Ellipsis else list(arguments)
        if len(inner) == len(parts):
            return tuple(_parse(part, kind, assignment) for part, kind in zip(parts, inner, strict=True))
    else:
        value = _parse_plain(text, wanted)
        if value is not None:
            return value
    shown = getattr(wanted, "__name__", str(wanted))
    raise UsageError(f"`{assignment}`: {text!r} is not of type {shown}", f"give a value of type {shown}")


def _plain_value(text: str) -> Any:
    """A number, a list, true or none as JSON writes them; any other text is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parse_plain(text: str, wanted: Any) -> Any:
    if wanted is bool:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower())
    try:
        return wanted(text) if wanted in (int, float, str, Fraction, Path) else None
    except (ValueError, ZeroDivisionError):
        return None


def plain(value: Any) -> Any:
    """A recipe as JSON-like values: dataclasses become mappings that name their class.

    Fields with metadata `beside` are left out: what they hold changes no value.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = [field.name for field in dataclasses.fields(value) if not field.metadata.get("beside")]
        fields = {name: plain(getattr(value, name)) for name in named}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Fraction | Path):
        return str(value)
    return value


def restore(value: Any, classes: Mapping[str, type]) -> Any:
    """The reverse of `plain` for dataclasses, tuples, text and numbers. Raises UsageError for an unknown class."""
    if isinstance(value, Mapping):
        fields = {name: restore(item, classes) for name, item in value.items() if name != "class"}
        try:
            return classes[value["class"]](**fields) if "class" in value else fields
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"`{value.get('class')}` in a recipe is not understood ({error})") from error
    return tuple(restore(item, classes) for item in value) if isinstance(value, list) else value


def classes_of(value: Any) -> dict[str, type]:
    """Every dataclass in a recipe, by name: for `restore`."""
    found: dict[str, type] = {}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found[type(value).__name__] = type(value)
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        value = list(value.values())
    for item in value if isinstance(value, list | tuple) else ():
        found |= classes_of(item)
    return found


def dump(config: Any) -> str:
    """The whole recipe as text, the same for equal recipes: written beside every run."""
    return json.dumps(plain(config), indent=2, ensure_ascii=False, sort_keys=False) + "\n"
