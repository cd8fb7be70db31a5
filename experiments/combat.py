"""StarCraft micromanagement without StarCraft: greedy win rate and return of six learners, map by map.

Huang et al. 2026 (POW, arXiv 2405.08036, Table 1) and Hu et al. 2026 (non-monotonic QMIX, arXiv 2511.09792) report win
rates on some of these maps. Their simulator is StarCraft II; here it is jaxvf's restatement of SMAC's rules, so curves
compare with each other and not with the papers' numbers.
"""

from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.hyperparameters import replace
from jaxvf.results import Interval, iqm_interval, summaries

LEARNERS = ("qmix", "vdn", "qplex", "duelmix", "pow_qmix", "nm_qmix")
MAPS = ("3m", "2s3z", "3s_vs_5z", "corridor", "MMM2", "3s5z_vs_3s6z", "6h_vs_8z", "protoss_5_vs_5")
QUICK_LEARNERS = ("qmix",)
QUICK_MAPS = ("3m",)
# The same for all learners: eight battles side by side, an update for every four of them, PyMARL2's optimizer.
SETTING: dict[str, Any] = {
    "num_envs": 8,
    "updates_per_episode": 0.25,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "td_lambda": 0.6,
    "batch_size": 32,
    "buffer_size": 2048,
}
# Steps taken: replay holds sequences, which waste none. Rates fall in half of them.
ENV_STEPS = {"3m": 100_000, "2s3z": 400_000}
HARD_STEPS = 2_000_000
ANNEAL_SHARE = 0.5
TEST_EPISODES = 32


def reproduce(
    *,
    seeds: int | None = None,
    quick: bool = False,
    env_steps: int | None = None,
    out: Path,
    maps: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and two curves a map to `out`; one program a learner and map."""
    maps = maps or (QUICK_MAPS if quick else MAPS)
    learners = learners or (QUICK_LEARNERS if quick else LEARNERS)
    seeds = seeds or (2 if quick else 8)
    rows: list[dict[str, Any]] = []
    wins: dict[str, dict[str, Any]] = {}
    returns: dict[str, dict[str, Any]] = {}
    for name in maps:
        steps = env_steps or (60_000 if quick else ENV_STEPS.get(name, HARD_STEPS))
        won, returned = wins.setdefault(f"{name}, won", {}), returns.setdefault(name, {})
        for learner in learners:
            sweep = jaxvf.Sweep(
                env=f"combat/{name}",
                algorithms=configured(learner, steps),
                seeds=seeds,
                env_steps=steps,
                test_interval=max(1, steps // 10),
                test_episodes=TEST_EPISODES,
            )
            result = sweep.run_or_resume(out / name / learner)
            runs = result.select()
            won |= summaries.curves_of(result, {learner: {}}, metric="test_won")
            returned |= summaries.curves_of(result, {learner: {}})
            row = summaries.condition_row(result, runs, learner=learner, map=name, env_steps=steps)
            final = iqm_interval(result.metric("test_won")[runs, -1], rng=np.random.default_rng(0))
            taken = float(result.metric("steps_taken")[runs, -1].mean())
            rows.append(row | {"final_win_rate_iqm": [float(end) for end in final], "steps_taken": taken})
    summaries.write_summary(rows, out)
    drawn = summaries.save_panels(wins, out, labels=learners, ylabel="greedy win rate")
    for path in [*drawn, *summaries.save_panels(returns, out, labels=learners)]:
        print(path)
    for row in rows:
        win = summaries.return_text(Interval(*row["final_win_rate_iqm"]))
        print(f"{row['map']:14} {row['learner']:9} won {win}  return {summaries.return_text(row['final_return'])}")


def configured(learner: str, steps: int) -> Any:
    """The registered algorithm with the common setting; what is annealed is annealed in a share of the budget."""
    algorithm = jaxvf.algorithms.make(learner)
    annealed = {"epsilon_anneal": ANNEAL_SHARE * steps}
    if learner.startswith("pow"):
        annealed["unweighted_steps"] = ANNEAL_SHARE * steps
    for field, value in {**SETTING, **annealed}.items():
        algorithm = replace(algorithm, field, value)
    return algorithm
