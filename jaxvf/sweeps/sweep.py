"""The sweep a user describes: validated, planned and run."""

import contextlib
import dataclasses
import numbers
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxvf.errors import InputError, unknown
from jaxvf.results import sinks
from jaxvf.results.result import Result
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import to_json
from jaxvf.signals import check_grace
from jaxvf.sweeps import devices, processes, values
from jaxvf.sweeps.execution import execute, go_on, started
from jaxvf.sweeps.launch import launch
from jaxvf.sweeps.measurements import Measurements
from jaxvf.sweeps.own_environments import check_described, check_planned
from jaxvf.sweeps.plan import Plan, make_plan
from jaxvf.sweeps.progress import PROGRESS
from jaxvf.sweeps.space import expand
from jaxvf.sweeps.units import Alone

MANY_PROGRAMS = 16  # more than this many compilations are asked for explicitly
EVALUATIONS = 20  # of a run whose test interval is not given


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Every combination of environments, algorithms, grid values and seeds; each is a run.

    Attributes:
        env: registered name, environment, or several in a list or by label.
        algorithms: registered name, configured algorithm, or several in a list or by label.
        seeds: how many, or which.
        grid: values by field: "learning_rate", "mixer.embed", "env.penalty", ...; a key "a,b" with tuples for values
            varies several fields together. The field "seed" takes the place of `seeds`: "env.payoff,seed" gives every
            game seeds of its own. Values of traced fields can be drawn: `Uniform`, `LogUniform`, and `Sobol` for one
            or several fields. No two values may be equal in float32.
        env_steps: environment steps allotted to one run, rounded up to whole evaluations. An episode is allotted the
            environment's limit and may end earlier; the metric `steps_taken` counts the steps that were taken.
        test_interval: steps between evaluations; by default a twentieth of the budget.
        test_episodes: greedy episodes in an evaluation.
        root_seed: root of all random streams, drawn values included; change it to repeat a whole sweep independently.
    """

    env: Any
    algorithms: Any
    seeds: int | Sequence[int] = 1
    grid: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    env_steps: float = 100_000  # a whole number, but 1e6 is one too
    test_interval: float | None = None
    test_episodes: int = 32
    root_seed: int = 0

    def listed(self) -> "Sweep":
        """The sweep with plain values where values are drawn: what a directory holds, whatever draws them later."""
        root_seed = _whole("root_seed", self.root_seed, low=0)
        return dataclasses.replace(self, grid=values.listed(self.grid, root_seed))

    def plan(self, *, chunk: int | Sequence[int] | None = None, cache: bool = True, check: bool = False) -> Plan:
        """What running this would compile and hold in memory; nothing is compiled.

        Args:
            chunk: runs in a program at once; by default what the device holds and what is remembered as fastest.
            cache: use what earlier processes measured of the same programs.
            check: first check environments that are not jaxvf's, whose random play is compiled.

        Raises:
            InputError: for anything in the description that is not valid.
        """
        devices.use_cores()
        root_seed = _whole("root_seed", self.root_seed, low=0)
        env_steps = _whole("env_steps", self.env_steps)
        interval = max(1, env_steps // EVALUATIONS) if self.test_interval is None else self.test_interval
        checked = check_described(self.env) if check else []
        runs = expand(self.env, self.algorithms, self.grid, self.seeds, root_seed)
        if check:
            check_planned(runs, checked)
        return make_plan(
            runs,
            env_steps=env_steps,
            test_interval=_whole("test_interval", interval),
            test_episodes=_whole("test_episodes", self.test_episodes),
            root=root_seed,
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
        log: Any = None,
        cache: bool = True,
        grace: float | None = None,
        check: bool = True,
        within: float | None = None,
        until_width: float | None = None,
    ) -> Result:
        """Train all runs.

        Args:
            out: new directory for Parquet, configuration, checkpoints and policies; None keeps results in memory.
            chunk: runs in a program at once; by default what the device holds.
            yes: agree to compile more than 16 programs.
            progress: "auto", "plain" or "none".
            log: where to report too (`sinks.parse`): "tensorboard", "wandb:project=mine", a sink, or a list of them.
            cache: keep compiled programs, and what was measured of them, in the user's cache (`~/.cache/jaxvf`).
            grace: seconds from a SIGTERM to the end of the process; None to end the segment however long it takes.
            check: first check (`jaxvf.envs.check_env`) environments that are not jaxvf's, which takes a second or two.
            within: seconds in which rounds of `seeds` seeds each are added; the same call goes on later. None for one.
            until_width: end earlier, when every interval of `Result.summary` is narrower.

        Raises:
            InputError: for bad input, before anything is written.
            Interrupted: after SIGINT or SIGTERM, when all that is done is saved.
        """
        destinations = sinks.parse(log)
        if progress not in PROGRESS:
            raise unknown("progress", progress, PROGRESS)
        check_grace(grace)
        if not processes.first():
            out, progress, destinations = None, "none", []
        if within is not None or until_width is not None:
            if destinations or within is None:
                raise InputError("until_width belongs to within" if within is None else "within: rounds are not logged")
            from jaxvf.sweeps.search import Options, run_within

            return run_within(self.listed(), out, Options(chunk, yes, progress, cache, grace), within, until_width)
        plan = self.agreed_plan(chunk=chunk, yes=yes, cache=cache, check=check)
        directory = config = None
        if out is not None:
            directory, config = RunDirectory(out), to_json(self.listed())
            directory.check_new(config)
        with started(directory, config, plan) if directory else contextlib.nullcontext() as owner:
            claims = Alone(owner)
            common: dict[str, Any] = {"cache": cache, "grace": grace, "claims": claims}
            return execute(plan, directory, progress=progress, log=destinations, **common)

    def launch(
        self,
        out: str | Path,
        *,
        how: str,
        workers: int = 1,
        options: Mapping[str, Any] | None = None,
        chunk: int | None = None,
        yes: bool = False,
        progress: str = "auto",
        cache: bool = True,
        grace: float | None = None,
        modules: Sequence[str] = (),
        check: bool = True,
    ) -> Result | None:
        """Train all runs by workers in processes of their own, and wait for them; the same call goes on with a sweep.

        Args:
            out: directory of the sweep, on a file system that all workers see.
            how: "local" (this machine) and "slurm" (a job array), both by submitit; "ray"; or "none" to write the
                directory and say how to start workers.
            workers: how many; each group of runs is cut into at least as many units.
            options: of the launcher: for "local" cores (of a worker); for "slurm" partition, time (minutes), ...; for
                "ray" address, num_cpus, num_gpus, max_retries.
            chunk: runs in a program at once, at most; by default what a device as this process has holds.
            yes: agree to compile more than 16 programs.
            progress: "auto", "plain" or "none".
            cache: keep compiled programs in the user's cache.
            grace: seconds from a worker's SIGTERM to its end; None to end the segment however long it takes.
            modules: of your own, that workers import first.
            check: first check environments that are not jaxvf's.

        Returns:
            The result; None of the launcher "none".

        Raises:
            InputError: for bad input, before anything is written, and if all workers ended too early.
            Interrupted: after SIGINT or SIGTERM; workers of "local" and "ray" have saved their segments then.
        """
        if progress not in PROGRESS:
            raise unknown("progress", progress, PROGRESS)
        return launch(
            self, out, how=how, workers=workers, options=options or {}, chunk=chunk, yes=yes, progress=progress,
            cache=cache, grace=grace, modules=modules, check=check,
        )  # fmt: skip

    def search(
        self,
        method: Any,
        out: str | Path,
        *,
        chunk: int | None = None,
        yes: bool = False,
        progress: str = "auto",
        cache: bool = True,
        grace: float | None = None,
    ) -> Result:
        """Train where it pays (docs/searching.md); the same call goes on with a search that was stopped.

        Args:
            method: `jaxvf.Halving`, `jaxvf.Population` or `jaxvf.Optuna`.
            out: directory of the search.
            chunk: as `run`, and only for `Optuna`: the others hold all runs at once.
            yes: as `run`.
            progress: as `run`.
            cache: as `run`.
            grace: as `run`.

        Raises:
            InputError: for bad input, before anything is written.
            Interrupted: after SIGINT or SIGTERM, when all that is done is saved.
        """
        from jaxvf.sweeps.search import Options, Optuna, Search, run

        described = self if isinstance(method, Optuna) else self.listed()
        return run(Search(described, method), out, Options(chunk, yes, progress, cache, grace))

    def agreed_plan(self, *, chunk: int | None, yes: bool, cache: bool, check: bool = True) -> Plan:
        """The plan to run, as `run` takes it.

        Raises:
            InputError: as `plan`, and if it needs more programs than the user agrees to.
        """
        plan = self.plan(chunk=chunk, cache=cache, check=check)
        if len(plan.groups) > MANY_PROGRAMS and not yes:
            raise InputError(
                f"the sweep varies static fields and needs {len(plan.groups)} programs (more than {MANY_PROGRAMS}); "
                "sweep traced fields instead, or agree with yes=True (--yes)"
            )
        processes.check_chunk(chunk, min(len(group.runs) for group in plan.groups))
        return plan

    def run_or_resume(
        self, out: str | Path, *, chunk: int | None = None, progress: str = "auto", check: bool = True
    ) -> Result:
        """Train all runs into `out`, or go on where an earlier call for this very sweep stopped, with its `chunk`.

        Raises:
            InputError: if `out` holds another sweep, or anything else.
        """
        directory = RunDirectory(out)
        if directory.exists() and directory.read_json().get("config") == to_json(self.listed()):
            return go_on(directory, self.plan, progress=progress)
        return self.run(out, chunk=chunk, progress=progress, check=check)


def _whole(name: str, value: Any, low: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or value % 1 != 0:  # so of infinity and NaN
        raise InputError(f"{name}={reprlib.repr(value)} is not a whole number")
    value = int(value)  # pyright: ignore[reportArgumentType]
    if value < low:
        raise InputError(f"{name}={reprlib.repr(value)} must be at least {low}")
    if value >= 2**31:
        raise InputError(f"{name}={reprlib.repr(value)} exceeds {2**31 - 1}, the largest that a counter holds")
    return value
