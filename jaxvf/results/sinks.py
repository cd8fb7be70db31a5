"""Other places that a sweep reports to while it runs: TensorBoard, Weights & Biases, or a user's own.

What is logged is of conditions, not of runs: a sweep of a thousand runs has a curve for each of its conditions.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from jaxvf.errors import InputError, unknown
from jaxvf.results import answers
from jaxvf.results.selection import grouped
from jaxvf.results.statistics import fraction_interval, iqm

if TYPE_CHECKING:
    from jaxvf.results.result import Result

MOST_CONDITIONS = 100  # with curves of their own; more would fill a dashboard with lines that nobody reads


@runtime_checkable
class Sink(Protocol):
    """Takes what a sweep reports."""

    def scalars(self, env_steps: int, values: Mapping[str, float]) -> None:
        """Numbers by name, `METRIC/CONDITION`, after so many environment steps of a run."""
        ...

    def finish(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """The sweep ended; one record a run, none where it was interrupted."""
        ...


class Destination(NamedTuple):
    """A sink that is opened when the sweep begins: its kind and its options."""

    kind: str
    options: Mapping[str, Any]


# What `--log` may name: its options, the package it needs, and the extra that brings it.
DESTINATIONS: Mapping[str, tuple[tuple[str, ...], str, str]] = MappingProxyType(
    {
        "tensorboard": (("directory",), "tensorboardX", "tensorboard"),
        "wandb": (("mode", "project", "name", "group", "tags"), "wandb", "wandb"),
    }
)
MODES = ("online", "offline")  # of Weights & Biases


def parse(log: Any) -> list[Destination | Sink]:
    """What a user gives as `log`: nothing, one destination or several; a sink passes through.

    A destination is `KIND[:OPTION=VALUE,...]`: `tensorboard`, `wandb:project=mine,group=study,tags=a+b,mode=offline`.

    Raises:
        InputError: for an unknown kind or option, a wrong value, or a package that is not installed.
    """
    entries = [] if log is None else list(log) if isinstance(log, list | tuple) else [log]
    return [_destination(entry) if isinstance(entry, str) else _own(entry) for entry in entries]


class SweepLog:
    """Sums up what the runs of a sweep report, and passes it to sinks; a sink that fails is left out from then on.

    Args:
        sinks: where to report.
        records: one for each run of the sweep, by its index.
    """

    def __init__(self, sinks: Sequence[Sink], records: Sequence[Mapping[str, Any]]):
        self._sinks = list(sinks)
        groups = grouped(records)
        self._names = answers.labels([condition for condition, _ in groups])
        self._rows = [rows for _, rows in groups]
        self._condition = {row: place for place, rows in enumerate(self._rows) for row in rows}
        self._waiting: dict[tuple[int, int], dict[str, list[float]]] = {}  # by condition and step
        self._said: set[tuple[int, int]] = set()
        if len(groups) > MOST_CONDITIONS and sinks:
            _warn(f"{len(groups)} conditions are too many for curves; only the table of runs is logged")

    @property
    def active(self) -> bool:
        """Whether anything is still logged."""
        return bool(self._sinks)

    def log(
        self, env_steps: int, metrics: Mapping[str, Float[np.ndarray, " runs"]], run_ids: Int[np.ndarray, " runs"]
    ) -> None:
        """Take the metrics of some runs; a condition is reported once all its runs have come so far.

        Args:
            env_steps: of each of them.
            metrics: one value per run; NaN is a diverged run.
            run_ids: which runs these are.
        """
        if len(self._rows) > MOST_CONDITIONS:
            return
        for place in dict.fromkeys(self._condition[int(run)] for run in run_ids):
            mine = np.asarray([self._condition[int(run)] == place for run in run_ids])
            waiting = self._waiting.setdefault((place, env_steps), {})
            for name, values in metrics.items():
                waiting.setdefault(name, []).extend(np.asarray(values)[mine].tolist())
            if len(next(iter(waiting.values()), [])) == len(self._rows[place]):
                self._report(place, env_steps, self._waiting.pop((place, env_steps)))

    def close(self, result: "Result | None" = None) -> None:
        """Report what is left of a finished sweep, and the table of its runs; without a result, only finish."""
        if result is not None and len(self._rows) <= MOST_CONDITIONS:
            for place, rows in enumerate(self._rows):
                for evaluation, step in enumerate(result.env_steps_of(rows[0]).tolist()):
                    if (place, step) not in self._said:
                        of_step = {name: result.metric(name)[rows, evaluation].tolist() for name in result.metrics}
                        self._report(place, step, of_step)
        table = [] if result is None else result.runs
        self._each(lambda sink: sink.finish(table))
        self._sinks = []

    def _report(self, place: int, env_steps: int, metrics: Mapping[str, Sequence[float]]) -> None:
        self._said.add((place, env_steps))
        name = self._names[place]
        values = {f"{metric}/{of}": value for metric, of, value in summed_up(metrics, name)}
        self._each(lambda sink: sink.scalars(env_steps, values))

    def _each(self, call: Callable[[Sink], None]) -> None:
        """Call every sink; one that fails says so once and is left out, and nothing else stops."""
        for sink in list(self._sinks):
            try:
                call(sink)
            except Exception as error:
                self._sinks.remove(sink)
                said = (str(error) or type(error).__name__).splitlines()[0]
                _warn(f"{type(sink).__name__} failed, logging to it stops ({said})")


def summed_up(metrics: Mapping[str, Sequence[float]], condition: str) -> list[tuple[str, str, float]]:
    """Of one condition: each metric's IQM over the runs that did not diverge, fractions, and how many diverged."""
    found = []
    for name, values in metrics.items():
        numbers = np.asarray(values, np.float64)
        if not np.isnan(numbers).all():  # a chart draws no NaN
            found.append((name, condition, float(iqm(numbers))))
    for fraction, of in answers.FRACTIONS.items():
        numbers = np.asarray(metrics.get(of, ()), np.float64)
        if numbers.size and not np.isnan(numbers).all():
            reached = fraction_interval(int((numbers >= answers.REACHED).sum()), numbers.size)
            found.append((fraction, condition, float(reached.estimate)))
    lost = int(np.isnan(np.asarray(metrics.get("test_return", ()), np.float64)).sum())
    return [*found, ("diverged_runs", condition, float(lost))]


def open_log(
    destinations: Sequence[Destination | Sink],
    records: Sequence[Mapping[str, Any]],
    *,
    config: Mapping[str, Any],
    directory: str | Path,
) -> SweepLog:
    """Open what `parse` gave.

    Args:
        destinations: what was given.
        records: one for each run of the sweep.
        config: the configuration of the sweep.
        directory: of the sweep; logs go below it.
    """
    opened = [_open(one, config, directory) if isinstance(one, Destination) else one for one in destinations]
    return SweepLog([sink for sink in opened if sink is not None], records)


def _open(one: Destination, config: Mapping[str, Any], directory: str | Path) -> Sink | None:
    if one.kind == "tensorboard":
        from jaxvf.results.tensorboard_log import TensorboardSink

        return TensorboardSink(one.options.get("directory", Path(directory) / "tensorboard"))
    from jaxvf.results.wandb_log import open_wandb

    return open_wandb(config=config, directory=directory, **one.options)


def _destination(text: str) -> Destination:
    kind, colon, rest = text.partition(":")
    if kind not in DESTINATIONS:
        raise unknown("log", kind, DESTINATIONS)
    known, package, extra = DESTINATIONS[kind]
    options: dict[str, Any] = {}
    for assignment in rest.split(",") if colon else ():
        name, equals, value = assignment.partition("=")
        if name not in known:
            raise unknown(f"option of {kind}", name, known)
        if not equals or not value or name in options:
            raise InputError(f"log={text!r} is not {kind}[:OPTION=VALUE,...], each option once")
        options[name] = value.split("+") if name == "tags" else value
    if options.get("mode", MODES[0]) not in MODES:
        raise unknown("wandb mode", options["mode"], MODES)
    if importlib.util.find_spec(package) is None:
        raise InputError(f"log={kind} needs {package}: pip install 'jaxvf[{extra}]'")
    return Destination(kind, options)


def _own(entry: Any) -> Sink:
    if not isinstance(entry, Sink):
        raise InputError(f"log={entry!r} is neither a destination such as 'tensorboard', nor a sink")
    return entry


def _warn(message: str) -> None:
    print(f"jaxvf: {message}", file=sys.stderr)
