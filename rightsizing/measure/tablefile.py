"""Small tables that users hand over, CSV (plain or gzip) or Parquet, as columns of texts.

Unlike traces they are read whole. What is wrong is said with row, column and value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from rightsizing.errors import BadTrace
from rightsizing.measure.files import PARQUET_MAGIC

_LARGEST = 1e15  # whole numbers up to here are exact, and products of three still are dollars


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table's name and columns; every cell as text, empty where nothing is given."""

    name: str
    columns: tuple[str, ...]
    cells: dict[str, list[str]]
    rows: int

    def texts(self, column: str) -> list[str]:
        """A column's texts. Raises BadTrace where the table has no such column."""
        if column not in self.cells:
            known = ", ".join(self.columns) or "none"
            raise BadTrace(f"{self.name} has no column {column}; its columns are {known[:200]}")
        return self.cells[column]

    def numbers(self, column: str, *, empty: float | None = None) -> list[float]:
        """A column's numbers.

        Args:
            column: its name.
            empty: what an empty cell stands for; None: it is an error.

        Raises:
            BadTrace: no such column, or a cell is no finite number of at most 1e15.
        """
        found = []
        for row, text in enumerate(self.texts(column), start=1):
            if not text.strip() and empty is not None:
                found.append(empty)
                continue
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise BadTrace(f"{self.name} row {row}: {column} {text[:40]!r} is no number")
            if abs(value) > _LARGEST:
                raise BadTrace(
                    f"{self.name} row {row}: {column} {value:g} is beyond {_LARGEST:g}; check its "
                    f"unit"
                )
            found.append(value)
        return found

    def dicts(self) -> list[dict[str, str]]:
        """Rows as column -> text."""
        return [
            {column: self.cells[column][row] for column in self.columns} for row in range(self.rows)
        ]


def read_table(path: Path) -> TableFile:
    """Read a file whole. Raises BadTrace when it cannot be read or is no table."""
    try:
        with path.open("rb") as file:
            parquet = file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
        table = pq.read_table(path, memory_map=False) if parquet else _read_csv(path)
    except FileNotFoundError:
        raise BadTrace(f"{path} does not exist; check the path") from None
    except IsADirectoryError:
        raise BadTrace(f"{path} is a folder; give one CSV or Parquet file") from None
    except (OSError, pa.ArrowException) as error:
        first = str(error).splitlines()[0][:200]
        raise BadTrace(f"{path} cannot be read as CSV or Parquet: {first}") from None
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise BadTrace(f"{path} has the column {twice[0][:40]!r} twice; name each column once")
    cells = {name: _texts(table.column(name)) for name in table.column_names}
    return TableFile(path.name, tuple(table.column_names), cells, table.num_rows)


def _read_csv(path: Path) -> pa.Table:
    names = pa_csv.open_csv(path).schema.names
    return pa_csv.read_csv(
        path,
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )


def _texts(column: pa.ChunkedArray) -> list[str]:
    return ["" if value is None else str(value) for value in column.to_pylist()]
