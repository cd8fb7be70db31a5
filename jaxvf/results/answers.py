"""What a sweep answers, condition by condition: how often the optimum or a win is reached, else the return."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from jaxvf.errors import InputError, unknown
from jaxvf.results.selection import same
from jaxvf.results.statistics import Interval, fraction_interval, iqm_interval

if TYPE_CHECKING:
    from jaxvf.results.result import Result

# A run counts where at least half of its greedy test episodes end so; in order of precedence.
FRACTIONS = {"fraction_optimal": "test_optimal", "fraction_won": "test_won"}
REACHED = 0.5
NOTHING_YET = "there are no curves yet: no run has been evaluated; go on with `jaxvf resume DIR`"
MEANINGS = {
    "fraction_optimal": "runs at the optimum",
    "fraction_won": "runs that win at least half of their test episodes",
    "test_return": "test return",
}


def headline(result: "Result") -> str:
    """The name of a result's answer: a fraction of `FRACTIONS` where a run has the metric, else "test_return"."""
    for name, metric in FRACTIONS.items():
        if metric in result.metrics and not np.isnan(result.metric(metric)).all():
            return name
    return "test_return"


def chosen(result: "Result", metric: str | None) -> str:
    """A metric or fraction that the user names, or the headline where none is named.

    Raises:
        InputError: for a name that the result has not, with the nearest that it has; or if nothing is evaluated yet.
    """
    names = [*result.metrics, *(name for name, of in FRACTIONS.items() if of in result.metrics)]
    if not names:
        raise InputError(NOTHING_YET)
    if metric is None:
        return headline(result)
    if metric not in names:
        raise unknown("metric", metric, names)
    return metric


def has_metric(result: "Result", rows: Sequence[int] | Int[np.ndarray, "..."], name: str) -> bool:
    """Whether these runs report a metric at all: their environment may not. If all diverged, others of it tell."""
    if name not in result.metrics:
        return False
    if all(result.runs[row]["status"] == "diverged" for row in rows):
        environments = {result.runs[row]["env"] for row in rows}
        rows = [row for row, run in enumerate(result.runs) if run["env"] in environments]
    return not bool(np.isnan(result.metric(name)[np.asarray(rows, int)]).all())


def answer(
    result: "Result", rows: Sequence[int] | Int[np.ndarray, " rows"], name: str, at: int | None = None
) -> Interval:
    """A fraction or metric of some runs at their last evaluation, with its 95 % interval.

    A diverged run has not reached anything; one that is unfinished says nothing yet.

    Args:
        result: of the sweep.
        rows: its runs.
        name: as `chosen` gives it.
        at: environment steps; the last evaluation up to there counts. None for the last of each run.
    """
    values = scores(result, name, at)
    done = values[judged(result, rows, values)]
    if name in FRACTIONS:
        return fraction_interval(int((done >= REACHED).sum()), len(done))
    interval = iqm_interval(done[:, None], rng=np.random.default_rng(0))
    return Interval(*(float(np.asarray(value).reshape(-1)[-1]) for value in interval))


def judged(
    result: "Result", rows: Sequence[int] | Int[np.ndarray, " rows"], values: Float[np.ndarray, " runs"]
) -> Int[np.ndarray, " judged"]:
    """Those of some rows that count: all but the unfinished ones that have no value yet."""
    unfinished = [result.runs[row]["status"] == "unfinished" and np.isnan(values[row]) for row in rows]
    return np.asarray(rows, int)[~np.asarray(unfinished, bool)]


def scores(result: "Result", name: str, at: int | None = None) -> Float[np.ndarray, " runs"]:
    """One number a run: a metric, or that of a fraction, at the last evaluation (up to `at`); NaN where diverged."""
    metric = FRACTIONS.get(name, name)
    if at is None:
        return result.last(metric)
    axis = np.stack([result.env_steps_of(row) for row in range(len(result.runs))])
    count = (axis <= at).sum(axis=1)
    if not count.all():
        raise InputError(f"at={at}: some runs have no evaluation up to there; the first is after {axis[:, 0].max()}")
    # Axes are padded with their last step: the last evaluation up to there is the first of those that share its step.
    place = np.argmax(axis == np.take_along_axis(axis, count[:, None] - 1, axis=1), axis=1)
    return np.take_along_axis(result.metric(metric), place[:, None], axis=1)[:, 0]


def fraction_curve(values: Float[np.ndarray, "runs evaluations"], diverged: Bool[np.ndarray, " runs"]) -> Interval:
    """The fraction of runs at or above one half at every evaluation, NaN where no run is evaluated.

    A diverged run is below; one that is not evaluated yet says nothing.
    """
    known = ~np.isnan(values) | diverged[:, None]
    found = fraction_interval((values >= REACHED).sum(axis=0), known.sum(axis=0))
    return Interval(*(np.where(known.any(axis=0), part, np.nan) for part in found))


def labels(conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short text for each condition: what differs between them, or the algorithm where nothing does.

    Every text is another one, and stays short whatever the values are.
    """
    fields = list(dict.fromkeys(name for condition in conditions for name in condition))
    varying = [
        name for name in fields if not all(same(one.get(name), conditions[0].get(name)) for one in conditions)
    ] or [name for name in ("algorithm",) if name in fields]
    # The algorithm before its environment, as one says it.
    order = sorted(varying, key=lambda name: {"label": 0, "algorithm": 1, "env": 2}.get(name, 3))
    texts = [_text({name: condition.get(name) for name in order}) for condition in conditions]
    return [text if texts.count(text) == 1 else f"{text} #{place}" for place, text in enumerate(texts)]


def value_text(value: Any) -> str:
    """A value of a record in a few characters."""
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else reprlib.repr(value.tolist() if hasattr(value, "tolist") else value)


def interval_text(interval: Interval) -> str:
    """An estimate with the two ends of its interval."""
    return "{:.2f} [{:.2f}, {:.2f}]".format(*interval)


def steps_span(steps: Num[np.ndarray, "..."]) -> str:
    """How far runs went: one number, or the range of them."""
    low, high = int(np.min(steps)), int(np.max(steps))
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"


def runs_text(counts: Sequence[int]) -> str:
    """How many runs each line of a figure is of."""
    few, many = int(np.min(counts)), int(np.max(counts))
    return f"{few:,} run{'s' * (few != 1)}" if few == many else f"{few:,} to {many:,} runs"


def _text(condition: Mapping[str, Any]) -> str:
    alone = ("label", "algorithm", "env")
    parts = [value_text(value) if name in alone else f"{name} {value_text(value)}" for name, value in condition.items()]
    return ", ".join(parts) or "all runs"
