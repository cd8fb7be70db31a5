"""The plan of a sweep, made before anything compiles: groups, programs, chunks and memory, predicted or remembered."""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxvf import __version__
from jaxvf.errors import InputError
from jaxvf.hyperparameters import LARGEST_COUNT
from jaxvf.serialize import to_json
from jaxvf.sweeps import chunk_size, devices, plan_text
from jaxvf.sweeps.chunk_size import ChunkSize
from jaxvf.sweeps.measurements import Measurements, program_key
from jaxvf.sweeps.memory import predict_bytes
from jaxvf.sweeps.space import Run
from jaxvf.training import Clock, Program, make_program

DIGITS = 8  # of a hash in a file's name


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that share one compiled program: equal static fields, any traced ones.

    Attributes:
        runs: the runs, in order.
        program: the functions to compile.
        segments: segments until the budget is spent; the last one is whole, so a budget is rounded up.
        predict: gives the memory of one run by formula (`memory.predict_bytes`); worked out when it is asked for.
        measured_bytes: memory of one run as XLA laid it out when this program was compiled before; None if it was not.
        size: runs in the program at once, and why so many.
        key: names the program in the user's cache.
    """

    runs: tuple[Run, ...]
    program: Program
    segments: int
    predict: Callable[[], int]
    measured_bytes: int | None
    size: ChunkSize
    key: str

    @property
    def chunk(self) -> int:
        """Runs in the program at once."""
        return self.size.runs

    @property
    def bytes_per_run(self) -> int:
        """Memory of one run: measured where it was, else predicted."""
        return self.measured_bytes or self.predict()

    @property
    def chunks(self) -> list[tuple[Run, ...]]:
        """The runs cut into chunks that reuse the program; the last may be short."""
        return [self.runs[start : start + self.chunk] for start in range(0, len(self.runs), self.chunk)]

    @functools.cached_property
    def digests(self) -> list[str]:
        """Of each chunk, a hash of all that its numbers depend on: this version, what the group computes, its runs."""
        common = [__version__, self.meaning(), self.program.root, self.program.test_episodes]
        return [_digest([common, [run.meaning() for run in chunk]]) for chunk in self.chunks]

    @property
    def env_steps(self) -> np.ndarray:
        """Environment steps allotted to a run at each evaluation, [segments]."""
        return self.program.segment_steps * np.arange(1, self.segments + 1)

    def meaning(self) -> dict[str, Any]:
        """What the group computes, in full, so that a directory keeps its meaning when a default changes."""
        first = self.runs[0]
        return {
            "runs": len(self.runs),
            "run_ranges": _ranges([run.index for run in self.runs]),
            "segments": self.segments,
            "segment_steps": self.program.segment_steps,
            "algorithm": to_json(first.algorithm),
            "env": to_json(first.env),
            "env_params": to_json(first.env_params),
            "env_version": first.env.spec.version,
        }

    def stack(self, chunk: Sequence[Run]) -> tuple[Any, Any, Array]:
        """Traced hyperparameters, environment parameters and seeds of a chunk, each with a leading runs axis.

        Filled up with copies of its first run, whose results nobody reads, until every device has an equal share.
        """
        filled = [*chunk, *[chunk[0]] * (devices.width(self.chunk) - len(chunk))]
        algorithm = jax.tree.map(lambda *leaves: jnp.asarray(leaves, jnp.float32), *[run.algorithm for run in filled])
        # By NumPy: JAX would compile a concatenation of as many operands as there are runs.
        env_params = jax.tree.map(lambda *leaves: np.stack(leaves), *[run.env_params for run in filled])
        seeds = jnp.asarray([run.seed for run in filled], jnp.int32)
        return jax.device_put((algorithm, env_params, seeds), devices.placement(self.chunk).runs)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a sweep will compile and run."""

    groups: tuple[Group, ...]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return sum(len(group.runs) for group in self.groups)

    @property
    def steps(self) -> int:
        """Environment steps of all runs together."""
        return sum(len(group.runs) * group.segments * group.program.segment_steps for group in self.groups)

    def lines(self) -> list[str]:
        """The plan as a user reads it."""
        return plan_text.lines(self)

    def to_json(self) -> list[dict[str, Any]]:
        """The plan for `--json` and `run.json`."""
        return [
            {
                "labels": sorted({f"{run.labels['algorithm']} on {run.labels['env']}" for run in group.runs}),
                "chunk": group.chunk,
                "chunk_reason": group.size.reason,
                "chunks": len(group.chunks),
                "predicted_bytes_per_run": group.predict(),
                "measured_bytes_per_run": group.measured_bytes,
                **group.meaning(),
            }
            for group in self.groups
        ]


def make_plan(
    runs: Sequence[Run],
    *,
    env_steps: int,
    test_interval: int,
    test_episodes: int,
    root: int,
    chunk: int | Sequence[int] | None,
    measurements: Measurements,
) -> Plan:
    """Group runs by static configuration, predict their memory and choose chunk sizes.

    Args:
        runs: all runs of the sweep.
        env_steps: budget of one run.
        test_interval: environment steps between evaluations, rounded to whole iterations.
        test_episodes: greedy episodes in an evaluation.
        root: root of all random streams.
        chunk: runs of one program at once; None for what the device holds. A list, one for each group, is taken as
            it is: it comes from an earlier plan, perhaps made on a larger device.
        measurements: what is remembered of programs that were compiled before.

    Raises:
        InputError: if not even one run fits into memory, or an algorithm's fields contradict each other.
    """
    grouped: dict[Any, list[Run]] = {}
    for run in runs:
        shapes = tuple((leaf.shape, leaf.dtype.name) for leaf in jax.tree.leaves(run.env_params))
        grouped.setdefault((run.env, jax.tree.structure(run.algorithm), shapes), []).append(run)
    if isinstance(chunk, Sequence) and len(chunk) != len(grouped):
        raise InputError(f"the stored plan has {len(chunk)} groups, this version of jaxvf makes {len(grouped)}")
    groups = []
    for index, members in enumerate(grouped.values()):
        program = make_program(
            members[0].env,
            members[0].algorithm,
            env_steps=env_steps,
            test_interval=test_interval,
            test_episodes=test_episodes,
            root=root,
        )
        key = program_key(members[0], test_episodes=test_episodes)
        known = measurements.of(key)
        predict = functools.cache(functools.partial(predict_bytes, program, members[0]))
        if isinstance(chunk, Sequence):
            size = ChunkSize(chunk[index], "stored")
        else:
            size = chunk_size.choose(len(members), known.bytes_per_run or predict(), known.seconds, chunk)
        segments = math.ceil(env_steps / program.segment_steps)
        if segments * program.segment_steps > LARGEST_COUNT:
            raise InputError(
                f"env_steps={env_steps} is {segments * program.segment_steps} in whole evaluations, more than "
                f"{LARGEST_COUNT}, the largest that a counter holds; take fewer, or a shorter test_interval"
            )
        groups.append(
            Group(
                runs=tuple(members),
                program=program,
                segments=segments,
                predict=predict,
                measured_bytes=known.bytes_per_run,
                size=size,
                key=key,
            )
        )
    return Plan(tuple(groups))


def start_clock(group: Group) -> Clock:
    """The clock of a chunk that has not begun, on every device of the program."""
    return jax.device_put(Clock.start(), devices.placement(group.chunk).shared)


def _digest(described: Any) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:DIGITS]


def _ranges(numbers: Sequence[int]) -> list[list[int]]:
    """Ascending numbers as the first and last of every stretch without a gap."""
    starts = [at for at, number in enumerate(numbers) if at == 0 or number != numbers[at - 1] + 1]
    ends = [*starts[1:], len(numbers)]
    return [[numbers[start], numbers[end - 1]] for start, end in zip(starts, ends, strict=True)]
