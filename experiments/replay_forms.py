"""Replay of sequences beside replay of whole padded episodes: QMIX on a battle, at equal steps taken.

Battles of 3m end after 25 of 60 steps. An episode replay simulates, stores and learns from the rest too; sequences run
through the ends of episodes, with what the agents remembered before the first step. Both make about as many updates of
about as many real steps.
"""

from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.reproduction import IQM, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import Interval, Result, iqm_interval, summaries

ENV = "combat/3m"
LIMIT = 60
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


SCALES = {
    "small": Scale(minutes=6, seeds=8, env_steps=100_000),  # real steps
    "medium": Scale(minutes=45, seeds=32, env_steps=200_000),
    "paper": Scale(minutes=900, seeds=64, env_steps=2_000_000),  # no paper's: ours, at its largest
}


def reproduce(
    *, out: Path, scale: str = SMALL, seeds: int | None = None, env_steps: int | None = None, yes: bool = False
) -> None:
    """Train with both forms, write Parquet, `summary.json` and a curve over real steps to `out`."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps)
    results = train({form: sweep_of(form, setting) for form in FORMS}, out, setting, yes=yes)
    rows = [judge(result, form, setting.label) for form, result in results.items()]
    summaries.write_summary(rows, out)
    curves = {
        form: (result.metric("steps_taken").mean(axis=0), result.metric("test_won")) for form, result in results.items()
    }
    behaviour = f"ε from 1 to 0.05 within {ANNEAL_SHARE:.0%} of the run"
    facts = facts_of(rows, behaviour=behaviour, interval=IQM)
    facts["steps"] = f"{setting.steps_of():,} steps taken a run"
    claim = (
        "Share of battles of 3m that greedy QMIX wins, against the steps that were really taken, by what is replayed: "
        "sequences that run through the ends of battles, or whole episodes padded to the limit."
    )
    note = caption(claim, **facts)
    print(
        *summaries.save_panels({ENV: curves}, out, labels=tuple(FORMS), ylabel="greedy win rate", note=note), sep="\n"
    )
    for row in rows:
        won = summaries.return_text(Interval(*row["final_win_rate_iqm"]))
        spent, until = row["run_seconds"], row["run_seconds_to_good"]
        print(f"{row['form']:10} won {won}  {spent:.0f} seconds of running, {until:.0f} until {GOOD:.0%}")


def sweep_of(form: str, setting: Scale) -> jaxvf.Sweep:
    """All seeds of one form; an episode replay is allotted the steps that its padding takes too."""
    steps = setting.steps_of()
    allotted = steps / REAL_SHARE if form == "episodes" else steps
    algorithm = jaxvf.value.QLearning(**COMMON, **FORMS[form], epsilon_anneal=ANNEAL_SHARE * steps)
    return jaxvf.Sweep(
        env=ENV, algorithms=algorithm, seeds=setting.seeds, env_steps=allotted, test_interval=allotted // EVALUATIONS
    )


def judge(result: Result, form: str, scale: str) -> dict[str, Any]:
    """The row of one form; what running cost, and how much of it until the median run wins often."""
    won, taken = result.metric("test_won"), result.metric("steps_taken")
    seconds = sum(row["run_seconds"] for row in result.timing)
    course = iqm_interval(won, rng=np.random.default_rng(0))
    return summaries.condition_row(result, result.select(), scale=scale, form=form) | {
        "final_win_rate_iqm": [float(np.asarray(end)[-1]) for end in course],
        "steps_taken": float(taken[:, -1].mean()),
        "steps_taken_at": taken.mean(axis=0).tolist(),
        "iqm_won": [np.asarray(part).tolist() for part in course],
        "run_seconds": seconds,
        "run_seconds_to_good": seconds * share_until(won, GOOD),
    }


def share_until(won: np.ndarray, good: float) -> float:
    """The share of a run's segments after which the median run wins this often; NaN if it never does."""
    above = np.flatnonzero(np.median(won, axis=0) >= good)
    return (above[0] + 1) / won.shape[1] if above.size else float("nan")
