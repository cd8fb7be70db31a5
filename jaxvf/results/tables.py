"""Columns and files of Parquet."""

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

JSON_COLUMN = {b"jaxvf": b"json"}  # marks a Parquet column whose strings are JSON


def to_parquet(table: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # In memory first, so that the file system can fail in one place only.
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def jsonable(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r} is neither a number, a string, an array, a path, nor a list or dict of them")


def column(values: list[Any]) -> tuple[Any, Mapping[bytes, bytes] | None]:
    """One column as an Arrow array of the narrowest type that holds it, and the metadata of its field."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    typed = (({bool}, pa.bool_()), ({int}, pa.int64()), ({int, float}, pa.float64()), ({str}, pa.string()))
    for valid, arrow_type in typed:
        if kinds <= valid:
            with contextlib.suppress(pa.ArrowInvalid, OverflowError):  # an integer too large for the type
                return pa.array(values, arrow_type), None
    texts = [None if value is None else json.dumps(value, default=jsonable) for value in values]
    return pa.array(texts, pa.string()), JSON_COLUMN
