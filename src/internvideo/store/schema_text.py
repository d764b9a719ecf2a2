"""Arrow schemas as text and back, in a grammar of our own, so that a fingerprint does not depend on Arrow's printing.

One line per column: `name: type`, with ` not null` where it is so. Types: bool, int8 ... uint64, float16 ... float64,
string, binary, list<T>, fixed_list<T, n>, struct<a: T, b: T> and, for whole columns, category (a dictionary of text).
"""

import re

import pyarrow as pa

SCALARS: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    **{f"int{bits}": getattr(pa, f"int{bits}")() for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": getattr(pa, f"uint{bits}")() for bits in (8, 16, 32, 64)},
    **{f"float{bits}": getattr(pa, f"float{bits}")() for bits in (16, 32, 64)},
    "string": pa.string(),
    "binary": pa.binary(),
}
CATEGORY = pa.dictionary(pa.int32(), pa.string())
NAME = re.compile(r"[a-z_][a-z0-9_]*")
TOKEN = re.compile(r"[a-z_][a-z0-9_]*|[0-9]+|[<>,:]")


def to_text(schema: pa.Schema) -> str:
    """One line per column. Raises ValueError for a type or a name outside the grammar.

    >>> to_text(pa.schema([("video", pa.string()), ("vector", pa.list_(pa.float16(), 4))]))
    'video: string\\nvector: fixed_list<float16, 4>'
    """
    lines = []
    for field in schema:
        kind = "category" if field.type == CATEGORY else _type_text(field.type)
        lines.append(f"{_checked(field.name)}: {kind}{'' if field.nullable else ' not null'}")
    return "\n".join(lines)


def from_text(text: str) -> pa.Schema:
    """The inverse of `to_text`. Raises ValueError where the text does not follow the grammar."""
    fields = []
    for line in text.strip().split("\n"):
        name, colon, kind = line.partition(": ")
        if not colon:
            raise ValueError(f"a column is `name: type`, got `{line}`")
        bare = kind.removesuffix(" not null")
        fields.append(pa.field(_checked(name), _parse(bare), nullable=bare == kind))
    return pa.schema(fields)


def plain(schema: pa.Schema) -> pa.Schema:
    """The same columns with categories as strings: how rows travel until they are written."""
    return pa.schema([field.with_type(pa.string()) if field.type == CATEGORY else field for field in schema])


def is_scalar(kind: pa.DataType) -> bool:
    """Whether a column of this type can be shown and compared: text, categories, numbers, booleans."""
    return kind == CATEGORY or (kind in SCALARS.values() and kind != pa.binary())


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"column `{name}`: use lower case letters, digits and `_`")
    return name


def _type_text(kind: pa.DataType) -> str:
    for name, scalar in SCALARS.items():
        if kind == scalar:
            return name
    if pa.types.is_fixed_size_list(kind):
        return f"fixed_list<{_type_text(kind.value_type)}, {kind.list_size}>"
    if pa.types.is_list(kind):
        return f"list<{_type_text(kind.value_type)}>"
    if pa.types.is_struct(kind):
        inner = [kind.field(i) for i in range(kind.num_fields)]
        return f"struct<{', '.join(f'{_checked(f.name)}: {_type_text(f.type)}' for f in inner)}>"
    known = ", ".join([*SCALARS, "list_(T)", "list_(T, n)", "struct"])
    raise ValueError(f"a column of Arrow type `{kind}` cannot be kept; use {known}, or dictionary(int32, string)")


def _parse(text: str) -> pa.DataType:
    if text == "category":
        return CATEGORY
    tokens = TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", ""):
        raise ValueError(f"not a column type: `{text}`")
    kind = _parse_tokens(tokens)
    if tokens:
        raise ValueError(f"not a column type: `{text}` (what is `{' '.join(tokens)}`?)")
    return kind


def _parse_tokens(tokens: list[str]) -> pa.DataType:
    """Take one type from the front of `tokens`."""
    word = _take(tokens)
    if word in SCALARS:
        return SCALARS[word]
    if word == "list":
        _take(tokens, "<")
        inner = _parse_tokens(tokens)
        _take(tokens, ">")
        return pa.list_(inner)
    if word == "fixed_list":
        _take(tokens, "<")
        inner = _parse_tokens(tokens)
        _take(tokens, ",")
        size = int(_take(tokens))
        _take(tokens, ">")
        return pa.list_(inner, size)
    if word == "struct":
        _take(tokens, "<")
        fields = []
        while tokens and tokens[0] != ">":
            name = _take(tokens)
            _take(tokens, ":")
            fields.append(pa.field(name, _parse_tokens(tokens)))
            if tokens and tokens[0] == ",":
                _take(tokens)
        _take(tokens, ">")
        return pa.struct(fields)
    raise ValueError(f"unknown column type `{word}`")


def _take(tokens: list[str], expected: str = "") -> str:
    if not tokens or (expected and tokens[0] != expected):
        raise ValueError(f"column type ends or turns where `{expected or 'a type'}` should be")
    return tokens.pop(0)
