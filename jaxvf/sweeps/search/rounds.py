"""Seeds in rounds, all conditions alike, until the time is spent or every interval is narrow enough."""

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Iterator
from pathlib import Path

from jaxvf.errors import InputError
from jaxvf.results.combine import merged
from jaxvf.results.result import Result
from jaxvf.results.store import FINISHED, UNFINISHED, RunDirectory
from jaxvf.sweeps.execution import owned, started, write_runs
from jaxvf.sweeps.search.searching import Options, Search
from jaxvf.sweeps.space import seed_sequence
from jaxvf.sweeps.sweep import Sweep
from jaxvf.sweeps.values import SEED

# Below it a bootstrap interval says little: of three equal returns its width is 0.
FEWEST = 10
# Share of a program's compile seconds that taking it from the cache needs, as it is traced again; small learners on a
# CPU need 0.12 to 0.15.
RELOADED = 0.25


@dataclasses.dataclass(frozen=True)
class Rounds:
    """Rounds of as many seeds as the sweep names; the first round has seeds 0 ... n-1, the next n ... 2n-1.

    How long rounds go on is no part of the description: the same sweep can be given more time later.
    """


@dataclasses.dataclass(frozen=True)
class Budget:
    """When rounds end.

    Attributes:
        within: seconds, of all processes together.
        until_width: every condition's 95 % interval of the IQM of the final test return is narrower; None for never.
    """

    within: float
    until_width: float | None = None

    def __post_init__(self):
        for name, value in (("within", self.within), ("until_width", self.until_width)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and 0 < value < math.inf):
                raise InputError(f"{name}={value!r} is not a finite number above 0")


def run(search: Search, out: RunDirectory | None, options: Options, budget: Budget | None = None) -> Result:
    """Add rounds until the budget is spent; the same call goes on where it stopped, or with what is added to it.

    Args:
        search: its sweep's `seeds` is the number of seeds of a round.
        out: its rounds are sweeps in directories `round000`, ... of their own; None keeps results in memory.
        options: of every round.
        budget: when to end; None for what was said when it began.

    Raises:
        InputError: for bad input, before anything is written.
        Interrupted: after SIGINT or SIGTERM, when all that is done is saved.
    """
    sweep = search.sweep
    check(sweep)
    if out is None:
        assert budget is not None
        return merged(_rounds(sweep, None, options, _Spent(None, budget)))
    if not out.exists():
        assert budget is not None
        plan = sweep.agreed_plan(chunk=options.chunk, yes=options.yes, cache=options.cache)
        with started(out, search.config(), plan):
            return _finished(out, sweep, options, _Spent(out, budget))
    with owned(out):
        return _finished(out, sweep, options, _Spent(out, budget))


def load(search: Search, out: RunDirectory) -> Result:
    """The rounds so far, the last one as far as it got."""
    from jaxvf.sweeps.stored import load as load_sweep

    numbered = (_path(out, number) for number in itertools.count())
    paths = list(itertools.takewhile(lambda path: RunDirectory(path).exists(), numbered))
    if not paths:
        raise InputError(f"{out.path}: its first round has not begun; go on with `jaxvf resume {out.path}`")
    return merged([load_sweep(path) for path in paths])


def check(sweep: Sweep) -> None:
    """Raise unless the seeds of a sweep are a count."""
    if any(SEED in axis.split(",") for axis in sweep.grid) or not isinstance(sweep.seeds, int):
        raise InputError("within: rounds add seeds by themselves; give seeds as a count (of one round), not a list")
    seed_sequence(sweep.seeds)


def narrow(result: Result, width: float) -> bool:
    """Whether every condition has runs enough, and an interval narrower than `width`."""
    rows = result.summary()
    widths = [row["test_return"].high - row["test_return"].low for row in rows]
    return all(row["runs"] >= FEWEST and each < width for row, each in zip(rows, widths, strict=True))


class _Spent:
    """The seconds that rounds took, remembered in run.json where there is one, and what they may take."""

    def __init__(self, out: RunDirectory | None, budget: Budget | None):
        self.out = out
        stored = out.read_json().get("budget", {}) if out is not None else {}
        try:
            self.seconds = float(stored.get("spent", 0.0))
            self.budget = budget or Budget(stored["within"], stored["until_width"])
        except (KeyError, TypeError, ValueError) as error:
            assert out is not None
            raise InputError(f"{out.path / 'run.json'} does not say within which time; give --within again") from error
        self._write()

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count what the block takes, however it ends."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - begun
            self._write()

    def _write(self) -> None:
        if self.out is not None:
            self.out.update_json(budget={**dataclasses.asdict(self.budget), "spent": self.seconds})


def _finished(out: RunDirectory, sweep: Sweep, options: Options, spent: _Spent) -> Result:
    out.update_json(status=UNFINISHED)
    result = merged(_rounds(sweep, out, options, spent))
    write_runs(out, result.runs)
    out.update_json(timing=result.timing, status=FINISHED)
    return result


def _rounds(sweep: Sweep, out: RunDirectory | None, options: Options, spent: _Spent) -> list[Result]:
    """All rounds: those that are finished, one that was interrupted, and new ones while there is time."""
    results: list[Result] = []
    expected = 0.0  # seconds of the next round
    while True:
        path = None if out is None else _path(out, len(results))
        if path is None or not RunDirectory(path).exists():
            width = spent.budget.until_width
            if results and (
                spent.seconds + expected > spent.budget.within or (width and narrow(merged(results), width))
            ):
                return results
        before, finished = spent.seconds, path is not None and _is_finished(path)
        with contextlib.nullcontext() if finished else spent.counted():
            results.append(_round(sweep, path, len(results), options))
        expected = _expected(results[-1], spent.seconds - before, options.cache)


def _round(sweep: Sweep, path: Path | None, number: int, options: Options) -> Result:
    from jaxvf.sweeps.stored import resume

    common = {"progress": options.progress, "cache": options.cache, "grace": options.grace}
    if path is not None and RunDirectory(path).exists():
        return resume(path, **common)
    count = int(sweep.seeds)  # pyright: ignore[reportArgumentType]
    seeds = range(number * count, (number + 1) * count)
    return dataclasses.replace(sweep, seeds=list(seeds)).run(path, chunk=options.chunk, yes=options.yes, **common)


def _expected(result: Result, seconds: float, cached: bool) -> float:
    """Seconds of a round like one that took `seconds`, or was only loaded."""
    compiling = sum(entry.get("compile_seconds", 0.0) for entry in result.timing)
    running = sum(entry.get("run_seconds", 0.0) for entry in result.timing)
    again = (RELOADED if cached else 1.0) * compiling
    return max(seconds - compiling, running) + again


def _is_finished(path: Path) -> bool:
    directory = RunDirectory(path)
    return directory.exists() and directory.read_json().get("status") == FINISHED


def _path(out: RunDirectory, number: int) -> Path:
    return out.path / f"round{number:03d}"
