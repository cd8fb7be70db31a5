"""The sweep a user describes: validated, planned, run, resumed and loaded."""

import dataclasses
import importlib.metadata
import numbers
import platform
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np

from jaxvf import __version__
from jaxvf.errors import InputError, unknown
from jaxvf.results.policy import Policy
from jaxvf.results.result import Result, assemble
from jaxvf.results.sections import checked_document
from jaxvf.results.store import FINISHED, RunDirectory
from jaxvf.results.stored import read_result
from jaxvf.results.wandb_log import Mode, open_wandb
from jaxvf.serialize import from_json, to_json
from jaxvf.sweeps import devices
from jaxvf.sweeps.chunk_files import ChunkResult
from jaxvf.sweeps.interrupt import stop_on_signal
from jaxvf.sweeps.measurements import Measurements
from jaxvf.sweeps.own_environments import check_described, check_planned
from jaxvf.sweeps.plan import Plan, make_plan
from jaxvf.sweeps.progress import PROGRESS, make_progress
from jaxvf.sweeps.runner import Runner
from jaxvf.sweeps.space import expand
from jaxvf.sweeps.stored_policies import StoredPolicies, check_files, no_policy

MANY_PROGRAMS = 16  # more than this many compilations are asked for explicitly
EVALUATIONS = 20  # of a run whose test interval is not given
VERSIONED = ("jax", "jaxlib", "flax", "optax", "numpy")


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Every combination of environments, algorithms, grid values and seeds; each is a run.

    Attributes:
        env: registered name, environment, or several.
        algorithms: registered name, configured algorithm, or several.
        seeds: how many, or which.
        grid: values by field: "learning_rate", "mixer.embed", "env.penalty", ...; a key "a,b" with tuples for values
            varies several fields together. The field "seed" takes the place of `seeds`: "env.payoff,seed" gives every
            game seeds of its own.
        env_steps: environment steps allotted to one run, rounded up to whole evaluations. An episode is allotted the
            environment's limit and may end earlier; the metric `steps_taken` counts the steps that were taken.
        test_interval: steps between evaluations; by default a twentieth of the budget.
        test_episodes: greedy episodes in an evaluation.
        root_seed: root of all random streams; change it to repeat a whole sweep independently.
    """

    env: Any
    algorithms: Any
    seeds: int | Sequence[int] = 1
    grid: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    env_steps: float = 100_000  # a whole number, but 1e6 is one too
    test_interval: float | None = None
    test_episodes: int = 32
    root_seed: int = 0

    def plan(self, *, chunk: int | Sequence[int] | None = None, cache: bool = True, check: bool = False) -> Plan:
        """What running this would compile and hold in memory; nothing is compiled.

        Args:
            chunk: runs in a program at once; by default what the device holds and what is remembered as fastest.
            cache: use what earlier processes measured of the same programs.
            check: first check environments that are not jaxvf's, whose random play is compiled.

        Raises:
            InputError: for anything in the description that is not valid.
        """
        devices.use_every_core()
        env_steps = _whole("env_steps", self.env_steps)
        interval = max(1, env_steps // EVALUATIONS) if self.test_interval is None else self.test_interval
        checked = check_described(self.env) if check else []
        runs = expand(self.env, self.algorithms, self.grid, self.seeds)
        if check:
            check_planned(runs, checked)
        return make_plan(
            runs,
            env_steps=env_steps,
            test_interval=_whole("test_interval", interval),
            test_episodes=_whole("test_episodes", self.test_episodes),
            root=_whole("root_seed", self.root_seed, low=0),
            chunk=chunk if chunk is None or isinstance(chunk, list) else _whole("chunk", chunk),
            measurements=Measurements(cache),
        )

    def run(
        self,
        out: str | Path | None = None,
        *,
        chunk: int | None = None,
        yes: bool = False,
        progress: str = "auto",
        wandb: str | None = None,
        cache: bool = True,
        check: bool = True,
    ) -> Result:
        """Train all runs.

        Args:
            out: new directory for Parquet, configuration, checkpoints and policies; None keeps results in memory.
            chunk: runs in a program at once; by default what the device holds.
            yes: agree to compile more than 16 programs.
            progress: "auto", "plain" or "none".
            wandb: "offline" or "online" to log to Weights & Biases too.
            cache: keep compiled programs, and what was measured of them, in the user's cache (`~/.cache/jaxvf`).
            check: first check (`jaxvf.envs.check_env`) environments that are not jaxvf's, which takes a second or two.

        Raises:
            InputError: for bad input, before anything is written.
            Interrupted: after SIGINT or SIGTERM, when the present segment is saved.
        """
        if wandb is not None and wandb not in get_args(Mode):
            raise unknown("wandb mode", wandb, get_args(Mode))
        if progress not in PROGRESS:
            raise unknown("progress", progress, PROGRESS)
        plan = self.plan(chunk=chunk, cache=cache, check=check)
        if len(plan.groups) > MANY_PROGRAMS and not yes:
            raise InputError(
                f"the sweep varies static fields and needs {len(plan.groups)} programs (more than {MANY_PROGRAMS}); "
                "sweep traced fields instead, or agree with yes=True (--yes)"
            )
        directory = None
        if out is not None:
            directory = RunDirectory(out)
            directory.create(to_json(self))
        return _execute(plan, directory, progress=progress, wandb=wandb, cache=cache)

    def run_or_resume(
        self, out: str | Path, *, chunk: int | None = None, progress: str = "auto", check: bool = True
    ) -> Result:
        """Train all runs into `out`, or go on where an earlier call for this very sweep stopped, with its `chunk`.

        Raises:
            InputError: if `out` holds another sweep, or anything else.
        """
        described = Path(out) / "run.json"
        if described.is_file() and RunDirectory(out).read_json().get("config") == to_json(self):
            return resume(out, progress=progress)
        return self.run(out, chunk=chunk, progress=progress, check=check)


def resume(path: str | Path, *, progress: str = "auto", wandb: str | None = None, cache: bool = True) -> Result:
    """Continue an interrupted sweep, bitwise as if it had not stopped; a finished one is only loaded.

    Args:
        path: the directory of the sweep.
        progress: "auto", "plain" or "none".
        wandb: "offline" or "online" to log to Weights & Biases too.
        cache: keep compiled programs, and what was measured of them, in the user's cache (`~/.cache/jaxvf`).

    Raises:
        InputError: if the directory holds no sweep, or a file of it is damaged.
    """
    directory = RunDirectory(path)
    if checked_document(directory).get("status") == FINISHED:
        return load(path)
    return _execute(_stored_plan(directory), directory, progress=progress, wandb=wandb, cache=cache)


def load(path: str | Path) -> Result:
    """The results in a directory, of an unfinished sweep as far as it got.

    Curves and the table of runs are data. A policy is read when it is asked for, and only then must the program know
    the classes of its environment and learner.

    Raises:
        InputError: if the directory holds no sweep, or a file of it is damaged.
    """
    directory = RunDirectory(path)
    return read_result(directory, StoredPolicies(directory, lambda: _stored_plan(directory)))


def _stored_plan(directory: RunDirectory) -> Plan:
    stored, described = checked_document(directory), directory.path / "run.json"
    sweep = from_json(stored.get("config"), described)
    if not isinstance(sweep, Sweep):
        raise InputError(f"{described} describes no sweep")
    # The chunks of the first process, whatever this device would hold: files are named by them. A process that died
    # before it had a plan has computed nothing.
    chunks = [group["chunk"] for group in stored["plan"]] if "plan" in stored else None
    try:
        plan = sweep.plan(chunk=chunks)
    except InputError as error:
        raise InputError(f"{described} describes no sweep that can be run: {error}") from error
    except Exception as error:  # fields that no constructor has checked: whatever they break, the file is to blame
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{described} describes no sweep that can be run: {reason}") from error
    if chunks is None:
        return plan
    check_files(directory, plan, stored.get("chunks", {}))
    meanings = [group.meaning() for group in plan.groups]
    if meanings != [{name: group.get(name) for name in meanings[0]} for group in stored["plan"]]:
        written = stored.get("versions", {}).get("jaxvf")
        raise InputError(
            f"{described} was written by jaxvf {written}, whose defaults or rules differ from those "
            f"of {__version__}; use that version to go on"
        )
    return plan


def _execute(plan: Plan, directory: RunDirectory | None, *, progress: str, wandb: Any, cache: bool) -> Result:
    if directory is not None and "plan" not in directory.read_json():
        # Runs first: whoever finds a plan finds its table too.
        _write_runs(directory, [run.record("unfinished") for group in plan.groups for run in group.runs])
        directory.update_json(versions=_versions(), device=devices.describe(), plan=plan.to_json())
    shown = make_progress(progress)
    for line in plan.lines():
        shown.note(line)
    log = None
    if wandb is not None:
        config = {"plan": plan.to_json(), "device": devices.describe()}
        log = open_wandb(wandb, config=config, directory=directory.path if directory else Path.cwd())
    with stop_on_signal() as stop:
        runner = Runner(plan, shown, stop, directory, log, keep=cache)
        try:
            chunks = runner.run()
        except BaseException:
            if log is not None:
                log.close()
            raise
    result = _result(runner.plan, chunks, runner.timing)
    if directory is not None:
        _write_runs(directory, result.runs)
        directory.update_json(timing=runner.timing, status=FINISHED)
    if log is not None:
        log.close(result.runs)
    for run in result.runs:
        if run["status"] == "diverged":
            shown.note(f"run {run['run']} (seed {run['seed']}) diverged: its parameters are not finite; see runs")
    return result


def _result(plan: Plan, chunks: list[ChunkResult], timing: list[dict[str, Any]]) -> Result:
    runs = [run for group in plan.groups for run in group.runs]
    rows = {run.index: row for row, run in enumerate(sorted(runs, key=lambda run: run.index))}
    parts = [([rows[run.index] for run in chunk.runs], chunk.metrics, chunk.env_steps) for chunk in chunks]
    curves, env_steps = assemble(parts, len(runs))
    records = {run.index: run.record(chunk.status(place)) for chunk in chunks for place, run in enumerate(chunk.runs)}

    def policy(row: int) -> Policy:
        for chunk in chunks:
            for place, run in enumerate(chunk.runs):
                if run.index == row:
                    params = jax.tree.map(lambda leaf, place=place: leaf[place], chunk.params)
                    return Policy(run.env, run.algorithm, params, run.env_params)
        raise no_policy(row, len(runs))

    return Result([records[index] for index in sorted(records)], curves, np.asarray(env_steps), timing, policy)


def _write_runs(directory: RunDirectory, records: list[dict[str, Any]]) -> None:
    directory.write_runs([to_json(record) for record in records])  # a setting may be an object, e.g. a mixer


def _whole(name: str, value: Any, low: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or value % 1 != 0:  # so of infinity and NaN
        raise InputError(f"{name}={reprlib.repr(value)} is not a whole number")
    value = int(value)  # pyright: ignore[reportArgumentType]
    if value < low:
        raise InputError(f"{name}={reprlib.repr(value)} must be at least {low}")
    if value >= 2**31:
        raise InputError(f"{name}={reprlib.repr(value)} exceeds {2**31 - 1}, the largest that a counter holds")
    return value


def _versions() -> dict[str, str]:
    found = {"jaxvf": __version__, "python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
            found[name] = "not installed"
    return found
