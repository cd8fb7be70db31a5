"""Replay of sequences beside replay of whole padded episodes: QMIX on a battle, at equal steps taken.

Battles of 3m end after 25 of 60 steps. An episode replay simulates, stores and learns from the rest too; sequences run
through the ends of episodes, with what the agents remembered before the first step. Both make about as many updates of
about as many real steps.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.results import Interval, iqm_interval, summaries

ENV = "combat/3m"
LIMIT = 60
STEPS, QUICK_STEPS = 100_000, 12_000  # real ones
REAL_SHARE = 100 / 240  # of the steps allotted to an episode replay, the share that battles last
EVALUATIONS = 10
COMMON: dict[str, Any] = {
    "num_envs": 8, "batch_size": 32, "buffer_size": 2048, "optimizer": "adam", "learning_rate": 1e-3, "td_lambda": 0.6,
}  # fmt: skip
FORMS: dict[str, dict[str, Any]] = {
    "episodes": {"replay": "episodes", "updates_per_episode": 0.25},
    "sequences": {"replay": "sequences", "sequence_length": 32, "updates_per_step": 3 / 256},
}
GOOD = 0.8  # win rate whose cost is reported
ANNEAL_SHARE = 0.48  # of the real steps


def reproduce(*, seeds: int | None = None, quick: bool = False, out: Path) -> None:
    """Train with both forms, write Parquet, `summary.json` and a curve over real steps to `out`."""
    steps, seeds = QUICK_STEPS if quick else STEPS, seeds or (2 if quick else 8)
    rows, curves = [], {}
    for form, fields in FORMS.items():
        allotted = steps / REAL_SHARE if form == "episodes" else steps
        algorithm = jaxvf.value.QLearning(**COMMON, **fields, epsilon_anneal=ANNEAL_SHARE * steps)
        sweep = jaxvf.Sweep(
            env=ENV, algorithms=algorithm, seeds=seeds, env_steps=allotted, test_interval=allotted // EVALUATIONS
        )
        begun = time.process_time()
        result = sweep.run_or_resume(out / form)
        seconds = time.process_time() - begun  # of all threads; an interrupted sweep's are those of its last process
        won, taken = result.metric("test_won"), result.metric("steps_taken")
        curves[form] = (taken.mean(axis=0), won)
        final = iqm_interval(won[:, -1], rng=np.random.default_rng(0))
        rows.append(
            summaries.condition_row(result, result.select(), form=form)
            | {
                "final_win_rate_iqm": [float(end) for end in final],
                "steps_taken": float(taken[:, -1].mean()),
                "cpu_seconds": seconds,
                "cpu_seconds_to_good": seconds * share_until(won, GOOD),
            }
        )
    summaries.write_summary(rows, out)
    print(*summaries.save_panels({ENV: curves}, out, labels=tuple(FORMS), ylabel="greedy win rate"), sep="\n")
    for row in rows:
        won = summaries.return_text(Interval(*row["final_win_rate_iqm"]))
        spent, until = row["cpu_seconds"], row["cpu_seconds_to_good"]
        print(f"{row['form']:10} won {won}  {spent:.0f} CPU seconds, {until:.0f} until {GOOD:.0%}")


def share_until(won: np.ndarray, good: float) -> float:
    """The share of a run's segments after which the median run wins this often; NaN if it never does."""
    above = np.flatnonzero(np.median(won, axis=0) >= good)
    return (above[0] + 1) / won.shape[1] if above.size else float("nan")
