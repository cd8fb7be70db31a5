"""Trains the sweeps of an experiment: first the whole plan with its estimated time, and a question if that is long."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxvf.errors import InputError
from jaxvf.reproduction import durations
from jaxvf.reproduction.durations import Workload
from jaxvf.reproduction.scale import Scale
from jaxvf.results import Result
from jaxvf.results.store import FINISHED, RunDirectory
from jaxvf.serialize import to_json
from jaxvf.sweeps import Sweep, devices
from jaxvf.sweeps.estimate import duration, measure

LONG_SECONDS = 3600.0  # what takes longer is asked for
_only_plans: list[bool] = []  # one entry for each block of `planning` that this process is in


class Planned(Exception):
    """What an experiment would do, raised where it would begin.

    Attributes:
        scale: with everything that was given in place of its own.
        sweeps: what it trains, by name; empty where it trains nothing.
    """

    def __init__(self, scale: Scale, sweeps: Mapping[str, Sweep]):
        super().__init__(scale.name)
        self.scale, self.sweeps = scale, sweeps


@contextlib.contextmanager
def planning() -> Iterator[None]:
    """In this block an experiment raises `Planned` in place of training or computing anything."""
    _only_plans.append(True)
    try:
        yield
    finally:
        _only_plans.pop()


def train(
    sweeps: Mapping[str, Sweep],
    out: Path,
    scale: Scale,
    *,
    yes: bool = False,
    chunk: Mapping[str, int] | None = None,
    later: Mapping[str, Sweep] | None = None,
) -> dict[str, Result]:
    """Train every sweep into its directory below `out`, or go on where an earlier call stopped.

    Before anything compiles, the plan of all of them is printed with the time that it is expected to take.

    Args:
        sweeps: by the name of their directories.
        out: directory of the experiment.
        scale: which scale this is, and what it takes on two CPU cores.
        yes: agree to more than an hour.
        chunk: runs in a program at once, by name of the sweep; by default what the device holds.
        later: sweeps of the same experiment that a later call trains: they count in the plan that is printed.

    Raises:
        InputError: if it is expected to take more than an hour and nobody agrees; bad input as of `Sweep.run`.
        Interrupted: after SIGINT or SIGTERM, when the present segment is saved.
    """
    counted = {**sweeps, **(later or {})}
    if _only_plans:
        raise Planned(scale, counted)
    devices.use_cores()
    works = {name: durations.workloads(sweep) for name, sweep in counted.items()}
    unfinished = {name: sweep for name, sweep in sweeps.items() if not _finished(sweep, out / name)}
    left = {**unfinished, **(later or {})} if unfinished else {}
    if left:
        share = _steps(works, left) / _steps(works, counted)
        seconds, source = expected(left, works, scale.minutes * 60 * share, measured=not yes)
        programs = [work for name in left for work in works[name]]
        done = f"{len(counted) - len(left)} of {len(counted)} sweeps are done; " if len(left) < len(counted) else ""
        many = "" if len(programs) == 1 else "s"
        _say(
            f"scale {scale.name}: {done}{sum(work.runs for work in programs):,} runs in {len(programs)} program{many}, "
            f"{_steps(works, left):,} environment steps in all; about {duration(seconds)} {source}"
        )
        agree(scale, yes=yes, seconds=seconds)
    results = {}
    for place, (name, sweep) in enumerate(sweeps.items(), start=1):
        if name in unfinished:
            _say(f"sweep {place} of {len(sweeps)}: {name}")
        results[name] = sweep.run_or_resume(out / name, chunk=chunk[name] if chunk else None)
        if name in unfinished:
            durations.remember(works[name], results[name])
    return results


def agree(scale: Scale, *, yes: bool, seconds: float | None = None) -> None:
    """Ask on a terminal whether to go on where a scale takes more than an hour.

    Args:
        scale: the scale.
        yes: the user has agreed already.
        seconds: what it is expected to take; by default what the scale says.

    Raises:
        InputError: if the user does not agree, or there is no terminal to ask on.
    """
    if _only_plans:
        raise Planned(scale, {})
    if seconds is None:
        seconds = scale.minutes * 60
        _say(f"scale {scale.name}: about {duration(seconds)} on two CPU cores")
    if yes or seconds <= LONG_SECONDS:
        return
    line = f"--scale {scale.name} takes about {duration(seconds)}; agree with --yes, or choose a smaller scale"
    if not sys.stdin.isatty():
        raise InputError(line)
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError(line)


def expected(
    sweeps: Mapping[str, Sweep], works: Mapping[str, list[Workload]], stated: float, *, measured: bool
) -> tuple[float, str]:
    """Seconds that sweeps will take, and where the number is from.

    What these programs took on this machine before; else, on a CPU, what the scale says of two cores; else, on another
    device, what some segments of each program take, which compiles them: the cache keeps them for the run.

    Args:
        sweeps: what is left to run.
        works: programs of every sweep.
        stated: the scale's own number, in seconds.
        measured: whether to measure where nothing is known of another device.
    """
    known = durations.read()
    wanted = [work for name in sweeps for work in works[name]]
    if all(work.key in known for work in wanted):
        return sum(known[work.key].of(work) for work in wanted), "as these programs took here before"
    if devices.on_cpu() or not measured:
        return stated, "on two CPU cores"
    seconds = 0.0
    for name, sweep in sweeps.items():
        _say(f"measuring {name}")
        seconds += sum(one.compile_seconds + one.run_seconds for one in measure(sweep.plan()))
    return seconds, "as measured on this device"


def _finished(sweep: Sweep, out: Path) -> bool:
    """Whether `out` holds this very sweep, finished."""
    directory = RunDirectory(out)
    if not directory.exists():
        return False
    document = directory.read_json()
    return document.get("config") == to_json(sweep.listed()) and document.get("status") == FINISHED


def _steps(works: Mapping[str, list[Workload]], names: Mapping[str, Sweep]) -> int:
    return sum(work.steps for name in names for work in works[name])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
