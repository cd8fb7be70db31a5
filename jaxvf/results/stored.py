"""The curves of a run directory from its files alone: no configuration is constructed, no policy is read."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.errors import InputError
from jaxvf.results.policy import Policy
from jaxvf.results.result import Result
from jaxvf.results.sections import Sections, read_sections
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import from_json

PART = re.compile(r"(.+)-s([0-9]{6,})", re.ASCII)  # name of the unit, and how many of its segments are done
STATUSES = ("unfinished", "finished", "diverged")


def read_result(directory: RunDirectory, policy: Callable[[int], Policy]) -> Result:
    """The results in a directory, of an unfinished sweep as far as it got.

    Args:
        directory: of the sweep.
        policy: gives the policy of a run when it is asked for.

    Raises:
        InputError: if the directory holds no sweep, or a file of it is damaged.
    """
    records = _records(directory)
    sections = read_sections(directory, len(records))
    reader = _Reader(directory, sections)
    for part in directory.parts():
        reader.add(part)
    reader.check()
    for row, record in enumerate(records):
        record["status"] = STATUSES[reader.status[row]]
    return Result(records, reader.curves, reader.env_steps(), sections.timing, policy)


def split_part(directory: RunDirectory, part: str) -> tuple[str, int]:
    """The unit of a part of the metrics, and how many of its segments are then done.

    Raises:
        InputError: for a file that no sweep wrote.
    """
    found = PART.fullmatch(part)
    if found is None:
        raise InputError(f"{directory.part_path(part)} is no part of this sweep; move it away")
    return found[1], int(found[2])


def _records(directory: RunDirectory) -> list[dict[str, Any]]:
    """The table of runs, with configurations in place of their descriptions where this program knows their classes."""
    path = directory.path / "runs.parquet"
    rows = directory.read_runs()
    typed = {"run": int, "seed": int, "env": str, "algorithm": str, "status": str}
    if not all(isinstance(row.get(name), kind) for row in rows for name, kind in typed.items()):
        raise directory.damaged(path, f"a run lacks one of {', '.join(typed)}")
    rows.sort(key=lambda row: row["run"])
    if [row["run"] for row in rows] != list(range(len(rows))):
        raise directory.damaged(path, "its runs are not numbered from 0 on")
    return [{name: _configuration(value, path) for name, value in row.items()} for row in rows]


def _configuration(value: Any, path: Path) -> Any:
    value = value.tolist() if isinstance(value, np.ndarray) else value
    try:
        return from_json(value, path)
    except InputError:  # of a class that this program does not know: its description tells runs apart as well
        return value


@dataclasses.dataclass
class _Curve:
    """One metric of all runs, and where it has been read."""

    values: Float[np.ndarray, "runs evaluations"]
    read: Bool[np.ndarray, "runs evaluations"]


class _Reader:
    """Puts parts of the metrics into their places, and sees whether any is missing or doubled."""

    def __init__(self, directory: RunDirectory, sections: Sections):
        self.directory, self.sections = directory, sections
        self.status = np.zeros(sections.runs, np.int8)  # into STATUSES
        self._runs_of: dict[str, Int[np.ndarray, " runs"]] = {}
        self._curves: dict[str, _Curve] = {}

    @property
    def curves(self) -> dict[str, Float[np.ndarray, "runs evaluations"]]:
        """Metrics by name; NaN where there is nothing."""
        return {name: curve.values for name, curve in self._curves.items()}

    def env_steps(self) -> Int[np.ndarray, "runs evaluations"]:
        """Steps at each evaluation; runs with fewer evaluations repeat their last."""
        places = np.arange(1, self._longest + 1)
        return self.sections.segment_steps[:, None] * np.minimum(places, self.sections.segments[:, None])

    def add(self, part: str) -> None:
        """Read one part."""
        unit, _ = split_part(self.directory, part)
        columns = self.directory.read_part(part)
        runs = columns["run"]
        within = bool(((runs >= 0) & (runs < self.sections.runs)).all())
        if not within or len(np.unique(runs)) == 0:
            raise self._damaged(part, "its runs are not those of run.json")
        steps = self.sections.segment_steps[runs]
        evaluation = columns["env_steps"] // steps - 1
        outside = (evaluation < 0) | (evaluation >= self.sections.segments[runs])
        if (outside | (columns["env_steps"] % steps != 0)).any():
            raise self._damaged(part, "its env_steps are not those of run.json")
        if not np.array_equal(self._runs_of.setdefault(unit, np.unique(runs)), np.unique(runs)):
            raise self._damaged(part, "its runs are not those of the other parts of its unit")
        for code, name in enumerate(columns["names"]):
            of_metric = columns["metric"] == code
            self._place(part, str(name), runs[of_metric], evaluation[of_metric], columns["value"][of_metric])

    def check(self) -> None:
        """Settle the status of every run.

        Raises:
            InputError: if the parts of a unit do not make whole curves.
        """
        for unit, diverged in self.sections.units.items():
            runs = self._runs_of.get(unit)
            if runs is None:
                raise self._missing(unit)
            if len(runs) != len(diverged):
                raise self.directory.damaged(self.directory.unit_record(unit), f"its unit has {len(runs)} runs")
            self.status[runs] = np.where(diverged, 2, 1)
        for unit, runs in self._runs_of.items():
            done = {self._done(unit, runs, curve) for curve in self._curves.values()} - {0}
            wanted = {int(self.sections.segments[runs[0]])} if unit in self.sections.units else done
            if len(done) != 1 or done != wanted:
                raise self._missing(unit)

    def _done(self, unit: str, runs: np.ndarray, curve: _Curve) -> int:
        """Segments at whose ends all runs of a unit have the metric."""
        read = curve.read[runs]
        done = int(read[0].sum())
        if not (read[:, :done].all() and not read[:, done:].any()):
            raise self._missing(unit)
        return done

    def _place(self, part: str, name: str, runs: np.ndarray, evaluation: np.ndarray, values: np.ndarray) -> None:
        shape = self.sections.runs, self._longest
        if name not in self._curves and len(runs):
            self._curves[name] = _Curve(np.full(shape, np.nan, np.float32), np.zeros(shape, bool))
        places = runs.astype(np.int64) * self._longest + evaluation
        if not len(places):
            return
        curve = self._curves[name]
        if len(np.unique(places)) < len(places) or curve.read.reshape(-1)[places].any():
            raise self._damaged(part, f"values of {name} that are in the metrics twice")
        curve.values.reshape(-1)[places] = values
        curve.read.reshape(-1)[places] = True

    @property
    def _longest(self) -> int:
        return int(self.sections.segments.max())

    def _damaged(self, part: str, why: str) -> InputError:
        return self.directory.damaged(self.directory.part_path(part), why)

    def _missing(self, unit: str) -> InputError:
        return InputError(f"files of {self.directory.path / 'metrics' / unit} are missing; the others are intact")
