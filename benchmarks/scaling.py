"""What 100,000 and a million runs cost: seconds and bytes of a run, measured on some programs of short and long games.

Everything that grows with the number of runs is measured: CPU time of training, memory while a run trains, bytes of its
files, and what the host does for each run before the first program starts. `benchmarks/SCALING.md` draws conclusions.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from jaxvf import scripts
from jaxvf.sweeps import Sweep

throughput = scripts.load("benchmarks", "throughput")
# Environment, learner, runs at once, and environment steps of a paper's budget.
PROGRAMS = (
    ("matrix_game/A", "qmix", 64, 50_000),
    ("gaussian_team", "happo", 16, 100_000),
    ("predator_prey", "vdn", 4, 1_000_000),
)
SEGMENTS = 4  # measured after one more, which fills replay
MANY = 10_000  # runs whose planning is timed


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per program; `quick` is the first alone."""
    rows = [measure(*program) for program in (PROGRAMS[:1] if quick else PROGRAMS)]
    return {"machine": throughput.machine(), "rows": rows, "planning": planning(1_000 if quick else MANY)}


def measure(env: str, learner: str, runs: int, env_steps: int) -> dict[str, Any]:
    """CPU seconds of a run of the whole budget, from a few short segments, and its bytes in memory and on disk."""
    interval = {"matrix_game/A": 2_000, "gaussian_team": 2_000, "predator_prey": 8_000}[env]
    sweep = Sweep(
        env, learner, seeds=runs, env_steps=interval * (1 + SEGMENTS), test_interval=interval, test_episodes=8
    )
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "sweep"
        with _timed_segments(seconds):
            (timing,) = sweep.run(out, chunk=runs, progress="none", yes=True).timing
        disk = {name: _bytes(out / name) / runs for name in ("policies", "metrics", "runs.parquet")}
    steps = interval * SEGMENTS
    return {
        "env": env,
        "algorithm": learner,
        "runs_at_once": runs,
        "cpu_seconds_a_run_and_million_steps": round(sum(seconds[1:]) / runs / steps * 1e6, 2),
        "budget_steps": env_steps,
        "cpu_seconds_a_run": round(sum(seconds[1:]) / runs / steps * env_steps, 2),
        "memory_bytes_a_run": timing["measured_bytes_per_run"],
        "policy_bytes_a_run": round(disk["policies"]),
        "metric_bytes_a_run_and_evaluation": round(disk["metrics"] / (1 + SEGMENTS)),
        "table_bytes_a_run": round(disk["runs.parquet"]),
        "compile_seconds": round(timing["compile_seconds"], 1),
    }


def planning(runs: int) -> dict[str, Any]:
    """What the host does before the first program: description to plan and names of units, and the table of runs."""
    sweep = Sweep("matrix_game/A", "qmix", seeds=runs, env_steps=50_000)
    begun = time.process_time()
    plan = sweep.plan(cache=False)
    planned = time.process_time() - begun
    begun = time.process_time()
    (group,) = plan.groups
    jax.block_until_ready(group.stack(group.chunks[0]))
    stacked = time.process_time() - begun
    return {
        "runs": runs,
        "plan_cpu_milliseconds_a_run": round(planned / runs * 1e3, 4),
        "stack_cpu_milliseconds_a_run": round(stacked / len(group.chunks[0]) * 1e3, 4),
    }


@contextlib.contextmanager
def _timed_segments(seconds: list[float]) -> Iterator[None]:
    """In the block every segment of a sweep is one piece and adds its CPU seconds."""
    from unittest import mock

    from jaxvf.sweeps.rhythm import Rhythm
    from jaxvf.sweeps.unit_run import UnitRun

    piece = UnitRun._piece

    def timed(self: UnitRun) -> None:
        begun = time.process_time()
        piece(self)
        seconds.append(time.process_time() - begun)

    with mock.patch.object(UnitRun, "_piece", timed), mock.patch.object(Rhythm, "iterations", lambda self, left: left):
        yield


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())
