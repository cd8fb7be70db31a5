"""Executes a plan: compiles a group once, runs those of its units that this process may, until none is left."""

import dataclasses
import time
from typing import Any

import jax

from jaxvf.errors import InputError
from jaxvf.results.store import RunDirectory
from jaxvf.signals import Interrupted, StopRequest
from jaxvf.sweeps import cache, chunk_size, compile, pilot, processes
from jaxvf.sweeps.chunk_size import ChunkSize, Reason
from jaxvf.sweeps.compile import Executable
from jaxvf.sweeps.measurements import Measurements
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.progress import Progress
from jaxvf.sweeps.unit_files import UnitFiles, UnitResult
from jaxvf.sweeps.unit_run import LostClaim, UnitRun
from jaxvf.sweeps.units import Alone, Claim, Claims, Shared, Unit, planned_units, units_of

WAIT_SECONDS = 1.0  # between two looks for units that others may have left


class _Recut(Exception):
    """The group is to be cut into other units."""


class Runner:
    """Runs a plan; with a directory it saves as it goes and can pick up where an earlier process stopped.

    Args:
        plan: what to run; `self.plan` is what was run in the end, as groups may be cut again.
        progress: what the user sees.
        stop: says when to stop.
        out: where results go; None keeps them in memory.
        log: where to report too.
        keep: whether to keep compiled programs and what is measured of them in the user's cache.
        claims: which units are this process's; those of a shared directory keep the plan's cut.
    """

    def __init__(
        self,
        plan: Plan,
        progress: Progress,
        stop: StopRequest,
        out: RunDirectory | None = None,
        log: Any = None,
        *,
        keep: bool = True,
        claims: Claims | None = None,
    ):
        self.plan, self.progress, self.stop, self.out, self.log, self.keep = plan, progress, stop, out, log, keep
        self.files, self.measurements = UnitFiles(out), Measurements(keep)
        self.claims, self.shared = claims or Alone(), isinstance(claims, Shared)
        self.fixed = self.shared or processes.several()  # other processes count on the plan's cut
        self.results: dict[str, UnitResult] = {}  # of this process's units, by name
        self._compiled: tuple[tuple[int, int], Executable] | None = None  # with its group and chunk

    def run(self) -> None:
        """Run until every unit of every group is finished, by this process or another.

        Raises:
            InputError: if memory does not hold a chunk.
            Interrupted: if a stop was asked for; all that is done is saved when there is a directory.
        """
        self.progress.start(self.plan.steps)
        for unit, group in planned_units(self.plan):
            if self._is_finished(unit):
                self.progress.skip(len(unit.runs) * group.segments * group.program.segment_steps)
        try:
            while True:
                finished = [self._run_group(index) for index in range(len(self.plan.groups))]
                if all(finished):
                    self.stop.when = lambda: "once the result is written"
                    return
                self._wait()
        finally:
            self.progress.stop()

    def _run_group(self, index: int) -> bool:
        """Run the units of a group that this process may; returns whether all of the group are finished."""
        while True:
            group = self.plan.groups[index]
            try:
                return self._run_units(index)
            except _Recut:
                continue
            except jax.errors.JaxRuntimeError as error:
                exhausted = compile.out_of_memory(error, group)
                raise exhausted or error from error

    def _run_units(self, index: int) -> bool:
        units = units_of(index, self.plan.groups[index])
        for unit in units:
            claim = None if self._is_finished(unit) else self.claims.take(unit)
            if claim is None:
                continue
            try:
                if not self._is_finished(unit):  # by another process, a moment ago
                    self._run_unit(unit, claim)
            except LostClaim as error:
                if not self.shared:  # the whole directory is another's now; of a unit there may be others
                    message = f"{unit.name} was taken over by another process; this one has written no more"
                    raise InputError(message) from error
            finally:
                claim.release()
        return all(self._is_finished(unit) for unit in units)

    def _run_unit(self, unit: Unit, claim: Claim) -> None:
        index, before = unit.group, self.plan.groups[unit.group].chunk
        executable = self._fit(index)
        group = self.plan.groups[index]
        if group.chunk != before:
            raise _Recut
        run = UnitRun(
            unit, group, executable, self.files, self.progress, self.stop, claim, self.log, self._how_to_continue()
        )
        result = run.run(lambda seconds: self._consider_other_chunks(index, seconds, executable))
        self.results[unit.name] = result

    def _is_finished(self, unit: Unit) -> bool:
        return unit.name in self.results or self.files.is_finished(unit)

    def _fit(self, index: int) -> Executable:
        """Compile a group; where memory does not hold its chunk, cut it and compile again."""
        while True:
            group = self.plan.groups[index]
            if self._compiled is not None and self._compiled[0] == (index, group.chunk):
                return self._compiled[1]
            self._compiled = None  # one program at a time is held
            self.progress.phase(f"compiling group {index + 1}/{len(self.plan.groups)}")
            self.stop.when = lambda: "once this program is compiled"
            executable = self._compile(index, group)
            if processes.any_says(self.stop.asked)[0]:
                raise Interrupted(self._how_to_continue())
            self.measurements.remember(group.key, bytes_per_run=executable.bytes_per_run)
            fitting = compile.fitting_chunk(executable, group.chunk)
            # What has begun keeps its chunks: files bear them, and other processes count on them.
            if fitting == group.chunk or self.fixed or self.files.begun(index) or self.files.saved(index):
                self._compiled = (index, group.chunk), executable
                return executable
            self.progress.note(
                f"group {index}: a run takes {executable.bytes_per_run / 2**20:.1f} MiB, not the planned "
                f"{group.bytes_per_run / 2**20:.1f}; {fitting} runs at once instead of {group.chunk}"
            )
            self._cut(index, fitting, "cut to fit")

    def _compile(self, index: int, group: Group) -> Executable:
        with cache.compiled_programs(self.progress.note, keep=self.keep):
            return compile.compile_group(group)

    def _consider_other_chunks(self, index: int, seconds: float, executable: Executable) -> float:
        """Once a group's first segment took `seconds`: try other chunks where that can pay.

        Returns:
            The seconds that trying took.

        Raises:
            _Recut: if another chunk is faster; the segment is lost.
        """
        group, begun = self.plan.groups[index], time.monotonic()
        sizes = pilot.worth_trying(group, seconds, executable.seconds)
        if not sizes or self.fixed or self.stop.asked or self.files.begun(index):
            return 0.0
        self.progress.phase(f"trying {', '.join(map(str, sizes))} runs a core")
        with cache.compiled_programs(self.progress.note, keep=self.keep):
            found = pilot.time_sizes(group, sizes, seconds, lambda: self.stop.asked)
        self.progress.phase(f"running group {index + 1}/{len(self.plan.groups)}")
        if self.stop.asked or len(found) < 2:
            return time.monotonic() - begun
        self.measurements.remember(group.key, seconds=found)
        best = min(found, key=lambda size: found[size])
        chunk = chunk_size.equal_share(len(group.runs), best * len(jax.devices()))
        tried = ", ".join(f"{size}: {found[sizes[0]] / value:.2f}" for size, value in found.items())
        self.progress.note(f"group {index}: chunks of {chunk}; speed by runs a core, of the default's: {tried}")
        self._cut(index, chunk if best != sizes[0] else group.chunk, "measured")
        if best != sizes[0]:
            # Its steps were told as done, and are done again.
            self.progress.skip(-min(group.chunk, len(group.runs)) * group.program.segment_steps)
            raise _Recut
        return time.monotonic() - begun

    def _cut(self, index: int, chunk: int, reason: Reason) -> None:
        """Give a group another chunk, in the plan and in the directory's."""
        groups = list(self.plan.groups)
        groups[index] = dataclasses.replace(groups[index], size=ChunkSize(chunk, reason))
        self.plan = Plan(tuple(groups))
        if self.out is not None:
            self.out.update_json(plan=self.plan.to_json())

    def _wait(self) -> None:
        """What is left, others compute: wait until they are done, or gone."""
        self.progress.phase("waiting for the units of other processes")
        self.stop.when = lambda: "now"
        time.sleep(WAIT_SECONDS)
        if self.stop.asked:
            raise Interrupted(self._how_to_continue())

    def _how_to_continue(self) -> str:
        if self.out is None:
            return "Nothing is saved: the sweep had no output directory."
        command = "work" if self.shared else "resume"
        return f"What is done is saved; continue with `jaxvf {command} {self.out.path}`."
