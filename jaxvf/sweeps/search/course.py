"""Drives the runs of a search through one program after another, each with as many runs as are left."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.errors import InputError
from jaxvf.hyperparameters import replace
from jaxvf.signals import Interrupted, StopRequest
from jaxvf.sweeps import compile, devices
from jaxvf.sweeps.chunk_size import ChunkSize
from jaxvf.sweeps.compile import Executable
from jaxvf.sweeps.pieces import Pieces
from jaxvf.sweeps.plan import Group, start_clock
from jaxvf.sweeps.progress import Progress
from jaxvf.sweeps.rhythm import Rhythm
from jaxvf.sweeps.search.files import Leaving, SearchFiles
from jaxvf.sweeps.search.population import start_values
from jaxvf.sweeps.search.rules import Decision, Rule
from jaxvf.sweeps.unit_files import Curves, filled_up, without_filling
from jaxvf.sweeps.unit_run import PART_SEGMENTS, copied, headline

RECORDED = "hyperparameters/"  # before the name of a field that is recorded as a metric


class Course:
    """A search on its way.

    Args:
        group: all runs.
        rule: decides between segments.
        files: where it is saved.
        compiled: gives the program for so many runs of the group.
        progress: what the user sees.
        stop: says when to stop.
    """

    def __init__(
        self,
        group: Group,
        rule: Rule,
        files: SearchFiles,
        compiled: Callable[[Group], Executable],
        progress: Progress,
        stop: StopRequest,
    ):
        self.group, self.rule, self.files, self.compiled = group, rule, files, compiled
        self.progress, self.stop = progress, stop
        self._headline = ""
        self._rhythm, iteration = Rhythm(), files.newest(group)
        self.pieces = Pieces(group, iteration, self._rhythm)
        # Which runs they are, the checkpoint says; how many, the rule.
        self.rows = np.arange(rule.runs_after(self.done), dtype=np.int32)
        self.values = start_values(group, rule.recorded)[:, self.rows]
        self._enter()
        self.clock = start_clock(self.present)
        self.state = self.executable.init(self.algorithm, self.env_params, self.seeds)
        if iteration:
            self._restore(iteration)

    @property
    def done(self) -> int:
        """Segments done."""
        return self.pieces.done

    def run(self) -> None:
        """Train until the budget is spent.

        Raises:
            Interrupted: if a stop was asked for; all that is done is saved.
        """
        while self.done < self.group.segments:
            if not self._piece():
                self._save_if(self.stop.asked)
                continue
            decision = self.rule.decide(self.done, self.rows, self._scores(), self.values)
            leaves = decision is not None and len(decision.rows) < len(self.rows)
            if leaves:
                self.files.write_curves(self.group, self.done, self.rows, self._curves)
            if decision is not None:
                self._follow(decision)
            # A part of the curves holds the same runs throughout.
            self._save_if(leaves or self.stop.asked)
        self.files.write_curves(self.group, self.done, self.rows, self._curves)
        self._leave(np.arange(len(self.rows)))
        self.files.checkpoints.clear()

    def _piece(self) -> bool:
        """Do the next piece; returns whether a segment is over."""
        inputs, before = (self.algorithm, self.env_params), self.pieces.steps_done
        self.state, self.clock, metrics = self.pieces.go_on(self.executable, self.state, inputs, self.clock)
        if metrics is None:
            self.progress.advance(len(self.rows) * (self.pieces.steps_done - before), self._headline)
            return False
        row = copied(metrics, len(self.rows))
        self._curves.segments.append(np.concatenate([row, self.values]))
        self._headline = headline(row[self.executable.metrics.index("test_return")])
        self.progress.advance(len(self.rows) * (self.group.program.segment_steps - before), self._headline)
        return True

    def _scores(self) -> np.ndarray:
        return self._curves.segments[-1][self._curves.names.index(self.rule.metric)]

    def _follow(self, decision: Decision) -> None:
        """Let go who leaves, and give every run that stays the state that it goes on from."""
        stay = np.flatnonzero(np.isin(self.rows, decision.rows))
        if len(stay) < len(self.rows):
            self._leave(np.setdiff1d(np.arange(len(self.rows)), stay))
        width = devices.width(len(stay))
        learned = _taken(self.state, _filled(decision.sources, width))
        own = _taken({"seed": self.state.seed, "env_steps": self.state.env_steps}, _filled(stay, width))
        shrunk = len(stay) < len(self.rows)
        self.rows, self.values = decision.rows, decision.values
        if shrunk:
            self._enter()
            self.clock = jax.device_put(self.clock, devices.placement(self.present.chunk).shared)
        else:
            self.algorithm = self._with_values(self.algorithm)
        self.state = _placed(learned._replace(**own), devices.placement(self.present.chunk))

    def _enter(self) -> None:
        """Take the program for the present runs, and their inputs; no curves of them are waiting."""
        runs = tuple(self.group.runs[row] for row in self.rows)
        self.present = dataclasses.replace(self.group, runs=runs, size=ChunkSize(len(runs), "stored"))
        self.progress.phase(f"compiling for {len(runs)} runs")
        self.stop.when = lambda: "once this program is compiled"
        self.executable = self.compiled(self.present)
        algorithm, self.env_params, self.seeds = self.present.stack(runs)
        self.algorithm = self._with_values(algorithm)
        names = (*self.executable.metrics, *(RECORDED + name for name in self.rule.recorded))
        self._curves = Curves(names, [])
        self.progress.phase(f"running {len(runs)} runs")
        self.stop.when = self._rhythm.when

    def _with_values(self, algorithm: Any) -> Any:
        """The runs' hyperparameters with the recorded fields at their present values."""
        placement = devices.placement(self.present.chunk).runs
        for name, values in zip(self.rule.recorded, self.values, strict=True):
            algorithm = replace(algorithm, name, jax.device_put(_filled(values, len(self.seeds)), placement))
        return algorithm

    def _leave(self, places: np.ndarray) -> None:
        """Store what the runs at these places have learned."""
        params = jax.tree.map(lambda leaf: np.asarray(leaf)[places], self.state.learner.params)
        diverged = np.asarray(self.state.diverged)[places]
        self.files.leave(Leaving(self.done, self.rows[places].tolist(), diverged.tolist()), params)

    def _save_if(self, asked: bool) -> None:
        due = self._rhythm.save_due() or len(self._curves.segments) >= PART_SEGMENTS
        if asked or (due and self.done < self.group.segments):
            with self._rhythm.saving():
                self.files.save(self.group, self.done, self.rows, self._curves, self._saved(self.state))
            self._curves = Curves(self._curves.names, [])
        if self.stop.asked:
            path = self.files.out.path
            raise Interrupted(f"What is done is saved; continue with `jaxvf resume {path}`.")

    def _saved(self, state: Any) -> Any:
        """Everything that a bitwise continuation needs."""
        return without_filling(state, len(self.rows)), self.clock, jnp.asarray(self.rows), jnp.asarray(self.values)

    def _restore(self, iteration: int) -> None:
        restored = self.files.checkpoints.restore(iteration, self._saved(self.state))
        state, self.clock, rows, values = restored
        start, self.rows, self.values = self.state, np.array(rows), np.array(values)
        self._enter()
        self.state = filled_up(state, start)
        if sorted(set(self.rows.tolist())) != self.rows.tolist():
            raise InputError(f"the checkpoint in {self.files.checkpoints.directory} is of another search")


def compile_for(group: Group, keep: Callable[[], Any]) -> Executable:
    """The program for all runs of a group at once.

    Args:
        group: its runs.
        keep: gives the context in which compiled programs are kept in the user's cache.

    Raises:
        InputError: if memory does not hold them.
    """
    with keep():
        executable = compile.compile_group(group)
    fitting = compile.fitting_chunk(executable, group.chunk)
    if fitting != group.chunk:
        raise InputError(
            f"a search holds all its runs at once, and memory holds {fitting} of these {group.chunk}; "
            "give fewer values or seeds"
        )
    return executable


@jax.jit
def _taken(tree: Any, places: Any) -> Any:
    """Rows of every array of a pytree; an empty one stays empty."""
    return jax.tree.map(lambda leaf: leaf[places], tree)


def _placed(tree: Any, placement: devices.Placement) -> Any:
    """Arrays laid over the devices as `init` lays them: an empty one is on each."""
    return jax.tree.map(lambda leaf: jax.device_put(leaf, placement.runs if leaf.size else placement.shared), tree)


def _filled(values: np.ndarray, width: int) -> np.ndarray:
    """Entries of runs, filled up with copies of the first to as many as the program has."""
    return np.concatenate([values, np.repeat(values[:1], width - len(values), axis=0)])
