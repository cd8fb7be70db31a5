"""Runs a plan for its user, alone or beside other processes, and makes a result of what is computed."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvf import __version__, command_line
from jaxvf.configurations import UnknownClassError
from jaxvf.errors import InputError
from jaxvf.results.policy import Policy
from jaxvf.results.result import Result, assemble
from jaxvf.results.sections import checked_document
from jaxvf.results.sinks import open_log
from jaxvf.results.store import FINISHED, RunDirectory
from jaxvf.results.stored import read_result
from jaxvf.serialize import to_json
from jaxvf.signals import Interrupted, StopRequest, check_grace, stop_on_signal
from jaxvf.sweeps import devices, processes
from jaxvf.sweeps.lease import Holder, Lease, holder_of
from jaxvf.sweeps.plan import Plan
from jaxvf.sweeps.progress import make_progress
from jaxvf.sweeps.runner import Runner
from jaxvf.sweeps.stored_policies import StoredPolicies, check_files, no_policy
from jaxvf.sweeps.unit_files import UnitFiles, UnitResult
from jaxvf.sweeps.units import SHARE, Alone, Claims, Shared, own, planned_units
from jaxvf.sweeps.versions import differences, versions

MOST_DEVICES = 4096  # of one process
MERGE_SECONDS = 0.2  # between two looks whether another process has merged
START_SECONDS = 5.0  # a worker waits so long for the process that starts or ends a sweep


@contextlib.contextmanager
def started(directory: RunDirectory, config: Any, plan: Plan) -> Iterator[Lease]:
    """Own a new directory, whose run.json says from the first moment on all that going on needs."""
    with owned(directory) as owner:
        directory.create(
            config,
            command=command_line.present(),
            versions=versions(),
            device=devices.describe(),
            plan=plan.to_json(),
        )
        _write_unfinished(directory, plan)
        yield owner


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
    check_grace(options.get("grace"))
    if checked_document(directory).get("status") == FINISHED:
        _settle(directory)
        return loaded(directory, planned)
    processes.alone(directory.path)
    if share:
        _await_owner(directory)
        plan = _units_plan(directory, planned, cache=cache)
        return execute(plan, directory, cache=cache, claims=Shared(directory, plan), **options)
    with owned(directory) as owner:
        plan = _units_plan(directory, planned, cache=cache)
        if not directory.read_runs():  # the process died before it had written them
            _write_unfinished(directory, plan)
        loaded(directory, planned)  # a damaged file is named now, and not when all the rest is computed
        UnitFiles(directory).clear_leftovers(plan)
        return execute(plan, directory, cache=cache, claims=Alone(owner), **options)


def execute(
    plan: Plan,
    directory: RunDirectory | None,
    *,
    progress: str,
    log: Sequence[Any] = (),
    cache: bool = True,
    grace: float | None = None,
    claims: Claims | None = None,
) -> Result:
    """Run a plan to its end.

    Args:
        plan: what to run.
        directory: of the sweep, which exists; None keeps everything in memory.
        progress: "auto", "plain" or "none".
        log: where to report too, as `sinks.parse` gives it.
        cache: keep compiled programs, and what is measured of them.
        grace: seconds from a SIGTERM to the end of the process; None for as long as saving takes.
        claims: which units are this process's; None for all.
    """
    shown = make_progress(progress)
    for line in [*plan.lines(), *(differences(directory.read_json()) if directory else [])]:
        shown.note(line)
    opened = None
    if log:
        config = {"plan": plan.to_json(), "device": devices.describe()}
        runs = sorted((run for group in plan.groups for run in group.runs), key=lambda run: run.index)
        records = [run.record("unfinished") for run in runs]
        opened = open_log(log, records, config=config, directory=directory.path if directory else Path.cwd())
    with stop_on_signal(shown.note, grace) as stop:
        runner = Runner(plan, shown, stop, directory, opened, keep=cache, claims=claims)
        try:
            runner.run()
            result = _merged(runner, directory, stop, shared=isinstance(claims, Shared))
        except BaseException:
            if opened is not None:
                opened.close()
            raise
    if opened is not None:
        opened.close(result)
    for run in result.runs:
        if run["status"] == "diverged":
            shown.note(f"run {run['run']} (seed {run['seed']}) diverged: its parameters are not finite; see runs")
    return result


def loaded(directory: RunDirectory, planned: Callable[..., Plan]) -> Result:
    """The results in a directory, of an unfinished sweep as far as it got; `planned` is asked for policies alone."""
    return read_result(directory, StoredPolicies(directory, lambda: _units_plan(directory, planned, cache=False)))


def stored_plan(directory: RunDirectory, planned: Callable[..., Plan], *, cache: bool) -> Plan:
    """The plan of a stored sweep, cut as the process that began it cut it, whatever this device would hold.

    Raises:
        InputError: if this version would compute something else.
    """
    stored, described = checked_document(directory), directory.path / "run.json"
    if "plan" not in stored:
        raise directory.damaged(described, "it has no plan")
    devices.use_cores(_count(stored))
    try:
        plan = planned(chunk=[group["chunk"] for group in stored["plan"]], cache=cache)
    except UnknownClassError:
        raise
    except InputError as error:
        raise InputError(f"{described} describes no sweep that can be run: {error}") from error
    except Exception as error:  # fields that no constructor has checked: whatever they break, the file is to blame
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{described} describes no sweep that can be run: {reason}") from error
    meanings = [group.meaning() for group in plan.groups]
    written = stored.get("versions", {}).get("jaxvf")
    if written != __version__ or meanings != [{name: at.get(name) for name in meanings[0]} for at in stored["plan"]]:
        raise InputError(
            f"{described} was written by jaxvf {written}, whose defaults or rules differ from those "
            f"of {__version__}; use that version to go on"
        )
    return plan


def _units_plan(directory: RunDirectory, planned: Callable[..., Plan], *, cache: bool) -> Plan:
    """`stored_plan` of a sweep of work units, whose files must all be the plan's."""
    plan = stored_plan(directory, planned, cache=cache)
    check_files(directory, plan)
    return plan


def _count(stored: dict[str, Any]) -> int | None:
    """Devices that a sweep began with, where its file says so."""
    device = stored.get("device")
    count = device.get("count") if isinstance(device, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and 0 < count <= MOST_DEVICES else None


def _merged(runner: Runner, directory: RunDirectory | None, stop: StopRequest, *, shared: bool) -> Result:
    """The result, once every unit is finished; the first process to come here writes it down."""
    plan = runner.plan
    if directory is None:
        return _in_memory(plan, runner.results)
    while directory.read_json().get("status") != FINISHED:
        owner = Lease.take(directory.lock) if shared else None
        if isinstance(owner, Holder):
            if stop.asked:
                raise Interrupted(f"All is computed, and {owner} writes it down.")
            time.sleep(MERGE_SECONDS)
            continue
        try:
            return _write_result(runner, directory)
        finally:
            if owner is not None:
                owner.release()
    if shared:
        _settle(directory)
    return loaded(directory, lambda **_: plan)


def _write_result(runner: Runner, directory: RunDirectory) -> Result:
    plan, files = runner.plan, runner.files
    records = [(unit.group, files.record(unit)) for unit, _ in planned_units(plan)]
    directory.update_json(timing=_timing(plan, records))
    if not directory.read_runs():  # the process that began the sweep died before it had written them
        _write_unfinished(directory, plan)
    result = loaded(directory, lambda **_: plan)
    write_runs(directory, result.runs)
    files.clear_leftovers(plan)
    directory.update_json(status=FINISHED)
    return result


def _in_memory(plan: Plan, computed: dict[str, UnitResult]) -> Result:
    """The result of a sweep without a directory."""
    units = planned_units(plan)
    places = {run.index: (unit, place) for unit, _ in units for place, run in enumerate(unit.runs)}
    order = sorted(places)
    rows = {index: row for row, index in enumerate(order)}
    parts = [([rows[run.index] for run in unit.runs], computed[unit.name].metrics, of.env_steps) for unit, of in units]
    curves, env_steps = assemble(parts, len(rows))

    def record(index: int) -> dict[str, Any]:
        unit, place = places[index]
        return unit.runs[place].record("diverged" if computed[unit.name].diverged[place] else "finished")

    def policy(index: int) -> Policy:
        if index not in places:
            raise no_policy(index, len(rows))
        unit, place = places[index]
        run, params = unit.runs[place], computed[unit.name].params
        return Policy(run.env, run.algorithm, jax.tree.map(lambda leaf: leaf[place], params), run.env_params)

    timing = _timing(plan, [(unit.group, computed[unit.name].record) for unit, _ in units])
    return Result([record(index) for index in order], curves, np.asarray(env_steps), timing, policy)


def _timing(plan: Plan, records: Sequence[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """What the units of each group took; steps and seconds are of the processes that finished them.

    Args:
        plan: of the sweep.
        records: number of its group and record of every unit.
    """
    timing = []
    for index, group in enumerate(plan.groups):
        of_group = [record for number, record in records if number == index]
        seconds = sum(record["seconds"] for record in of_group)
        last = {key: value for record in of_group for key, value in record.items()}
        timing.append(
            {
                "group": index,
                "run_seconds": seconds,
                "env_steps_per_second": sum(record["steps"] for record in of_group) / max(seconds, 1e-9),
                "predicted_bytes_per_run": group.predict(),
                **{key: value for key, value in last.items() if key not in ("seconds", "steps", "diverged")},
            }
        )
    return timing


def _write_unfinished(directory: RunDirectory, plan: Plan) -> None:
    runs = sorted((run for group in plan.groups for run in group.runs), key=lambda run: run.index)
    write_runs(directory, [run.record("unfinished") for run in runs])


def write_runs(directory: RunDirectory, records: list[dict[str, Any]]) -> None:
    directory.write_runs([to_json(record) for record in records])  # a setting may be an object, e.g. a mixer


@contextlib.contextmanager
def owned(directory: RunDirectory) -> Iterator[Lease]:
    """Own a directory for as long as the block takes."""
    owner = own(directory)
    try:
        yield owner
    finally:
        owner.release()


def _await_owner(directory: RunDirectory) -> None:
    """Wait for a process that is about to start or to end the sweep."""
    if (owner := _patient_look(directory)) is not None:
        raise InputError(f"{directory.path} is in use by {owner}; {SHARE}")


def _settle(directory: RunDirectory) -> None:
    """Wait for who wrote that a sweep is finished to let go of it, and clear away the lock of one that was killed."""
    if _patient_look(directory) is None and directory.lock.exists():
        with contextlib.suppress(InputError):  # of a directory that may only be read
            if isinstance(owner := Lease.take(directory.lock), Lease):
                owner.release()


def _patient_look(directory: RunDirectory) -> Holder | None:
    """Who owns a directory still, after `START_SECONDS`."""
    deadline = time.monotonic() + START_SECONDS
    while (owner := holder_of(directory.lock)) is not None and time.monotonic() <= deadline:
        time.sleep(MERGE_SECONDS)
    return owner
