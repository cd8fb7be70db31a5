"""Predator-prey with punishment -1 to -5 for catching alone: test return of ten learners against steps.

Huang et al. 2026 (POW, arXiv 2405.08036), Fig. 3 (p = -3, -4, -5), the predator-prey columns of Table 1 (p = -4, -5)
and Fig. 7 (wider mixers); Tao et al. 2026 (MRVF, arXiv 2604.05297). The ceiling is 40; who learns never to catch ends
at 0.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.algorithms import PORT
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import IQM, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import summaries

LEARNERS = ("vdn", "qmix", "qplex", "cw_qmix", "ow_qmix", "resq", "pow_qmix", "pow_vdn", "pow_qplex", "mrvf")
# Learners with a wider mixer, as in POW's Fig. 7; its widths were not at hand, this one is chosen here.
WIDE = {f"{learner}_wide": learner for learner in ("qmix", "cw_qmix", "ow_qmix")}
WIDTH = 128
PENALTIES = (-1.0, -2.0, -3.0, -4.0, -5.0)
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
# Minutes on two cores: half of everything in an episode a quarter as long.
HALF = {"env.grid_size": 6, "env.n_predators": 4, "env.n_prey": 4, "env.limit_max": 50, "buffer_size": 1000}

# Table 1: final return by learner and penalty.
EXPECTED = {
    "qmix": {-4.0: 0, -5.0: 0},
    "qplex": {-4.0: 0, -5.0: 0},
    "ow_qmix": {-4.0: 8, -5.0: 0},
    "pow_qmix": {-4.0: 40, -5.0: 40},
    "pow_vdn": {-4.0: 40, -5.0: 40},
    "pow_qplex": {-4.0: 40, -5.0: 40},
}


@dataclass(frozen=True, kw_only=True)
class Hunts(Scale):
    """Which learners and penalties, and whether the game is the small one."""

    penalties: tuple[float, ...]
    learners: tuple[str, ...]
    half: bool = False


SCALES = {
    # Too short to tell learners apart: it shows that all of it runs.
    "small": Hunts(
        minutes=6, seeds=2, env_steps=10_000, penalties=(-1.0, -4.0), learners=("qmix", "pow_qmix"), half=True
    ),
    "medium": Hunts(
        minutes=900, seeds=3, env_steps=400_000, penalties=(-4.0,), learners=("qmix", "cw_qmix", "pow_qmix")
    ),
    "paper": Hunts(minutes=650_000, seeds=5, env_steps=ENV_STEPS, penalties=PENALTIES, learners=(*LEARNERS, *WIDE)),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    penalties: tuple[float, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the curves of every penalty to `out`; one program a learner."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, penalties=penalties, learners=learners)
    results = train({learner: sweep_of(learner, setting) for learner in setting.learners}, out, setting, yes=yes)
    rows = []
    panels: dict[str, dict[str, Any]] = {f"predator-prey, p = {penalty:g}": {} for penalty in setting.penalties}
    for learner, result in results.items():
        for title, penalty in zip(panels, setting.penalties, strict=True):
            panels[title] |= summaries.curves_of(result, {learner: {"env.penalty": penalty}})
            runs = result.select(**{"env.penalty": penalty})
            row = summaries.condition_row(result, runs, scale=setting.label, learner=learner, penalty=penalty)
            counts = {name: float(result.metric(f"test_{name}")[runs, -1].mean()) for name in COUNTS}
            rows.append(row | counts | {"expected": None if setting.half else EXPECTED.get(learner, {}).get(penalty)})
    summaries.write_summary(rows, out)
    ceiling = {} if setting.half else dict.fromkeys(panels, ("ceiling", CEILING))
    small = " (a small version: 4 predators and 4 prey on a 6 x 6 grid, 50 steps)" if setting.half else ""
    claim = f"Return of greedy play in predator-prey{small}; a prey caught by two pays 10, catching alone costs p."
    share = SETTING["epsilon_anneal"] / ENV_STEPS
    behaviour = f"ε from 1 to 0.05 within {share:.0%} of the run"
    note = caption(claim, **facts_of(rows, behaviour=behaviour, interval=IQM))
    for path in summaries.save_panels(panels, out, labels=setting.learners, reference=ceiling, note=note):
        print(path)
    for row in rows:
        paper = "" if row["expected"] is None else f"  Table 1: {row['expected']}"
        caught = f"captures {row['captures']:.1f}, alone {row['mis_captures']:.1f}"
        condition = f"{row['learner']:9} p = {row['penalty']:g}"
        print(f"{condition}  return {summaries.return_text(row['final_return'])}  {caught}{paper}")


def sweep_of(learner: str, setting: Hunts) -> jaxvf.Sweep:
    """All penalties and seeds of a learner."""
    grid: dict[str, tuple[Any, ...]] = {"env.penalty": setting.penalties}
    return jaxvf.Sweep(
        env="predator_prey",
        algorithms=configured(learner, setting.steps_of(), setting.half),
        grid=grid | ({field: (value,) for field, value in HALF.items()} if setting.half else {}),
        seeds=setting.seeds,
        env_steps=setting.steps_of(),
        test_interval=min(TEST_INTERVAL, setting.steps_of() // 4),
        test_episodes=TEST_EPISODES,
    )


def configured(learner: str, env_steps: int, half: bool) -> Any:
    """The registered algorithm with the paper's settings; schedules shrink with the budget."""
    algorithm = jaxvf.algorithms.make(WIDE.get(learner, learner))
    setting = SETTING | OF_LEARNER.get(learner, {}) | ({"mixer.embed": WIDTH} if learner in WIDE else {})
    for field in ("epsilon_anneal", "unweighted_steps"):
        if field in setting:
            setting[field] *= env_steps / ENV_STEPS
    if half:
        setting["batch_size"] = 32
    for field, value in setting.items():
        algorithm = replace(algorithm, field, value)
    return algorithm
