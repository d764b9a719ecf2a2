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
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

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
    """The same recipe with `path=value` assignments applied, left to right; those of one part of it together.

    Raises UsageError for an unknown path (naming the nearest), a value of the wrong type, or one the recipe refuses.
    """
    changes: _Changes = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(
                f"`{assignment}` is no override", "write path=value, for example operators.shots.threshold=30"
            )
        names, value = path.strip().split("."), _Value(text.strip(), assignment)
        if not _noted(changes, names, value):  # a part is set as a whole and in a detail
            config, changes = _replace(config, changes), {}
            _noted(changes, names, value)
    changed: T = _replace(config, changes)
    return changed


@dataclass(frozen=True)
class _Value:
    """What an assignment says, and all of it for messages."""

    text: str
    assignment: str


_Changes: TypeAlias = "dict[str, _Changes | _Value]"


def _noted(changes: _Changes, path: Sequence[str], value: _Value) -> bool:
    """Enter a value into the tree of changes; False where that would change what is to be set as a whole."""
    for name in path[:-1]:
        below = changes.setdefault(name, {})
        if isinstance(below, _Value):
            return False
        changes = below
    if isinstance(changes.get(path[-1]), dict):
        return False
    changes[path[-1]] = value
    return True


def _said(change: "_Changes | _Value") -> str:
    """The assignments of a change."""
    return change.assignment if isinstance(change, _Value) else ", ".join(_said(below) for below in change.values())


def _replace(node: Any, changes: _Changes) -> Any:
    if not changes:
        return node
    if isinstance(node, tuple):
        return _replace_items(node, changes)
    if isinstance(node, Mapping):  # of options: any key, which their reader checks
        return {
            **node,
            **{
                name: _plain_value(change.text) if isinstance(change, _Value) else _replace(node.get(name, {}), change)
                for name, change in changes.items()
            },
        }
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        raise UsageError(f"`{_said(changes)}`: nothing below a plain value", "shorten the path")
    fields = {field.name for field in dataclasses.fields(node) if field.init}
    types = typing.get_type_hints(type(node))
    new = {}
    for name, change in changes.items():
        if name not in fields:
            raise UsageError(f"no `{name}` in {type(node).__name__} (`{_said(change)}`)", nearest(name, fields))
        if isinstance(change, _Value):
            new[name] = _parse(change.text, types[name], change.assignment)
        else:
            new[name] = _replace(getattr(node, name), change)
    try:
        return dataclasses.replace(node, **new)
    except ValueError as error:
        raise UsageError(f"`{_said(changes)}`: {error}") from error


def _replace_items(items: tuple[Any, ...], changes: _Changes) -> tuple[Any, ...]:
    """Of a tuple: items go by their names, or by their numbers."""
    names = [getattr(item, "name", str(place)) for place, item in enumerate(items)]
    for name, change in changes.items():
        if name not in names:
            raise UsageError(f"no `{name}` in `{_said(change)}`", nearest(name, names))
        if isinstance(change, _Value):
            known = _fields_of(items[names.index(name)])
            raise UsageError(f"`{change.assignment}` replaces all of `{name}`", f"name one field: {known}")
    below = {name: change for name, change in changes.items() if isinstance(change, dict)}
    return tuple(_replace(item, below.get(name, {})) for name, item in zip(names, items, strict=True))


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
