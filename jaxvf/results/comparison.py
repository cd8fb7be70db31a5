"""Results beside each other: the answer of every condition, and which condition is likely to end above which."""

import dataclasses
import html as markup
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxvf.errors import InputError, unknown
from jaxvf.results import answers, shown
from jaxvf.results.combine import LABEL, check_shared, merged
from jaxvf.results.result import Result
from jaxvf.results.selection import grouped
from jaxvf.results.statistics import Interval, improvement_matrix

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

ENV = "env"
MOST_PAIRS = 28  # that are shown: all of eight methods


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare` returns.

    Attributes:
        metric: what is compared, a metric or one of "fraction_optimal" and "fraction_won".
        methods: names of the methods: conditions, their environment aside.
        environments: that every method was trained in.
        rows: one for every method and environment: "method", "env", "runs" (that count), "env_steps" and the metric's
            interval; "unfinished" says how many are left out, "dropped" how many a search ended early, at
            "env_steps_from" or later.
        improvement: probability that a run of one method (row) ends above one of another (column), averaged over
            environments: arrays [methods, methods], with the ends of 95 % intervals.
        scores: by method and environment, one number a run.
    """

    metric: str
    methods: list[str]
    environments: list[str]
    rows: list[dict[str, Any]]
    improvement: Interval
    scores: list[list[np.ndarray]] = dataclasses.field(repr=False)

    def to_pandas(self) -> "pandas.DataFrame":
        """The rows as a data frame, ends of intervals in columns of their own; needs pandas."""
        from jaxvf.results.frames import rows_frame

        return rows_frame(self.rows)

    def plot(self) -> "Figure":
        """The matrix of probabilities of improvement as a figure."""
        from jaxvf.results.comparison_plots import improvement

        return shown.displayable(improvement(self))

    def __repr__(self) -> str:
        width = max(map(len, self.methods))
        lines = [f"Comparison of {len(self.methods)} by {self.metric} (95 % intervals)"]
        lines += [f"  {name:{width}}  {answer}  {rest}" for name, answer, rest in self._cells()]
        pairs = self._pairs()
        lines += [f"  P({a} > {b}) = {chance}" for a, b, chance in pairs[:MOST_PAIRS]]
        if len(pairs) > MOST_PAIRS:
            lines.append(f"  and {len(pairs) - MOST_PAIRS} more pairs: see improvement")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = f"<p><b>{markup.escape(answers.MEANINGS.get(self.metric, self.metric))}</b>, 95 % intervals</p>"
        answer = shown.table(("method", self.metric, ""), self._cells())
        pairs = shown.table(("a", "b", "P(a run of a ends above one of b)"), self._pairs()[:MOST_PAIRS])
        return f"<div>{head}{answer}{pairs}</div>"

    def _cells(self) -> list[tuple[str, str, str]]:
        several = len(self.environments) > 1
        return [(row["method"], answers.interval_text(row[self.metric]), _facts(row, several)) for row in self.rows]

    def _pairs(self) -> list[tuple[str, str, str]]:
        """Every pair once, the likely winner first."""
        found = []
        for i, a in enumerate(self.methods):
            for j, b in enumerate(self.methods):
                chance = Interval(*(float(np.asarray(part)[i, j]) for part in self.improvement))
                if chance.estimate > 0.5 or (chance.estimate == 0.5 and i < j):
                    found.append((a, b, answers.interval_text(chance)))
        return found


def compare(
    first: Result | Mapping[str, Result], *others: Result, metric: str | None = None, at: int | None = None
) -> Comparison:
    """Put the conditions of one or several results beside each other.

        jaxvf.compare({"wide": a, "narrow": b})

    Args:
        first: a result, or results by label.
        *others: more results.
        metric: what to compare: a metric that all have, "fraction_optimal" or "fraction_won"; by default a fraction
            where the first result has one, else "test_return".
        at: environment steps: the last evaluation up to there counts. By default the end of every run.

    Raises:
        InputError: for results without a common metric or of different budgets (give `at`), a metric that one of them
            has not, fewer than two methods, or environments that not every method was trained in.
    """
    given = list(first.values()) if isinstance(first, Mapping) else [first, *others]
    if isinstance(first, Mapping) and others:
        raise InputError("compare takes results, or one mapping from labels to results")
    for one in given:
        if not isinstance(one, Result):
            raise InputError(f"compare takes results, not {one!r}; `jaxvf.load(DIR)` reads one")
    if not given:
        raise InputError("compare needs at least one result")
    check_shared(given)
    name = answers.chosen(given[0], metric)
    for one in given:
        if answers.FRACTIONS.get(name, name) not in one.metrics:
            shared = set.intersection(*(set(result.metrics) for result in given))
            raise unknown("metric of all results", name, shared)
    result = merged(_told_apart(first if isinstance(first, Mapping) else given))
    _check_budgets(result, at)
    return comparison(result, name, at)


def comparison(result: Result, name: str, at: int | None = None) -> Comparison:
    """The conditions of one result beside each other; `name` as `answers.chosen` gives it.

    Raises:
        InputError: for fewer than two methods, or environments that not every method was trained in.
    """
    methods, environments, rows_of = methods_of(result)
    if len(methods) < 2:
        raise InputError(f"there is nothing to compare with {methods[0]}: all runs are of one condition")
    for method, of_method in zip(methods, rows_of, strict=True):
        missing = [env for env in environments if env not in of_method]
        if missing:
            raise InputError(f"{method} was not trained in {missing[0]}, others were; compare a selection")
    values = answers.scores(result, name, at)
    if name in answers.FRACTIONS:
        values = np.where(np.isnan(values), np.nan, values >= answers.REACHED)
    counted = [[_counted(result, of_method[env], values, method) for env in environments]
               for method, of_method in zip(methods, rows_of, strict=True)]  # fmt: skip
    scores = [[values[rows] for rows in of_method] for of_method in counted]
    rows = [
        _row(result, method, env, of_method[place], len(rows_of[number][env]), name, at)
        for place, env in enumerate(environments)
        for number, (method, of_method) in enumerate(zip(methods, counted, strict=True))
    ]
    matrix = improvement_matrix(scores, rng=np.random.default_rng(0))
    return Comparison(name, methods, environments, rows, matrix, scores)


def _facts(row: Mapping[str, Any], several: bool) -> str:
    """How many runs a row is of, and how far they went."""
    steps = answers.steps_span(np.asarray([row.get("env_steps_from", row["env_steps"]), row["env_steps"]]))
    facts = [f"{answers.runs_text([row['runs']])}{f' on {row[ENV]}' if several else ''}, {steps} steps"]
    facts += [f"{row['unfinished']} more unfinished"] if "unfinished" in row else []
    facts += [f"{row['dropped']} dropped by the search, at their last evaluation"] if "dropped" in row else []
    return "; ".join(facts)


def methods_of(result: Result) -> tuple[list[str], list[str], list[dict[str, list[int]]]]:
    """Names of the methods, the environments, and per method its rows by environment."""
    conditions, rows_of = [], []
    for condition, rows in grouped([{k: v for k, v in run.items() if k != ENV} for run in result.runs]):
        by_env: dict[str, list[int]] = {}
        for row in rows:
            by_env.setdefault(result.runs[row][ENV], []).append(row)
        conditions.append(condition)
        rows_of.append(by_env)
    environments = list(dict.fromkeys(run[ENV] for run in result.runs))
    return answers.labels(conditions), environments, rows_of


def _row(
    result: Result, method: str, env: str, counted: np.ndarray, of: int, name: str, at: int | None
) -> dict[str, Any]:
    """The answer of one method in one environment; of unfinished and dropped runs only where there are any."""
    ends = [int(result.env_steps_of(row)[-1]) for row in counted]
    dropped = sum(result.runs[row]["status"] == "dropped" for row in counted)
    row: dict[str, Any] = {"method": method, "env": env, "runs": len(counted), "env_steps": at or max(ends)}
    if of > len(counted):
        row["unfinished"] = of - len(counted)
    if dropped:
        row |= {"dropped": dropped, "env_steps_from": min(at or min(ends), min(ends))}
    return row | {name: answers.answer(result, counted, name, at)}


def _counted(result: Result, rows: list[int], values: np.ndarray, method: str) -> np.ndarray:
    """The rows that are compared: an unfinished run has no score, and a diverged one the worst."""
    counted = answers.judged(result, rows, values)
    if not len(counted):
        raise InputError(f"no run of {method} is finished; go on with `jaxvf resume DIR`")
    return counted


def _told_apart(results: Sequence[Result] | Mapping[str, Result]) -> list[Result]:
    """Results with their labels; of a list, labelled "1", "2", ... where their conditions are the same."""
    if isinstance(results, Mapping):
        return [result.labelled(str(label)) for label, result in results.items()]
    joined = merged(results)
    apart = sum(len(grouped(result.runs)) for result in results) == len(grouped(joined.runs))
    fields = {LABEL for result in results for run in result.runs if LABEL in run}
    if apart or fields:
        return list(results)
    return [result.labelled(str(place)) for place, result in enumerate(results, start=1)]


def _check_budgets(result: Result, at: int | None) -> None:
    ends = {int(result.env_steps_of(row)[-1]) for row, run in enumerate(result.runs) if run["status"] != "dropped"}
    if at is None and len(ends) > 1:
        low, high = min(ends), max(ends)
        said = f"the runs end at {low:,} to {high:,} environment steps"
        raise InputError(f"{said}; compare them at {low:,}: at={low} in Python, --at {low} on the command line")
