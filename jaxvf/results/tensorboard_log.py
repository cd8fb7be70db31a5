"""TensorBoard logging of a sweep, by tensorboardX: curves of conditions, and the table of runs as text."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxvf.results.answers import value_text

MOST_ROWS = 200  # of the table; TensorBoard shows text in full


class TensorboardSink:
    """Writes event files; `tensorboard --logdir` shows them.

    Args:
        directory: where event files go.
    """

    def __init__(self, directory: str | Path):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(directory))

    def scalars(self, env_steps: int, values: Mapping[str, float]) -> None:
        """Write numbers by name."""
        for name, value in values.items():
            self._writer.add_scalar(tag(name), value, env_steps)
        self._writer.flush()

    def finish(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Write one line per run, and close the file."""
        if runs:
            self._writer.add_text("runs", markdown(runs))
        self._writer.close()


def tag(name: str) -> str:
    """A name of letters, digits, `-`, `_`, `.` and `/`, as TensorBoard wants it."""
    return re.sub(r"[^-/\w.]+", "_", name)


def markdown(runs: Sequence[Mapping[str, Any]]) -> str:
    """Records as a table; what could end a cell, or begin a tag, is escaped."""
    columns = list(dict.fromkeys(name for record in runs for name in record))
    rows = [[record.get(name) for name in columns] for record in runs[:MOST_ROWS]]
    lines = [columns, ["---"] * len(columns), *rows]
    text = "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)
    left = len(runs) - MOST_ROWS
    return text if left <= 0 else f"{text}\n\nand {left} more runs: see runs.parquet"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else value_text(value)
    return re.sub(r"\s+", " ", text).replace("|", r"\|").replace("<", "&lt;")
