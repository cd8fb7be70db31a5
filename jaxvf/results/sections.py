"""The sections of run.json that results are read by, checked before anything relies on them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxvf.errors import InputError
from jaxvf.results.parsing import parse_json
from jaxvf.results.store import FINISHED, UNFINISHED, RunDirectory

LARGEST = 2**31 - 1  # of runs, segments and steps


@dataclasses.dataclass(frozen=True)
class Sections:
    """What run.json says of the runs.

    Attributes:
        document: all of run.json.
        segments: evaluations of each run.
        segment_steps: environment steps between two of them.
        units: per finished unit, which of its runs diverged.
        timing: per group of runs.
    """

    document: dict[str, Any]
    segments: Int[np.ndarray, " runs"]
    segment_steps: Int[np.ndarray, " runs"]
    units: dict[str, list[bool]]
    timing: list[dict[str, Any]]

    @property
    def runs(self) -> int:
        """How many runs the sweep has."""
        return len(self.segments)


def read_sections(directory: RunDirectory, runs: int) -> Sections:
    """The sections of a sweep that has a plan.

    Args:
        directory: of the sweep.
        runs: rows of its table of runs.

    Raises:
        InputError: if there is no sweep, it has not begun, or a section is not what jaxvf writes; the line names it.
    """
    document = checked_document(directory)
    groups = document.get("plan")
    if groups is None:
        raise InputError(f"{directory.path} holds a sweep that has not begun; `jaxvf resume` begins it")
    planned, longest = sum(group["runs"] for group in groups), max(group["segments"] for group in groups)
    if planned != runs or planned * longest > LARGEST:
        raise damaged_section(directory, "plan", f"{planned} runs of up to {longest} evaluations; the table has {runs}")
    segments, steps, times = np.zeros((3, planned), np.int64)
    for group in groups:
        for first, last in group["run_ranges"]:
            places = slice(first, last + 1)
            segments[places], steps[places] = group["segments"], group["segment_steps"]
            times[places] += 1
    if (times != 1).any():
        raise damaged_section(directory, "plan", "its groups do not share out the runs")
    units = {path.stem: read_unit(path)["diverged"] for path in directory.unit_records()}
    return Sections(document, segments, steps, units, document.get("timing", []))


def checked_document(directory: RunDirectory) -> dict[str, Any]:
    """All of run.json, of a sweep that may not have a plan yet.

    Raises:
        InputError: if a section is not what jaxvf writes; the line names it.
    """
    document = directory.read_json()
    for section, holds in SECTIONS.items():
        if (section == "config" or section in document) and not holds(document.get(section)):
            raise damaged_section(directory, section, "not what jaxvf writes")
    return document


def read_unit(path: Path) -> dict[str, Any]:
    """What is recorded of a finished unit: which of its runs diverged, seconds, steps, and what compiling said.

    Raises:
        InputError: if the file is not what jaxvf writes.
    """
    try:
        record = parse_json(path.read_bytes())
        fates, numbers = record["diverged"], (record["seconds"], record["steps"])
        of_fates = isinstance(fates, list) and all(isinstance(fate, bool) for fate in fates)
        if of_fates and all(isinstance(number, int | float) for number in numbers):
            return record
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise InputError(f"{path} is damaged; remove it to compute its unit again; everything else is intact")


def damaged_section(directory: RunDirectory, section: str, why: str) -> InputError:
    """The line about a section of run.json."""
    return directory.damaged(directory.path / "run.json", f"section {section}: {why}")


def _is_class(section: Any) -> bool:
    return isinstance(section, dict) and section.keys() == {"class", "fields"}


def _is_status(section: Any) -> bool:
    return section in (FINISHED, UNFINISHED)


def _is_named(section: Any) -> bool:
    return isinstance(section, dict)


def _is_plan(section: Any) -> bool:
    return isinstance(section, list) and len(section) > 0 and all(_is_group(group) for group in section)


def _is_group(group: Any) -> bool:
    counts = ("runs", "chunk", "segments", "segment_steps")
    if not isinstance(group, dict) or not all(_is_count(group.get(name)) for name in counts):
        return False
    ranges = group.get("run_ranges")
    if not isinstance(ranges, list) or not all(_is_range(one, group["runs"]) for one in ranges):
        return False
    return sum(last - first + 1 for first, last in ranges) == group["runs"]


def _is_range(ends: Any, runs: int) -> bool:
    if not isinstance(ends, list) or len(ends) != 2 or not all(_is_count(end, low=0) for end in ends):
        return False
    return 0 <= ends[1] - ends[0] < runs


def _is_count(value: Any, low: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= LARGEST


def _is_timing(section: Any) -> bool:
    return isinstance(section, list) and all(isinstance(entry, dict) for entry in section)


SECTIONS = {
    "config": _is_class,
    "status": _is_status,
    "plan": _is_plan,
    "timing": _is_timing,
    "versions": _is_named,
}
