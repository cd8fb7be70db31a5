"""Predator-prey with punishment -1 to -5 for catching alone: test return of nine learners against steps.

Huang et al. 2026 (POW, arXiv 2405.08036), Fig. 3 (p = -3, -4, -5) and the predator-prey columns of Table 1 (p = -4,
-5). The ceiling is 40; who learns never to catch ends at 0.
"""

from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.algorithms import PORT
from jaxvf.hyperparameters import replace
from jaxvf.results import summaries

LEARNERS = ("vdn", "qmix", "qplex", "cw_qmix", "ow_qmix", "resq", "pow_qmix", "pow_vdn", "pow_qplex")
QUICK_LEARNERS = ("qmix", "pow_qmix")
PENALTIES = (-1.0, -2.0, -3.0, -4.0, -5.0)
QUICK_PENALTIES = (-1.0, -4.0)
ENV_STEPS = 5_050_000
TEST_INTERVAL, TEST_EPISODES = 10_000, 16
CEILING = 40.0
COUNTS = ("captures", "mis_captures")

# The settings of POW's code: the same for all learners, and what some have of their own.
SETTING: dict[str, Any] = {**PORT, "last_action": True, "agent_id": False}
POW = {"tolerance": 1.0, "unweighted_steps": 100_000}
OF_LEARNER: dict[str, dict[str, Any]] = {
    "qplex": {"mixer.adv_hypernet_layers": 2},
    "resq": {"optimizer": "rmsprop"},  # as its authors' code in fact runs
    "pow_qmix": POW,
    "pow_vdn": POW,
    "pow_qplex": POW,
}
# A few minutes on two cores: half of everything in an episode a quarter as long.
QUICK = {"env.grid_size": 6, "env.n_predators": 4, "env.n_prey": 4, "env.limit_max": 50, "buffer_size": 1000}

# Table 1: final return by learner and penalty.
EXPECTED = {
    "qmix": {-4.0: 0, -5.0: 0},
    "qplex": {-4.0: 0, -5.0: 0},
    "ow_qmix": {-4.0: 8, -5.0: 0},
    "pow_qmix": {-4.0: 40, -5.0: 40},
    "pow_vdn": {-4.0: 40, -5.0: 40},
    "pow_qplex": {-4.0: 40, -5.0: 40},
}


def reproduce(
    *,
    seeds: int | None = None,
    quick: bool = False,
    env_steps: int | None = None,
    out: Path,
    penalties: tuple[float, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the curves of every penalty to `out`; one program a learner."""
    penalties = penalties or (QUICK_PENALTIES if quick else PENALTIES)
    learners = learners or (QUICK_LEARNERS if quick else LEARNERS)
    seeds, env_steps = seeds or (2 if quick else 5), env_steps or (10_000 if quick else ENV_STEPS)
    rows = []
    panels: dict[str, dict[str, Any]] = {f"predator-prey, p = {penalty:g}": {} for penalty in penalties}
    for learner in learners:
        grid: dict[str, tuple[Any, ...]] = {"env.penalty": penalties}
        sweep = jaxvf.Sweep(
            env="predator_prey",
            algorithms=configured(learner, env_steps, quick),
            grid=grid | ({field: (value,) for field, value in QUICK.items()} if quick else {}),
            seeds=seeds,
            env_steps=env_steps,
            test_interval=min(TEST_INTERVAL, env_steps // 4),
            test_episodes=TEST_EPISODES,
        )
        result = sweep.run_or_resume(out / learner)
        for title, penalty in zip(panels, penalties, strict=True):
            panels[title] |= summaries.curves_of(result, {learner: {"env.penalty": penalty}})
            runs = result.select(**{"env.penalty": penalty})
            row = summaries.condition_row(result, runs, learner=learner, penalty=penalty)
            counts = {
                name: float(result.metric(f"test_{name}")[runs, -1].mean()) for name in ("captures", "mis_captures")
            }
            rows.append(row | counts | {"expected": None if quick else EXPECTED.get(learner, {}).get(penalty)})
    summaries.write_summary(rows, out)
    ceiling = {} if quick else dict.fromkeys(panels, ("ceiling", CEILING))
    for path in summaries.save_panels(panels, out, labels=learners, reference=ceiling):
        print(path)
    for row in rows:
        paper = "" if row["expected"] is None else f"  Table 1: {row['expected']}"
        caught = f"captures {row['captures']:.1f}, alone {row['mis_captures']:.1f}"
        condition = f"{row['learner']:9} p = {row['penalty']:g}"
        print(f"{condition}  return {summaries.return_text(row['final_return'])}  {caught}{paper}")


def configured(learner: str, env_steps: int, quick: bool) -> Any:
    """The registered algorithm with the paper's settings; in a quick run schedules shrink with the budget."""
    algorithm = jaxvf.algorithms.make(learner)
    setting = SETTING | OF_LEARNER.get(learner, {})
    if quick:
        for field in ("epsilon_anneal", "unweighted_steps"):
            if field in setting:
                setting[field] *= env_steps / ENV_STEPS
        setting["batch_size"] = 32
    for field, value in setting.items():
        algorithm = replace(algorithm, field, value)
    return algorithm
