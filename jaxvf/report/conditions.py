"""Which runs are repetitions of each other: conditions, what they are called and how they look."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxvf.errors import InputError
from jaxvf.report.study import Study
from jaxvf.results.selection import NOT_OF_A_CONDITION
from jaxvf.serialize import to_json

NAMES = ("directory", "env", "algorithm")
MOST_CONDITIONS = 40  # more than a reader can compare; fields with many values are then pooled
LONGEST = 40  # characters of a value; a longer one is cut and numbered
MOST_SINGLE = 6  # values of a field that are told apart even where each has one run
FEWEST_RUNS = 2  # of a typical condition; a field drawn anew for every run makes no condition


@dataclasses.dataclass(frozen=True)
class Condition:
    """Runs that differ in nothing but their seed, and in fields that are pooled.

    Attributes:
        rows: the runs, rows of the study.
        directory: label of their directory.
        env: label of their environment.
        learner: label of their algorithm.
        settings: what the sweep set and some other condition has otherwise, as text by field.
    """

    rows: Int[np.ndarray, " runs"]
    directory: str
    env: str
    learner: str
    settings: dict[str, str]


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """Something in which runs differ.

    Attributes:
        name: as the sweep calls it; "directory", "env", "algorithm" or a setting.
        numbers: the value of every run, NaN where it has none; None where values are not numbers.
        levels: every distinct value as text, in order; a long one is cut.
        texts: the same, whole.
        codes: place of each run's value in `levels`.
    """

    name: str
    numbers: np.ndarray | None
    levels: list[str]
    texts: list[str]
    codes: Int[np.ndarray, " runs"]


def fields_of(study: Study) -> list[Field]:
    """Everything but the seed in which the runs differ, names first.

    The directory is among them only where two hold one learner on one environment: an experiment that keeps each
    learner in a directory of its own differs in the learner.
    """
    names = dict.fromkeys(name for record in study.records for name in record if name not in NOT_OF_A_CONDITION)
    made = (_field(name, [record.get(name) for record in study.records]) for name in names)
    fields = [field for field in made if len(field.levels) > 1]
    named = [field for field in fields if field.name in NAMES]
    others = [field for field in named if field.name != "directory"]
    runs = len(study.records)
    told_apart = len(_groups(others, runs)) == len(_groups(named, runs))
    return [field for field in fields if field.name != "directory" or not told_apart]


def _groups(fields: Sequence[Field], runs: int) -> np.ndarray:
    """The distinct rows of the fields' values."""
    codes = np.stack([field.codes for field in fields], axis=1) if fields else np.zeros((runs, 0), int)
    return np.unique(codes, axis=0)


def go_together(one: Field, other: Field) -> bool:
    """Whether either value says the other, as of fields that a sweep varies together."""
    return len(_groups([one, other], len(one.codes))) == len(one.levels) == len(other.levels)


def conditions_of(study: Study, fields: Sequence[Field]) -> tuple[list[Condition], list[str]]:
    """The conditions in order of first appearance, and the names of the fields that are pooled.

    Fields are pooled, the one with the most values first, while there are more conditions than a reader can compare,
    or most have a single run because a field was drawn anew for every run.
    """
    kept, pooled = list(fields), []
    while True:
        codes = np.stack([field.codes for field in kept], axis=1) if kept else np.zeros((len(study.records), 0), int)
        _, first, group = np.unique(codes, axis=0, return_index=True, return_inverse=True)
        group = group.reshape(-1)
        sizes = np.bincount(group)
        settings = [field for field in kept if field.name not in NAMES]
        single = np.median(sizes) < FEWEST_RUNS and any(len(field.levels) > MOST_SINGLE for field in settings)
        if not settings or not (len(sizes) > MOST_CONDITIONS or single):
            break
        widest = max(settings, key=lambda field: len(field.levels))
        kept.remove(widest)
        pooled.append(widest.name)
    names = [field.name for field in _telling(kept, settings, len(study.records))]
    members = [np.flatnonzero(group == each) for each in np.argsort(first)]
    return [_condition(study, rows, fields, names) for rows in members], pooled


def _telling(fields: Sequence[Field], settings: Sequence[Field], runs: int) -> list[Field]:
    """The settings that a condition is called by: those that environment, learner and earlier settings do not say."""
    kept = [field for field in fields if field.name != "directory"]
    for field in reversed(settings):
        others = [other for other in kept if other is not field]
        if len(_groups(others, runs)) == len(_groups(kept, runs)):
            kept = others
    return [field for field in settings if field in kept]


def _condition(study: Study, rows: np.ndarray, fields: Sequence[Field], names: Sequence[str]) -> Condition:
    of = study.records[int(rows[0])]
    settings = {field.name: field.levels[field.codes[rows[0]]] for field in fields if field.name in names}
    absent = {name for name in names if of.get(name) is None}  # of another directory
    settings = {name: text for name, text in settings.items() if name not in absent}
    return Condition(rows, of["directory"], of["env"], of["algorithm"], settings)


def label(condition: Condition, fields: Sequence[Field]) -> str:
    """What a condition is called in a line of text: whatever tells it from others."""
    differ = {field.name for field in fields}
    names = [condition.learner]
    names += [condition.env] if "env" in differ else []
    names += [f"{name} {text}" for name, text in condition.settings.items()]
    names += [condition.directory] if "directory" in differ else []
    return ", ".join(names)


def setting(condition: Condition, fields: Sequence[Field]) -> str:
    """The same without the learner: what a panel with a line for each learner is called."""
    differ = {field.name for field in fields}
    names = [condition.env]
    names += [f"{name} {text}" for name, text in condition.settings.items()]
    names += [condition.directory] if "directory" in differ else []
    return ", ".join(names)


def _field(name: str, values: Sequence[Any]) -> Field:
    if all(value is None or _is_number(value) for value in values):
        numbers = np.asarray([np.nan if value is None else float(value) for value in values])
        distinct, codes = np.unique(numbers, return_inverse=True)
        levels = [number_text(value) for value in distinct]
        return Field(name, numbers, levels, levels, codes.reshape(-1))
    texts = [field_text(value) for value in values]
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    levels = [text if len(text) <= LONGEST else f"{text[:LONGEST]}… (no. {at + 1})" for text, at in places.items()]
    return Field(name, None, levels, list(places), np.asarray([places[text] for text in texts]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_text(value: float) -> str:
    """A number with up to six digits, "none" for NaN."""
    return "none" if math.isnan(value) else f"{value:.6g}".replace("-", "−")


def field_text(value: Any) -> str:
    """The value of a field in a few words: a number, a name, a configuration's class with its fields, a table."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if value is None:
        return "none"
    if _is_number(value):
        return number_text(value)
    if isinstance(value, str | bool):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        try:
            value = to_json(value)
        except InputError:
            return type(value).__name__
    if isinstance(value, dict) and value.keys() == {"class", "fields"}:
        name = str(value["class"]).rpartition(":")[2]
        inside = ", ".join(f"{key}={field_text(item)}" for key, item in dict(value["fields"]).items())
        return f"{name}({inside})"
    return json.dumps(value, default=str)
