"""A result as data frames of pandas, which is optional."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxvf.errors import InputError, unknown
from jaxvf.results.statistics import Interval

if TYPE_CHECKING:
    import pandas

    from jaxvf.results.result import Result

TABLES = ("runs", "curves")


def data_frame(result: "Result", table: str, metrics: Sequence[str]) -> "pandas.DataFrame":
    """A data frame of runs or of curves, as `Result.to_pandas` describes them."""
    if table not in TABLES:
        raise unknown("table", table, TABLES)
    columns = {name: result.metric(name) for name in metrics}
    pandas = _pandas()
    records = pandas.DataFrame([{name: _cell(value) for name, value in run.items()} for run in result.runs])
    if table == "runs":
        ends = [int(result.env_steps_of(row)[-1]) for row in range(len(result.runs))]
        last = {name: result.last(name) for name in columns}
        return pandas.concat([records, pandas.DataFrame({"env_steps": ends, **last}, index=records.index)], axis=1)
    axes = np.stack([result.env_steps_of(row) for row in range(len(result.runs))])
    # An axis is filled up with its last step; what is filled up is no evaluation.
    real = np.concatenate([np.ones((len(axes), 1), bool), np.diff(axes, axis=1) > 0], axis=1)
    rows = np.nonzero(real)[0]
    long = records.iloc[rows].reset_index(drop=True)
    values = {"env_steps": axes[real], **{name: curve[real] for name, curve in columns.items()}}
    return pandas.concat([long, pandas.DataFrame(values)], axis=1)


def rows_frame(rows: Sequence[dict[str, Any]]) -> "pandas.DataFrame":
    """Rows with intervals in them: each interval becomes three columns, NAME, NAME_low and NAME_high."""
    flat = []
    for row in rows:
        cells: dict[str, Any] = {}
        for name, value in row.items():
            if isinstance(value, Interval):
                cells |= {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
            else:
                cells[name] = _cell(value)
        flat.append(cells)
    return _pandas().DataFrame(flat)


def _cell(value: Any) -> Any:
    """A value that pandas can group by: a table becomes tuples."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(_cell(item) for item in value) if isinstance(value, list) else value


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise InputError("to_pandas needs pandas: pip install 'jaxvf[pandas]'") from error
    return pandas
