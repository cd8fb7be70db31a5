"""Run directories with made-up curves, written as a sweep writes them, to test and measure what reads them."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.plain_json import dumps
from jaxvf.results.store import FINISHED, UNFINISHED, RunDirectory, write_atomically

COMMAND = "jaxvf run --env game --algorithm vdn qmix"
STEPS = 1000  # between two evaluations


def make(
    out: Path,
    *,
    envs: Sequence[str] = ("game",),
    learners: Sequence[str] = ("vdn", "qmix"),
    grid: Mapping[str, Sequence[Any]] | None = None,
    seeds: int = 8,
    evaluations: int = 20,
    metrics: Sequence[str] = ("test_return", "test_optimal"),
    diverged: Sequence[int] = (),
    done: int | None = None,
) -> Path:
    """A directory of runs over environments, learners, values and seeds; each curve rises to a height of its own.

    Args:
        out: the directory.
        envs: names.
        learners: names, better from one to the next.
        grid: values by field.
        seeds: runs of each condition.
        evaluations: of each run.
        metrics: "test_return" is a number, all others are 0 or 1.
        diverged: runs that are NaN from their middle on.
        done: evaluations so far of an unfinished sweep; None for a finished one.
    """
    grid = grid or {}
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    described = itertools.product(envs, enumerate(learners), points, range(seeds))
    rows = [
        {"run": run, "env": env, "algorithm": learner, "seed": seed, **point, "level": level}
        for run, (env, (level, learner), point, seed) in enumerate(described)
    ]
    levels = np.asarray([row.pop("level") for row in rows])
    status = [
        "unfinished" if done is not None else "diverged" if row["run"] in diverged else "finished" for row in rows
    ]
    fields = {"env": list(envs), "algorithms": list(learners), "seeds": seeds, "grid": dict(grid)}
    directory = _begun(out, fields, [_group(len(rows), evaluations, learners)])
    directory.write_runs([{**row, "status": one} for row, one in zip(rows, status, strict=True)])
    length = evaluations if done is None else done
    if length:
        curves = [_curve(metric, levels, length, diverged) for metric in metrics]
        directory.write_part(
            f"g000-c000-s{length:06d}",
            run=np.asarray([row["run"] for row in rows]),
            seed=np.asarray([row["seed"] for row in rows]),
            env_steps=STEPS * np.arange(1, length + 1)[:, None],
            metric=np.asarray(metrics, object)[:, None, None],
            value=np.stack(curves),
        )
    if done is None:
        fates = {"diverged": [row["run"] in diverged for row in rows], "seconds": 1.0, "steps": 1}
        write_atomically(directory.unit_record("g000-c000"), dumps(fates).encode())
        timing = {"group": 0, "compile_seconds": 2.5, "run_seconds": 61.0, "measured_bytes_per_run": 2_000_000}
        directory.update_json(timing=[timing])
    directory.update_json(status=FINISHED if done is None else UNFINISHED)
    return out


def _begun(out: Path, fields: Mapping[str, Any], plan: Sequence[Any]) -> RunDirectory:
    """A directory with the run.json of a sweep of these fields."""
    directory = RunDirectory(out)
    config = {"class": "jaxvf.sweeps.sweep:Sweep", "fields": dict(fields)}
    device = {"platform": "cpu", "kind": "cpu", "count": 1}
    directory.create(config, command=COMMAND, versions={"jaxvf": jaxvf.__version__}, device=device, plan=list(plan))
    return directory


def _group(runs: int, evaluations: int, learners: Sequence[str]) -> dict[str, Any]:
    return {
        "labels": list(learners),
        "runs": runs,
        "chunk": runs,
        "segments": evaluations,
        "segment_steps": STEPS,
        "run_ranges": [[0, runs - 1]],
        "algorithm": {"class": "some.module:Learner", "fields": {"learning_rate": 0.001}},
    }


def _curve(metric: str, levels: np.ndarray, length: int, diverged: Sequence[int]) -> np.ndarray:
    """Curves [evaluations, runs]: the same whenever they are made."""
    rng = np.random.default_rng(sum(map(ord, metric)))
    height = rng.normal(10 + 2 * levels, 3)
    rise = 1 - np.exp(-5 * np.linspace(0, 1, length))
    curve = rise[:, None] * height + rng.normal(0, 0.5, (length, len(levels)))
    if metric != "test_return":
        curve = (curve > 10.0).astype(float)
    curve[length // 2 :, list(diverged)] = np.nan
    return curve.astype(np.float32)
