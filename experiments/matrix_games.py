"""Where learners get stuck: every matrix game of the literature x learner x behaviour, hundreds of seeds each.

Huang et al. 2026 (POW, arXiv 2405.08036), Fig. 2: game A under uniform behaviour, to which games B to G are added. Hu
et al. 2026 (non-monotonic QMIX, arXiv 2511.09792), Table 1: its games A and B are B and D here. Two fractions are kept
apart: the greedy joint action is optimal; the learned table equals the payoff.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf import scripts
from jaxvf.envs import PAYOFFS
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import SMALL, Scale, choose, train
from jaxvf.results import Result, fraction_interval, summaries
from jaxvf.results.answers import REACHED
from jaxvf.theory import JointValues, joint_values

draw = scripts.part("experiments", "_matrix_games_pictures").draw

LEARNERS = (
    "vdn", "qmix", "qplex", "duelmix", "nm_qmix", "qtran", "qtran_alt",
    "cw_qmix", "ow_qmix", "resq", "pow_qmix", "pow_vdn", "pow_qplex", "mrvf", "iql",
    "s2q", "qfix_sum", "qfix_mono", "qfix_lin", "q_plus_fix_sum", "q_plus_fix_mono", "q_plus_fix_lin",
    "pqn_vdn", "pqn_qmix",
)  # fmt: skip
LATER = LEARNERS[LEARNERS.index("s2q") :]  # registered after the committed medium run
TWICE = ("pow_vdn", "pow_qplex")  # POW on two more mixers: a third of the cost of all learners together
ONCE = tuple(name for name in LEARNERS if name not in (*TWICE, *LATER))

# The setting of POW's code in matrix games, for every learner.
SETTING = {
    "optimizer": "adam", "learning_rate": 1e-3, "batch_size": 128, "updates_per_episode": 1 / 8, "last_action": False,
}  # fmt: skip
# As many gradient steps an episode as the others, on as many episodes each: PQN has no replay.
WITHOUT_REPLAY = {"num_envs": 128, "rollout_length": 1, "minibatches": 1, "epochs": 16}
# What POW's code sets apart on matrix games, and for QTRAN its authors' code (of QTRAN-base).
OF_LEARNER: dict[str, dict[str, Any]] = {
    **{name: {"unweighted_steps": 0.0} for name in ("pow_qmix", "pow_vdn", "pow_qplex")},
    **{name: {"nopt_coefficient": 1.0} for name in ("qtran", "qtran_alt")},
    "qplex": {"mixer.adv_hypernet_layers": 2},
    "resq": {"optimizer": "rmsprop"},
    "pqn_vdn": WITHOUT_REPLAY,
    "pqn_qmix": WITHOUT_REPLAY,
}
TEST_INTERVAL = 1000
# The head that is meant to equal the payoff, where it is not the factored value itself.
TABLE_HEADS = ("q_recognizer", "q_joint")

# Behaviour: ε at the start, at the end, and the share of the budget in which it is annealed.
PROTOCOLS = {
    "uniform": (1.0, 1.0, 1.0),  # POW: all joint actions equally likely, throughout
    "annealed": (1.0, 0.05, 0.32),  # non-monotonic QMIX: approximately greedy; the schedule is chosen here
}
EXACT = 0.05  # a learned table whose largest error is below this equals the payoff (Table 1's own margin)


@dataclass(frozen=True)
class Cell:
    """Games and learners under one behaviour: every learner plays every game, in one program for each learner."""

    protocol: str
    games: tuple[str, ...]
    learners: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Games(Scale):
    """Which games, learners and behaviours; budgets go by behaviour."""

    cells: tuple[Cell, ...]


SCALES = {
    # Game A separates those who solve it; game D is where QMIX arrives late.
    "small": Games(
        minutes=3,
        seeds=64,
        env_steps={"uniform": 6_000, "annealed": 50_000},
        cells=(
            Cell("uniform", ("A",), ("vdn", "qmix", "nm_qmix", "cw_qmix")),
            Cell("annealed", ("D",), ("vdn", "qmix")),
        ),
    ),
    # Every game under the behaviour of the paper that argues with it.
    "medium": Games(
        minutes=300,
        seeds=256,
        env_steps={"uniform": 20_000, "annealed": 50_000},
        cells=(Cell("uniform", ("A", "C", "E", "F", "G"), ONCE), Cell("annealed", ("B", "D"), ONCE)),
    ),
    "paper": Games(
        minutes=4_600,
        seeds=256,
        env_steps=50_000,
        cells=tuple(Cell(protocol, tuple(PAYOFFS), LEARNERS) for protocol in PROTOCOLS),
    ),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    cells: tuple[Cell, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the figures to `out`; `cells` in place of the scale's own."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, cells=cells)
    played = {f"{learner}/{cell.protocol}": (learner, cell) for cell in setting.cells for learner in cell.learners}
    sweeps = {name: sweep_of(learner, cell, setting) for name, (learner, cell) in played.items()}
    results = train(sweeps, out, setting, yes=yes)
    rows = [
        {"scale": setting.label, **judge(results[name], learner, game, cell.protocol)}
        for name, (learner, cell) in played.items()
        for game in cell.games
    ]
    summaries.write_summary(rows, out)
    for path in draw(rows, out):
        print(path)
    for row in rows:
        print(sentence(row))


def sweep_of(learner: str, cell: Cell, setting: Games) -> jaxvf.Sweep:
    """One program: all games and seeds of a learner under one behaviour."""
    algorithm = jaxvf.algorithms.make(learner)
    common = {field: value for field, value in SETTING.items() if hasattr(algorithm, field)}
    for field, value in {**common, **OF_LEARNER.get(learner, {})}.items():
        algorithm = replace(algorithm, field, value)
    steps = setting.steps_of(cell.protocol)
    start, end, share = PROTOCOLS[cell.protocol]
    return jaxvf.Sweep(
        env=[f"matrix_game/{game}" for game in cell.games],
        algorithms=algorithm,
        grid={"epsilon_start,epsilon_end,epsilon_anneal": [(start, end, share * steps)]},
        seeds=setting.seeds,
        env_steps=steps,
        test_interval=TEST_INTERVAL,
        test_episodes=1,  # greedy play of a one-step game is deterministic
    )


def judge(result: Result, learner: str, game: str, protocol: str) -> dict[str, Any]:
    """Both fractions with their intervals, how often each evaluation was optimal, and the tables of a typical seed."""
    runs = result.select(env=f"matrix_game/{game}")
    payoff = np.asarray(PAYOFFS[game], np.float32)
    values = joint_values([result.policy(run) for run in runs])
    finished = np.asarray([result.runs[run]["status"] == "finished" for run in runs])
    optimal = values.reaches(payoff) & finished  # a run that diverged reached nothing
    errors = values.error(payoff, head=table_head(values))
    exact = (errors < EXACT) & finished
    late = slice(len(result.env_steps) // 2, None)
    greedy = result.metric("test_return")[runs][finished]
    typical = median_run(values)
    return {
        "learner": learner,
        "game": game,
        "protocol": protocol,
        "runs": len(runs),
        "env_steps": int(result.env_steps[-1]),
        "optimal": fraction_interval(int(optimal.sum()), len(runs)),
        "exact": None if learner == "iql" else fraction_interval(int(exact.sum()), len(runs)),
        "diverged": int((~finished).sum()),
        "held_in_second_half": float((greedy[:, late] >= payoff.max()).mean()),
        "greedy_reward_changed_in_second_half": float((np.diff(greedy[:, late], axis=1) != 0).any(axis=1).mean()),
        "mean_greedy_reward": float(greedy[:, -1].mean()),
        "table": None if learner == "iql" else table_head(values),
        "median_largest_error": None if learner == "iql" else float(np.median(errors)),
        "evaluated_at": result.env_steps.tolist(),
        "optimal_runs": (result.metric("test_optimal")[runs] >= REACHED).sum(axis=0).tolist(),  # NaN is not
        "typical_greedy": values.greedy[typical].tolist(),
        "typical_tables": {name: values.heads[name][typical].tolist() for name in shown_heads(values)},
    }


def table_head(values: JointValues) -> str:
    """The name of the head that a learner means to equal the payoff."""
    return next((head for head in TABLE_HEADS if head in values.heads), "q_tot")


def shown_heads(values: JointValues) -> list[str]:
    """The heads that are drawn: the factored value, and what a learner has beside it."""
    return [head for head in ("q_tot", *TABLE_HEADS, "recognized") if head in values.heads]


def median_run(values: JointValues) -> int:
    """The run whose table has the median distance from the mean table: one that is typical, not the best."""
    spread = np.abs(values.joint - values.joint.mean(axis=0)).reshape(len(values.joint), -1).max(axis=-1)
    return int(np.argsort(spread)[len(spread) // 2])


def sentence(row: dict[str, Any]) -> str:
    """One line of the summaries."""
    exact = "" if row["exact"] is None else f"  table equals payoff {_percent(row['exact'])}"
    return f"{row['learner']:8} game {row['game']} {row['protocol']:9} optimal {_percent(row['optimal'])}{exact}"


def _percent(interval: Any) -> str:
    estimate, low, high = interval
    return f"{estimate:6.1%} [{low:.1%}, {high:.1%}]"
