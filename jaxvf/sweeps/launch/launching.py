"""Launches a sweep: writes its directory, cut for so many workers, starts them, and waits for their units."""

import contextlib
import dataclasses
import math
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from jaxvf.errors import InputError
from jaxvf.results.result import Result
from jaxvf.results.store import FINISHED, RunDirectory
from jaxvf.serialize import to_json
from jaxvf.signals import Interrupted, stop_on_signal
from jaxvf.sweeps import chunk_size, devices
from jaxvf.sweeps.chunk_size import ChunkSize
from jaxvf.sweeps.execution import go_on, started, stored_plan
from jaxvf.sweeps.launch import options as known
from jaxvf.sweeps.launch import ray_tasks, submitit_jobs
from jaxvf.sweeps.launch.crew import Crew, Start
from jaxvf.sweeps.launch.worker import Worker
from jaxvf.sweeps.plan import Plan
from jaxvf.sweeps.progress import Progress, make_progress
from jaxvf.sweeps.unit_files import UnitFiles
from jaxvf.sweeps.units import units_of

if TYPE_CHECKING:
    from jaxvf.sweeps.sweep import Sweep

LOOK_SECONDS = 0.5  # between two looks at the units' files


def launch(
    sweep: "Sweep",
    out: str | Path,
    *,
    how: str,
    workers: int,
    options: Mapping[str, Any],
    chunk: int | None,
    yes: bool,
    progress: str,
    cache: bool,
    grace: float | None,
    modules: Sequence[str],
    check: bool,
) -> Result | None:
    """`Sweep.launch`, which says what the arguments are."""
    given = known.checked(how, options)
    if workers < 1:
        raise InputError(f"workers={workers} must be at least 1")
    directory, config = RunDirectory(Path(out).absolute()), to_json(sweep.listed())
    begun = directory.exists() and directory.read_json().get("config") == config
    if not begun:
        directory.check_new(config)
    start = _launcher(how, given, directory.path)
    with _like_a_worker(_cores(how, given, workers)):
        plan = (
            stored_plan(directory, sweep.plan, cache=cache)
            if begun
            else shared_out(sweep.agreed_plan(chunk=chunk, yes=yes, cache=cache, check=check), workers)
        )
    crew = [Worker(str(directory.path), cache, grace, tuple(modules))] * workers
    if how == "local":
        crew = _with_devices(crew)
    shown = make_progress(progress)
    for line in plan.lines():
        shown.note(line)
    if not begun:
        with started(directory, config, plan):
            pass
    if start is None:
        units = sum(len(group.chunks) for group in plan.groups)
        print(f"{units} units wait in {directory.path}; start workers, wherever it is mounted, as many as you like:")
        print(f"  jaxvf work {shlex.quote(str(directory.path))}")
        return None
    if directory.read_json().get("status") != FINISHED:
        _watch(directory, plan, start(crew), shown)
    return go_on(directory, sweep.plan, share=True, progress="none", cache=cache)


def shared_out(plan: Plan, workers: int) -> Plan:
    """The plan with every group cut into at least as many units as there are workers, where it has as many runs."""

    def cut(group: Any) -> Any:
        largest = math.ceil(len(group.runs) / workers)
        if group.chunk <= largest:
            return group
        return dataclasses.replace(group, size=ChunkSize(chunk_size.equal_share(len(group.runs), largest), "shared"))

    return Plan(tuple(cut(group) for group in plan.groups))


def _launcher(how: str, options: dict[str, Any], out: Path) -> Start | None:
    # Beside the directory and not in it: submitit's files are code, which a directory of results never holds.
    folder = out.with_name(f"{out.name}.workers")
    if how == "local":
        return submitit_jobs.local(folder)
    if how == "slurm":
        return submitit_jobs.slurm(folder, options)
    return ray_tasks.tasks(options) if how == "ray" else None


def _cores(how: str, options: dict[str, Any], workers: int) -> int | None:
    """Devices of a worker where it runs on a CPU; None for as many as the machine has cores."""
    if how == "local":
        return options.get("cores", max(1, devices.cores() // workers))
    return {"slurm": options.get("cpus_per_task", 1), "ray": options.get("num_cpus", 1)}.get(how)


@contextlib.contextmanager
def _like_a_worker(cores: int | None) -> Iterator[None]:
    """Plans made in the block are for the devices that a worker has, unless JAX has started: one accelerator, or cores.

    Nor does this process take the memory of an accelerator that a worker needs.
    """
    devices.use_cores(cores)
    jax.config.update("jax_cuda_visible_devices", "0")
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _with_devices(workers: Sequence[Worker]) -> list[Worker]:
    """Every worker with an accelerator of its own, where this machine has any."""
    if devices.on_cpu():
        return list(workers)
    found = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = found.split(",") if found else [str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
    if len(workers) > len(names):
        raise InputError(f"workers={len(workers)}: this machine has {len(names)} accelerators, and a worker takes one")
    return [dataclasses.replace(worker, device=name) for worker, name in zip(workers, names, strict=False)]


def _watch(directory: RunDirectory, plan: Plan, crew: Crew, shown: Progress) -> None:
    """Wait until every unit is finished, and until the workers that end with this process have ended.

    Raises:
        InputError: if all workers are gone before.
        Interrupted: if the user does not want to wait.
    """
    look, again = _Look(directory, plan), f"`jaxvf work {shlex.quote(str(directory.path))}`"
    shown.start(plan.steps)
    shown.skip(look.steps())
    try:
        with stop_on_signal(shown.note) as stop:
            stop.when = lambda: "now" if crew.outlives else "the workers in half a minute or so"
            told = False
            while True:
                alive = crew.alive()  # before the look: who finishes the last unit and leaves is not missed
                look.show(shown, alive)
                # Closing the crew would end a worker that is merging; jobs that still queue are not waited for.
                if look.finished() and (crew.outlives or not alive):
                    return
                if stop.asked and crew.outlives:
                    raise Interrupted(f"The workers go on: `{crew.outlives}` ends them, {again} joins them.")
                if stop.asked and not alive:
                    raise Interrupted(f"The workers saved what is done; go on with the same command, or {again}.")
                if not alive:
                    raise InputError(_all_gone(crew, look, again))
                if stop.asked and not told:
                    crew.stop()
                    told = True
                time.sleep(LOOK_SECONDS)
    finally:
        shown.stop()
        crew.close()


class _Look:
    """How far the units of a plan are, by their files."""

    def __init__(self, directory: RunDirectory, plan: Plan):
        self._files = UnitFiles(directory)
        self._units = [(unit, group) for index, group in enumerate(plan.groups) for unit in units_of(index, group)]
        self._finished: set[str] = set()
        self._shown, self._alive = self.steps(), -1

    def steps(self) -> int:
        """Environment steps that are done."""
        self._finished |= {unit.name for unit, _ in self._units if self._files.is_finished(unit)}
        reached, steps = self._files.reached(), 0
        for unit, group in self._units:
            segments = group.segments if unit.name in self._finished else reached.get(unit.name, 0)
            steps += len(unit.runs) * segments * group.program.segment_steps
        return steps

    def finished(self) -> bool:
        """Whether every unit is, as of the last look."""
        return len(self._finished) == len(self._units)

    def show(self, shown: Progress, alive: int) -> None:
        """Look, and move the user's bar."""
        if alive != self._alive:
            shown.phase(f"running on {alive} worker(s)")
            self._alive = alive
        more = self.steps() - self._shown
        if more > 0:  # a killed worker's segments are computed again
            self._shown += more
            shown.advance(more, self.summary())

    def summary(self) -> str:
        """The units that are finished, of all."""
        return f"{len(self._finished)} of {len(self._units)} units"


def _all_gone(crew: Crew, look: _Look, again: str) -> str:
    said = crew.last_words()
    last = f" (the last said: {said})" if said else ""
    go_on = f"go on with the same command, or {again}"
    return f"all workers ended with {look.summary()} finished{last}; logs: {crew.log}; {go_on}"
