"""Runs a plan for its user, alone or beside other processes, and makes a result of what is computed."""

import contextlib
import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvf import __version__
from jaxvf.errors import InputError
from jaxvf.results.policy import Policy
from jaxvf.results.result import Result, assemble
from jaxvf.results.store import FINISHED, RunDirectory
from jaxvf.results.wandb_log import open_wandb
from jaxvf.serialize import to_json
from jaxvf.signals import stop_on_signal
from jaxvf.sweeps import devices
from jaxvf.sweeps.lease import Holder, Lease, holder_of
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.progress import make_progress
from jaxvf.sweeps.runner import Runner
from jaxvf.sweeps.unit_files import UnitFiles, UnitResult
from jaxvf.sweeps.units import SHARE, Claims, Shared, Unit, own, units_of

VERSIONED = ("jax", "jaxlib", "flax", "optax", "numpy")
MERGE_SECONDS = 0.2  # between two looks whether another process has merged
START_SECONDS = 5.0  # a worker waits so long for the process that starts or ends a sweep


@contextlib.contextmanager
def started(directory: RunDirectory, config: Any, plan: Plan) -> Iterator[None]:
    """Own a new directory, whose run.json says from the first moment on all that going on needs."""
    with owned(directory):
        directory.create(config, versions=_versions(), device=devices.describe(), plan=plan.to_json())
        write_runs(directory, [run.record("unfinished") for group in plan.groups for run in group.runs])
        yield


def go_on(
    directory: RunDirectory, planned: Callable[..., Plan], *, share: bool = False, cache: bool = True, **options: Any
) -> Result:
    """Continue a sweep; a finished one is only loaded.

    Args:
        directory: where it is.
        planned: `Sweep.plan` of its description.
        share: take one unit at a time, so that other processes can work on others.
        cache: as `execute`.
        **options: of `execute`.
    """
    if directory.read_json().get("status") == FINISHED:
        return loaded(directory, stored_plan(directory, planned, cache=False))
    if share:
        _await_owner(directory)
        plan = stored_plan(directory, planned, cache=cache)
        return execute(plan, directory, cache=cache, claims=Shared(directory), **options)
    with owned(directory):
        plan = stored_plan(directory, planned, cache=cache)
        found = loaded(directory, plan)  # a damaged file is named now, and not when all the rest is computed
        write_runs(directory, found.runs)
        UnitFiles(directory).clear_leftovers(plan)
        return execute(plan, directory, cache=cache, **options)


def execute(
    plan: Plan,
    directory: RunDirectory | None,
    *,
    progress: str,
    wandb: Any = None,
    cache: bool = True,
    grace: float | None = None,
    claims: Claims | None = None,
) -> Result:
    """Run a plan to its end.

    Args:
        plan: what to run.
        directory: of the sweep, which exists; None keeps everything in memory.
        progress: "auto", "plain" or "none".
        wandb: "offline", "online" or None.
        cache: keep compiled programs, and what is measured of them.
        grace: seconds from a SIGTERM to the end of the process; None for as long as a segment takes.
        claims: which units are this process's; None for all.
    """
    shown = make_progress(progress)
    for line in [*plan.lines(), *(differences(directory.read_json()) if directory else [])]:
        shown.note(line)
    log = None
    if wandb is not None:
        config = {"plan": plan.to_json(), "device": devices.describe()}
        log = open_wandb(wandb, config=config, directory=directory.path if directory else Path.cwd())
    with stop_on_signal(shown.note, grace) as stop:
        runner = Runner(plan, shown, stop, directory, log, keep=cache, claims=claims)
        try:
            runner.run()
        except BaseException:
            if log is not None:
                log.close()
            raise
        result = _merged(runner, directory, shared=claims is not None)
    if log is not None:
        log.close(result.runs)
    for run in result.runs:
        if run["status"] == "diverged":
            shown.note(f"run {run['run']} (seed {run['seed']}) diverged: its parameters are not finite; see runs")
    return result


def loaded(directory: RunDirectory, plan: Plan) -> Result:
    """The results in a directory, of an unfinished sweep as far as it got."""
    return _result(plan, UnitFiles(directory), {})


def stored_plan(directory: RunDirectory, planned: Callable[..., Plan], *, cache: bool) -> Plan:
    """The plan of a stored sweep, cut as the process that began it cut it, whatever this device would hold.

    Raises:
        InputError: if this version would compute something else.
    """
    stored = directory.read_json()
    devices.use_cores(stored.get("device", {}).get("count"))
    plan = planned(chunk=[group["chunk"] for group in stored["plan"]], cache=cache)
    meanings = [group.meaning() for group in plan.groups]
    written = stored.get("versions", {}).get("jaxvf")
    if written != __version__ or meanings != [{name: at.get(name) for name in meanings[0]} for at in stored["plan"]]:
        raise InputError(
            f"{directory.path / 'run.json'} was written by jaxvf {written}, whose defaults or rules differ from those "
            f"of {__version__}; use that version to go on"
        )
    return plan


def _merged(runner: Runner, directory: RunDirectory | None, *, shared: bool) -> Result:
    """The result, once every unit is finished; the first process to come here writes it down."""
    if directory is None:
        return _result(runner.plan, runner.files, runner.results)
    while directory.read_json().get("status") != FINISHED:
        owner = Lease.take(directory.lock) if shared else None
        if isinstance(owner, Holder):
            time.sleep(MERGE_SECONDS)
            continue
        result = _result(runner.plan, runner.files, {})
        write_runs(directory, result.runs)
        runner.files.clear_leftovers(runner.plan)
        directory.update_json(timing=result.timing, status=FINISHED)
        if owner is not None:
            owner.release()
        return result
    return loaded(directory, runner.plan)


def _result(plan: Plan, files: UnitFiles, computed: dict[str, UnitResult]) -> Result:
    """The result of a plan from its files, or from what this process has `computed` where there are none."""
    units = [(unit, group) for index, group in enumerate(plan.groups) for unit in units_of(index, group)]
    ends = {unit.name: end for unit, _ in units if (end := _end(unit, files, computed)) is not None}
    places = {run.index: (unit, group, place) for unit, group in units for place, run in enumerate(unit.runs)}
    order = sorted(places)
    rows = {index: row for row, index in enumerate(order)}
    curves, env_steps = assemble(
        [
            (
                [rows[run.index] for run in unit.runs],
                computed[unit.name].metrics if unit.name in computed else files.curves(unit, group),
                group.env_steps,
            )
            for unit, group in units
        ],
        len(rows),
    )

    def record(index: int) -> dict[str, Any]:
        unit, _, place = places[index]
        if unit.name not in ends:
            return unit.runs[place].record("unfinished")
        return unit.runs[place].record("diverged" if ends[unit.name]["diverged"][place] else "finished")

    def policy(index: int) -> Policy:
        if index not in places or places[index][0].name not in ends:
            raise InputError(f"run={index} has no trained policy; valid: 0 to {len(rows) - 1} of a finished sweep")
        unit, group, place = places[index]
        params = computed[unit.name].params if unit.name in computed else files.params(unit, group)
        run = unit.runs[place]
        return Policy(run.env, run.algorithm, jax.tree.map(lambda leaf: leaf[place], params), run.env_params)

    timing = []
    for index, group in enumerate(plan.groups):
        of_group = [ends[unit.name] for unit, _ in units if unit.group == index and unit.name in ends]
        timing.append(_timing(index, group, of_group))
    return Result([record(index) for index in order], curves, np.asarray(env_steps), timing, policy)


def _end(unit: Unit, files: UnitFiles, computed: dict[str, UnitResult]) -> dict[str, Any] | None:
    """What is recorded of a finished unit; None of another."""
    if unit.name in computed:
        return {**computed[unit.name].record, "diverged": computed[unit.name].diverged}
    return files.record(unit) if files.is_finished(unit) else None


def _timing(index: int, group: Group, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the units of a group took; steps and seconds are of the processes that finished them."""
    seconds = sum(record["seconds"] for record in records)
    last = {key: value for record in records for key, value in record.items()}
    return {
        "group": index,
        "run_seconds": seconds,
        "env_steps_per_second": sum(record["steps"] for record in records) / max(seconds, 1e-9),
        "predicted_bytes_per_run": group.predict(),
        **{key: value for key, value in last.items() if key not in ("seconds", "steps", "diverged")},
    }


def write_runs(directory: RunDirectory, records: list[dict[str, Any]]) -> None:
    directory.write_runs([to_json(record) for record in records])  # a setting may be an object, e.g. a mixer


@contextlib.contextmanager
def owned(directory: RunDirectory) -> Iterator[None]:
    """Own a directory for as long as the block takes."""
    owner = own(directory)
    try:
        yield
    finally:
        owner.release()


def _await_owner(directory: RunDirectory) -> None:
    """Wait for a process that is about to start or to end the sweep."""
    deadline = time.monotonic() + START_SECONDS
    while (owner := holder_of(directory.lock)) is not None:
        if time.monotonic() > deadline:
            raise InputError(f"{directory.path} is in use by {owner}; {SHARE}")
        time.sleep(MERGE_SECONDS)


def differences(stored: dict[str, Any]) -> Sequence[str]:
    """What is other than where a sweep began, so that its numbers go on but not bitwise: versions and devices."""
    here = {**_versions(), **{f"device {key}": value for key, value in devices.describe().items()}}
    there = {**stored.get("versions", {}), **{f"device {key}": at for key, at in stored.get("device", {}).items()}}
    other = [f"{name} {there[name]} (now {here[name]})" for name in here if name in there and there[name] != here[name]]
    return [f"begun with {', '.join(other)}: it goes on, but not bitwise as it would have"] if other else []


def _versions() -> dict[str, str]:
    found = {"jaxvf": __version__, "python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
            found[name] = "not installed"
    return found
