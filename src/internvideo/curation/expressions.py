"""For which rows of a table an expression that a person wrote is true.

The expression is DuckDB's SQL for one value of one row. It can reach nothing but that row: no files, no other tables,
no settings, no clock, no dice; so the same table always gets the same answer.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.errors import UsageError, nearest
from internvideo.store.columns import Columns
from internvideo.store.shards import sort_by

if TYPE_CHECKING:
    import duckdb

_TABLE = "clips"
_ROW = "row of the table"
_CALLS = re.compile(r"(\w+)\(|\b(current_(?:date|time|timestamp))\b")
_LOCKED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
}
_REFUSED_PARTS = {
    "SUBQUERY": "asks a second question",
    "WINDOW": "looks at other rows",
    "STAR": "names all columns at once",
}


def true_rows(table: Columns | pa.Table, expression: str, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Where an expression over the columns of `table` is true, and where it is unknown (NULL): two (N,) bool arrays.

    NaN in a column is unknown, as NULL is. what: names the expression in errors, such as "rule `long enough`".
    Raises UsageError for what DuckDB does not understand, naming the nearest column; for anything that is not a yes or
    no about one row; and for functions whose answer may change, such as `random()` and `now()`.
    """
    import duckdb  # here: loading it takes longer than most commands do

    engine = _engine()
    try:
        named = _check(engine, expression, table.column_names, what)
        columns = {name: table[name] for name in table.column_names if name.lower() in named}
        rows = pa.table({**columns, _ROW: pa.array(np.arange(table.num_rows))})
        engine.register(_TABLE, _with_nulls(rows))
        answer = engine.sql(f'SELECT ({expression}\n) AS answer, "{_ROW}" FROM {_TABLE}')
        kind = str(answer.types[0])
        if kind not in ("BOOLEAN", '"NULL"'):
            hint = "compare it with something, such as `seconds >= 2`"
            raise UsageError(f"{what}: `{expression}` is not yes or no but {kind}", hint)
        found = sort_by(answer.to_arrow_table(), [_ROW])["answer"].cast(pa.bool_()).combine_chunks()
    except duckdb.Error as error:
        sentence = str(error).splitlines()[0].partition(": ")[2] or str(error).splitlines()[0]
        hint = "write a DuckDB expression over the columns of the clips"
        raise UsageError(f"{what}: `{expression}`: {sentence}", hint) from None
    finally:
        engine.unregister(_TABLE)
    unknown: np.ndarray = found.is_null().to_numpy(zero_copy_only=False)
    true: np.ndarray = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return true, unknown


@lru_cache(maxsize=1)
def _engine() -> "duckdb.DuckDBPyConnection":
    """One locked engine for the process: starting one takes a tenth of a second. It keeps no tables."""
    import duckdb

    return duckdb.connect(config=_LOCKED)


def _check(engine: "duckdb.DuckDBPyConnection", expression: str, columns: list[str], what: str) -> set[str]:
    """Refuse all but one expression over these columns, of functions that depend on their arguments alone.

    The words in it that may be columns, in lower case.
    """
    if not expression.strip():
        raise UsageError(f"{what} is empty", "write an expression over the columns, such as `seconds >= 2`")
    rows = engine.execute("SELECT json_serialize_sql(?::VARCHAR)", [f"SELECT ({expression}\n)"]).fetchall()
    parsed = json.loads(rows[0][0] if rows else "{}")
    if parsed.get("error"):
        raise UsageError(f"{what}: `{expression}`: {parsed['error_message']}", "write one expression, such as `a >= 2`")
    statements = [statement["node"] for statement in parsed["statements"]]
    alone = len(statements) == 1 and statements[0].get("from_table", {}).get("type") == "EMPTY"
    if not alone or len(statements[0]["select_list"]) != 1:
        raise UsageError(f"{what}: `{expression}` is not one expression", "write one, such as `a >= 2 AND b < 1`")
    parts = list(_parts(statements[0]["select_list"]))
    if (missing := _missing_column(parts, columns)) is not None:
        raise UsageError(f"{what}: `{expression}`: there is no column `{missing}`", nearest(missing, columns))
    for part in parts:
        function = str(part.get("function_name", "")).lower()
        reason = _REFUSED_PARTS.get(str(part.get("class"))) or _changing().get(function)
        if reason:
            raise UsageError(f"{what}: `{expression}` {reason}", "a rule sees one clip; ranks compare clips")
    return {str(name).lower() for part in parts for name in part.get("column_names", ())}


def _missing_column(parts: list[dict[str, Any]], columns: list[str]) -> str | None:
    """The first name that is no column. Keywords such as `current_date` look like columns, too."""
    known = {name.lower() for name in columns}
    lambdas = [part["lhs"] for part in parts if part.get("class") == "LAMBDA"]
    known |= {name.lower() for part in _parts(lambdas) for name in part.get("column_names", ())}
    paths = [part["column_names"] for part in parts if part.get("class") == "COLUMN_REF"]
    names = [path[1] if path[1:] and path[0].lower() == _TABLE else path[0] for path in paths]
    return next((str(name) for name in names if name.lower() not in known), None)


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """All nodes of a serialised statement."""
    if isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from _parts(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _parts(part)


@lru_cache(maxsize=1)
def _changing() -> dict[str, str]:
    """Function -> why it is refused; macros count as what they call."""
    import duckdb

    with duckdb.connect(config=_LOCKED) as engine:
        query = "SELECT function_name, function_type, stability, macro_definition FROM duckdb_functions()"
        rows = engine.execute(query).fetchall()
    fixed = {name for name, kind, stability, _ in rows if kind == "scalar" and stability == "CONSISTENT"}
    refused = {name: "can change from one run to the next" for name, kind, _, _ in rows if kind == "scalar"}
    refused |= {name: "looks at other rows" for name, kind, _, _ in rows if kind in ("aggregate", "window")}
    refused = {name: reason for name, reason in refused.items() if name not in fixed}
    for name, kind, _, definition in rows:
        called = _CALLS.findall(definition or "") if kind == "macro" else []
        for other in (call or clock for call, clock in called):
            if other in refused or other.startswith("current_"):
                refused.setdefault(name, refused.get(other, "can change from one run to the next"))
    return refused


def _with_nulls(table: pa.Table) -> pa.Table:
    """NaN becomes null: DuckDB takes NaN for larger than any number, which would let it pass many a rule."""
    for place, column in enumerate(table.schema):
        if pa.types.is_floating(column.type):
            values = table.column(place)
            known = pc.if_else(pc.is_nan(values), pa.scalar(None, column.type), values)
            table = table.set_column(place, column.name, known)
    return table
