"""StarCraft micromanagement without StarCraft: greedy win rate and return of six learners, map by map.

Huang et al. 2026 (POW, arXiv 2405.08036, Table 1) and Hu et al. 2026 (non-monotonic QMIX, arXiv 2511.09792) report win
rates on some of these maps. Their simulator is StarCraft II; here it is jaxvf's restatement of SMAC's rules, so curves
compare with each other and not with the papers' numbers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import IQM, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import Interval, Result, iqm_interval, summaries

LEARNERS = ("qmix", "vdn", "qplex", "duelmix", "pow_qmix", "nm_qmix")
MAPS = ("3m", "2s3z", "3s_vs_5z", "corridor", "MMM2", "3s5z_vs_3s6z", "6h_vs_8z", "protoss_5_vs_5")
# The same for all learners: eight battles side by side, PyMARL2's optimizer, and as many updates as the sequences of
# `replay_forms`, whose runs learn.
SETTING: dict[str, Any] = {
    "num_envs": 8,
    "sequence_length": 32,
    "updates_per_step": 3 / 256,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "td_lambda": 0.6,
    "batch_size": 32,
    "buffer_size": 2048,
}
# Steps taken: replay holds sequences, which waste none. ε falls in about half of them.
ENV_STEPS = {"3m": 100_000, "2s3z": 400_000}
HARD_STEPS = 10_050_000  # of POW; Hu et al. 2026 train for 10 million
ANNEAL_SHARE = 0.48
TEST_EPISODES = 32


@dataclass(frozen=True, kw_only=True)
class Battles(Scale):
    """Which maps and learners; budgets go by map."""

    maps: tuple[str, ...]
    learners: tuple[str, ...]


SCALES = {
    "small": Battles(minutes=8, seeds=4, env_steps=ENV_STEPS, maps=("3m",), learners=("qmix",)),
    "medium": Battles(minutes=480, seeds=8, env_steps=ENV_STEPS, maps=("3m", "2s3z"), learners=LEARNERS),
    # The budget of SMAC's papers, on which they rest; 8 seeds are chosen here.
    "paper": Battles(
        minutes=300_000,
        seeds=8,
        env_steps=ENV_STEPS | dict.fromkeys(MAPS[2:], HARD_STEPS),
        maps=MAPS,
        learners=LEARNERS,
    ),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    maps: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and two curves a map to `out`; one program a learner and map."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, maps=maps, learners=learners)
    played = {f"{name}/{learner}": (name, learner) for name in setting.maps for learner in setting.learners}
    results = train({where: sweep_of(*cell, setting) for where, cell in played.items()}, out, setting, yes=yes)
    rows: list[dict[str, Any]] = []
    wins: dict[str, dict[str, Any]] = {f"{name}, won": {} for name in setting.maps}
    returns: dict[str, dict[str, Any]] = {name: {} for name in setting.maps}
    for where, (name, learner) in played.items():
        wins[f"{name}, won"] |= summaries.curves_of(results[where], {learner: {}}, metric="test_won")
        returns[name] |= summaries.curves_of(results[where], {learner: {}})
        rows.append(judge(results[where], setting, learner, name))
    summaries.write_summary(rows, out)
    behaviour = f"ε from 1 to 0.05 within {ANNEAL_SHARE:.0%} of the run"
    facts = facts_of(rows, behaviour=f"{behaviour}; {TEST_EPISODES} greedy battles an evaluation", interval=IQM)
    won = caption("Share of battles won against the scripted team, by greedy play.", **facts)
    drawn = summaries.save_panels(wins, out, labels=setting.learners, ylabel="greedy win rate", note=won)
    drawn += summaries.save_panels(
        returns, out, labels=setting.learners, note=caption("Return of greedy play.", **facts)
    )
    for path in drawn:
        print(path)
    for row in rows:
        win = summaries.return_text(Interval(*row["final_win_rate_iqm"]))
        print(f"{row['map']:14} {row['learner']:9} won {win}  return {summaries.return_text(row['final_return'])}")


def sweep_of(name: str, learner: str, setting: Battles) -> jaxvf.Sweep:
    """All seeds of a learner on a map."""
    steps = setting.steps_of(name)
    return jaxvf.Sweep(
        env=f"combat/{name}",
        algorithms=configured(learner, steps),
        seeds=setting.seeds,
        env_steps=steps,
        test_interval=max(1, steps // 10),
        test_episodes=TEST_EPISODES,
    )


def judge(result: Result, setting: Battles, learner: str, name: str) -> dict[str, Any]:
    """The row of a learner on a map; its win rate is an IQM over seeds."""
    runs, steps = result.select(), setting.steps_of(name)
    row = summaries.condition_row(result, runs, scale=setting.label, learner=learner, map=name, env_steps=steps)
    won = result.metric("test_won")[runs]
    final = iqm_interval(won[:, -1], rng=np.random.default_rng(0))
    return row | {
        "final_win_rate_iqm": [float(end) for end in final],
        "iqm_won": [part.tolist() for part in map(np.asarray, iqm_interval(won, rng=np.random.default_rng(0)))],
        "steps_taken": float(result.metric("steps_taken")[runs, -1].mean()),
    }


def configured(learner: str, steps: int) -> Any:
    """The registered algorithm with the common setting; what is annealed is annealed in a share of the budget."""
    algorithm = jaxvf.algorithms.make(learner)
    annealed = {"epsilon_anneal": ANNEAL_SHARE * steps}
    if learner.startswith("pow"):
        annealed["unweighted_steps"] = ANNEAL_SHARE * steps
    for field, value in {**SETTING, **annealed}.items():
        algorithm = replace(algorithm, field, value)
    return algorithm
