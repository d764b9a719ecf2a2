"""A table whose columns are read when they are asked for: of a million rows, a question needs a few numbers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pyarrow as pa

Column = tuple[pa.DataType, Callable[[], pa.ChunkedArray]]


class Columns:
    """Columns of equal length, by name; each is made once, when it is first asked for.

    Answers what a `pyarrow.Table` does as far as rules, ranks and samplers ask: `num_rows`, `column_names`, `schema`,
    `[name]`, `select`.
    """

    def __init__(self, num_rows: int, columns: Mapping[str, Column]) -> None:
        self.num_rows = num_rows
        self._columns = dict(columns)
        self._made: dict[str, pa.ChunkedArray] = {}

    @classmethod
    def of(cls, table: pa.Table) -> "Columns":
        """Of a table in memory."""
        return cls(table.num_rows, {f.name: (f.type, partial(table.column, f.name)) for f in table.schema})

    @property
    def column_names(self) -> list[str]:
        return list(self._columns)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, kind) for name, (kind, _) in self._columns.items()])

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        if name not in self._made:
            made = self._columns[name][1]()
            self._made[name] = made if isinstance(made, pa.ChunkedArray) else pa.chunked_array([made])
        return self._made[name]

    def select(self, names: Sequence[str]) -> pa.Table:
        """These columns, read."""
        return pa.table({name: self[name] for name in names})

    def renamed(self, names: Sequence[str]) -> "Columns":
        """The same under other names, in the same order."""
        pairs = zip(names, self._columns.items(), strict=True)
        return Columns(self.num_rows, {new: (kind, partial(self.__getitem__, old)) for new, (old, (kind, _)) in pairs})

    def having(self, name: str, kind: pa.DataType, make: Callable[[], pa.ChunkedArray]) -> "Columns":
        """The same with one more column, or another one of that name."""
        mine: dict[str, Column] = {n: (k, partial(self.__getitem__, n)) for n, (k, _) in self._columns.items()}
        return Columns(self.num_rows, {**mine, name: (kind, make)})

    def to_table(self) -> pa.Table:
        """All of it in memory."""
        return self.select(self.column_names)
