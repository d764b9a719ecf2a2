"""HTML and SVG elements from Python values. Text is escaped unless it was made here, so no name or caption is markup.

Knows no tag of its own; draws nothing.
"""

import html
import re
from collections.abc import Iterable
from typing import TypeAlias, Union

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # could turn the text around them the other way
_CODE = re.compile("`([^`]+)`")
_EMPTY = frozenset(["meta", "img", "br", "rect", "line", "path", "circle", "col"])


class Markup(str):
    """Text that is HTML already: made by `element` or `join`, never from a name, a caption or a message."""

    __slots__ = ()


Child: TypeAlias = Union[str, int, Iterable["Child"], None]  # noqa: UP007  it names itself
Attribute: TypeAlias = str | int | float | bool | None


def element(tag: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """`<tag attributes>children</tag>`.

    Children: text (escaped), markup, numbers, None (nothing), or several of these. Attributes: a trailing or inner
    underscore is written as nothing or as a hyphen; None and False are left out, True stands alone.

    >>> element("p", "a < b", class_="note", aria_label="x")
    '<p class="note" aria-label="x">a &lt; b</p>'
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        key = "viewBox" if key == "viewbox" else key
        parts.append(f" {key}" if value is True else f' {key}="{escape(_plain(value))}"')
    parts.append(">")
    if tag in _EMPTY and not children:
        return Markup("".join(parts[:-1]) + " />")
    parts.append(join(children))
    parts.append(f"</{tag}>")
    return Markup("".join(parts))


def join(children: Iterable[Child]) -> Markup:
    """Children one after the other, text escaped."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str | int):
            parts.append(escape(str(child)))
        else:
            parts.append(join(child))
    return Markup("".join(parts))


def prose(text: str) -> Markup:
    """Text in which what stands between back quotes is code, as in messages of errors.

    >>> prose("`a < b` is odd")
    '<code>a &lt; b</code> is odd'
    """
    parts = _CODE.split(text)
    return join(element("code", part) if place % 2 else part for place, part in enumerate(parts))


def escape(text: str) -> str:
    """Text for HTML content and quoted attributes. What does not print or turns the direction is shown as its code."""
    text = _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    text = _DIRECTIONS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return html.escape(text, quote=True)


def _plain(value: str | int | float | bool) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
