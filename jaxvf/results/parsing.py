"""What the files of a run directory hold, read as data: whatever is in them, nothing runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np

DEEPEST = 50  # levels of JSON inside each other; a configuration has about ten


def parse_json(data: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: for what is no JSON, gives a name twice, or is nested deeper than any configuration.
    """
    try:
        value = json.loads(data, object_pairs_hook=_named_once)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    _check_depth(value, DEEPEST)
    return value


def from_text(text: Any) -> Any:
    """The value of a cell of a column of JSON; lists as arrays, and None for a run that lacks the field.

    Raises:
        ValueError: if it holds no JSON.
    """
    if not isinstance(text, str | None):
        raise ValueError(f"{text!r} is no text")
    value = parse_json((text or "null").encode())
    return np.asarray(value) if isinstance(value, list) else value


def parse_file(path: Path) -> Any:
    """The JSON object or the table in a file, or None where the file holds no such thing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        data = path.read_bytes()
        if path.suffix == ".json":
            document = parse_json(data)
            return document if isinstance(document, dict) else None
        # In this thread: one of Arrow's may still hold the bytes when Python ends, and then it aborts the process.
        table = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True).read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError):
        return None
    return table if path.parent.name != "metrics" or _holds_metrics(table) else None


def metric_schema() -> Any:
    """Columns of a part of the metrics."""
    import pyarrow as pa

    name = pa.dictionary(pa.int32(), pa.string())  # the string is stored once per part, not once per row
    whole = {"run": pa.int32(), "seed": pa.int64(), "env_steps": pa.int64()}
    return pa.schema({**whole, "metric": name, "value": pa.float32()})


def _holds_metrics(table: Any) -> bool:
    return table.schema == metric_schema() and not any(column.null_count for column in table.columns)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a name is given twice")
    return named


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError("nested too deeply")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, dict | list):
            _check_depth(inner, left - 1)
