"""What programs took on this machine, remembered in the user's cache: seconds to compile, and of a run's step."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import jax

from jaxvf.errors import InputError
from jaxvf.results import Result
from jaxvf.results.store import write_atomically
from jaxvf.sweeps import Sweep, cache
from jaxvf.sweeps.measurements import program_key
from jaxvf.sweeps.space import Run, expand

FILE = "durations.json"


@dataclasses.dataclass(frozen=True)
class Workload:
    """What one program is to do.

    Attributes:
        key: names the program, its machine and its versions.
        runs: how many.
        steps: environment steps of all of them.
    """

    key: str
    runs: int
    steps: int


@dataclasses.dataclass(frozen=True)
class Duration:
    """What a program took.

    Attributes:
        compile_seconds: once.
        step_seconds: of a run and environment step, evaluations included.
    """

    compile_seconds: float
    step_seconds: float

    def of(self, work: Workload) -> float:
        """Seconds for a workload."""
        return self.compile_seconds + work.steps * self.step_seconds


def programs(sweep: Sweep) -> list[list[Run]]:
    """The runs of a sweep, those of one compiled program together, in the order of its plan.

    Raises:
        InputError: for anything in the description that is not valid.
    """
    groups: dict[Any, list[Run]] = {}
    for run in expand(sweep.env, sweep.algorithms, sweep.grid, sweep.seeds, sweep.root_seed):
        shapes = tuple((leaf.shape, leaf.dtype.name) for leaf in jax.tree.leaves(run.env_params))
        groups.setdefault((run.env, jax.tree.structure(run.algorithm), shapes), []).append(run)
    return list(groups.values())


def workloads(sweep: Sweep) -> list[Workload]:
    """What each program of a sweep is to do, in the order of its plan; nothing is compiled.

    Raises:
        InputError: for anything in the description that is not valid.
    """
    return [
        Workload(program_key(runs[0], test_episodes=sweep.test_episodes), len(runs), len(runs) * int(sweep.env_steps))
        for runs in programs(sweep)
    ]


def remember(works: Sequence[Workload], result: Result) -> None:
    """Keep what the programs of a finished sweep took; where the cache cannot be written nothing fails."""
    if not cache.switched_on() or len(works) != len(result.timing):
        return
    known = read()
    for work, timing in zip(works, result.timing, strict=True):
        rate = timing.get("env_steps_per_second") or 0.0
        if work.key and rate > 0:
            compiling = float(timing.get("compile_seconds") or 0.0)
            before = known.get(work.key)
            # A program that the cache had compiled tells nothing of what compiling it takes.
            known[work.key] = Duration(max(compiling, before.compile_seconds if before else 0.0), 1 / rate)
    try:
        cache.create()
        content = {key: dataclasses.asdict(duration) for key, duration in known.items()}
        write_atomically(cache.directory() / FILE, json.dumps(content, indent=1).encode())
    except (OSError, InputError):  # not writable, or full
        return


def read() -> dict[str, Duration]:
    """What is remembered, by key; entries that this version did not write are left out."""
    if not cache.switched_on():
        return {}
    try:
        content = json.loads((cache.directory() / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    found = {}
    for key, entry in content.items() if isinstance(content, dict) else ():
        try:
            duration = Duration(float(entry["compile_seconds"]), float(entry["step_seconds"]))
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(duration.compile_seconds + duration.step_seconds):
            found[key] = duration
    return found
