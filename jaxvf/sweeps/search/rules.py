"""What decides between segments which runs go on, from whose state, and with which values of traced fields."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxvf.errors import InputError, unknown
from jaxvf.hyperparameters import field_at
from jaxvf.sweeps.compile import metric_names
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.space import Run
from jaxvf.sweeps.values import SEED

ALWAYS = "test_return"  # the metric that every program has


class Decision(NamedTuple):
    """What goes on.

    Attributes:
        rows: numbers of the runs that go on, in the plan's group, ascending.
        sources: where in the present program each of them takes its learner and memory from.
        values: of the recorded fields, [fields, runs that go on].
    """

    rows: np.ndarray
    sources: np.ndarray
    values: np.ndarray


class Rule(Protocol):
    """Decides between segments.

    Attributes:
        metric: by which runs are compared; higher is better.
        recorded: traced fields whose values may change, and are recorded as metrics.
    """

    @property
    def metric(self) -> str: ...

    @property
    def recorded(self) -> tuple[str, ...]: ...

    def runs_after(self, done: int) -> int:
        """Runs in the program once `done` segments are done and judged."""
        ...

    def decide(self, done: int, rows: np.ndarray, scores: np.ndarray, values: np.ndarray) -> Decision | None:
        """What goes on after `done` segments; None where nothing changes.

        Args:
            done: segments done.
            rows: numbers of the runs in the program.
            scores: their metric in the last segment; NaN is the worst.
            values: of the recorded fields, [fields, runs].
        """
        ...


class Method(Protocol):
    """How a sweep is searched; a frozen dataclass of plain numbers and names, so that JSON holds it."""

    def rule(self, group: Group, root_seed: int) -> Rule:
        """The rule for the runs of a group.

        Raises:
            InputError: if they cannot be searched so.
        """
        ...


def only_group(plan: Plan) -> Group:
    """The group of a plan in which only traced fields differ.

    Raises:
        InputError: naming a static field that differs, where there are several.
    """
    if len(plan.groups) == 1:
        return plan.groups[0]
    runs = [group.runs[0] for group in plan.groups]
    for name in runs[0].settings:
        static = not _is_env(name) and name != SEED and not field_at(runs[0].algorithm, name)[0].metadata.get("traced")
        if static and len({repr(run.settings[name]) for run in runs}) > 1:
            raise InputError(f"search over {name}: a static field needs a program a value; search traced fields only")
    raise InputError(
        f"a search runs in one program, and this sweep needs {len(plan.groups)}: search one environment and one "
        "learner at a time"
    )


def searched_fields(runs: Sequence[Run]) -> tuple[str, ...]:
    """Traced numbers of the learner that differ between runs.

    Raises:
        InputError: if there is none, or one is not a number but an array.
    """
    names = [name for name in runs[0].settings if name != SEED and not _is_env(name)]
    found = tuple(name for name in names if len({str(run.settings[name]) for run in runs}) > 1)
    if not found:
        raise InputError("population: no traced field of the learner varies; give e.g. learning_rate=log(1e-4,1e-2,16)")
    for name in found:
        if np.ndim(field_at(runs[0].algorithm, name)[1]):
            raise InputError(f"population: {name} is an array; only numbers are perturbed")
    return found


def places(runs: Sequence[Run], key: Callable[[Run], Hashable]) -> list[np.ndarray]:
    """The numbers of the runs with one key, key by key in order of first appearance."""
    found: dict[Hashable, list[int]] = {}
    for place, run in enumerate(runs):
        found.setdefault(key(run), []).append(place)
    return [np.asarray(members) for members in found.values()]


def task(run: Run) -> Hashable:
    """What a run is trained on; returns of different tasks are not compared."""
    return run.labels["env"], settings_key(run, lambda name: _is_env(name))


def settings_key(run: Run, wanted: Callable[[str], bool]) -> Hashable:
    """The settings of a run whose names are `wanted`, as a key."""
    return tuple((name, repr(value)) for name, value in run.settings.items() if wanted(name))


def comparable(scores: np.ndarray) -> np.ndarray:
    """Scores in which a diverged run is worse than every other."""
    return np.where(np.isnan(scores), -np.inf, scores.astype(np.float64))


def check_fraction(name: str, value: Any, high: float) -> None:
    """Raise unless a number lies above 0 and not above `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= high:
        raise InputError(f"{name}={value!r} is not a number above 0 and not above {high:g}")


def check_count(name: str, value: Any, low: int = 1) -> None:
    """Raise unless a value is a whole number from `low` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InputError(f"{name}={value!r} is not a whole number from {low} on")


def check_metric(metric: str, groups: Sequence[Group]) -> None:
    """Raise unless some group's program reports a metric."""
    if metric == ALWAYS:
        return
    names = [name for group in groups for name in metric_names(group)]
    if metric not in names:
        raise unknown("metric", metric, names)


def _is_env(name: str) -> bool:
    return name.startswith("env.")
