"""Where learners get stuck: every matrix game of the literature x learner x behaviour, hundreds of seeds each.

Huang et al. 2026 (POW, arXiv 2405.08036), Fig. 2: game A under uniform behaviour, to which games B to G are added. Hu
et al. 2026 (non-monotonic QMIX, arXiv 2511.09792), Table 1: its games A and B are B and D here. Two fractions are kept
apart: the greedy joint action is optimal; the learned table equals the payoff.
"""

from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.envs import PAYOFFS
from jaxvf.hyperparameters import replace
from jaxvf.results import Result, fraction_interval, plots, summaries
from jaxvf.theory import JointValues, joint_values

LEARNERS = (
    "vdn", "qmix", "qplex", "duelmix", "nm_qmix", "qtran", "qtran_alt",
    "cw_qmix", "ow_qmix", "resq", "pow_qmix", "pow_vdn", "pow_qplex", "mrvf", "iql",
)  # fmt: skip
QUICK_LEARNERS = ("vdn", "qmix", "qplex", "nm_qmix")
QUICK_GAMES = ("E", "D")

# The setting of POW's code in matrix games, for every learner.
SETTING = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 128,
    "updates_per_episode": 1 / 8,
    "last_action": False,
}
# What POW's code sets apart on matrix games, and for QTRAN its authors' code (of QTRAN-base).
OF_LEARNER: dict[str, dict[str, Any]] = {
    **{name: {"unweighted_steps": 0.0} for name in ("pow_qmix", "pow_vdn", "pow_qplex")},
    **{name: {"nopt_coefficient": 1.0} for name in ("qtran", "qtran_alt")},
    "qplex": {"mixer.adv_hypernet_layers": 2},
    "resq": {"optimizer": "rmsprop"},
}
ENV_STEPS = 50_000
# The head that is meant to equal the payoff, where it is not the factored value itself.
TABLE_HEADS = ("q_recognizer", "q_joint")
DRAWN = ("vdn", "qmix", "qplex", "nm_qmix", "qtran", "cw_qmix", "ow_qmix", "resq", "pow_qmix", "mrvf")

# Behaviour: ε at the start, at the end, and the share of the budget in which it is annealed.
PROTOCOLS = {
    "uniform": (1.0, 1.0, 1.0),  # POW: all joint actions equally likely, throughout
    "annealed": (1.0, 0.05, 0.32),  # non-monotonic QMIX: approximately greedy; the schedule is chosen here
}
SOURCE_BEHAVIOUR = {"B": "annealed", "D": "annealed"}  # the paper that argues with the game; else uniform
EXACT = 0.05  # a learned table whose largest error is below this equals the payoff (Table 1's own margin)


def reproduce(
    *,
    seeds: int | None = None,
    quick: bool = False,
    out: Path,
    games: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
    protocols: tuple[str, ...] = tuple(PROTOCOLS),
    env_steps: int | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the figures to `out`."""
    games = games or (QUICK_GAMES if quick else tuple(PAYOFFS))
    learners = learners or (QUICK_LEARNERS if quick else LEARNERS)
    seeds = seeds or (64 if quick else 256)
    env_steps = env_steps or (4_000 if quick else ENV_STEPS)
    rows, tables = [], {}
    for learner in learners:
        result = train(learner, games, protocols, seeds, env_steps, out / learner)
        for game in games:
            for protocol in protocols:
                row, values = judge(result, learner, game, protocol)
                rows.append(row)
                tables[learner, game, protocol] = values
    summaries.write_summary(rows, out)
    for path in draw(rows, tables, games, out):
        print(path)
    for row in rows:
        print(sentence(row))


def train(
    learner: str, games: tuple[str, ...], protocols: tuple[str, ...], seeds: int, env_steps: int, out: Path
) -> Result:
    """One program: all games, behaviours and seeds of a learner; picks up an earlier, interrupted run."""
    algorithm = jaxvf.algorithms.make(learner)
    for field, value in {**SETTING, **OF_LEARNER.get(learner, {})}.items():
        algorithm = replace(algorithm, field, value)
    behaviours = [(start, end, share * env_steps) for start, end, share in (PROTOCOLS[name] for name in protocols)]
    sweep = jaxvf.Sweep(
        env=[f"matrix_game/{game}" for game in games],
        algorithms=algorithm,
        grid={"epsilon_start,epsilon_end,epsilon_anneal": behaviours},
        seeds=seeds,
        env_steps=env_steps,
        test_interval=max(1000, env_steps // 50),
        test_episodes=1,  # greedy play of a one-step game is deterministic
    )
    return sweep.run_or_resume(out)


def judge(result: Result, learner: str, game: str, protocol: str) -> tuple[dict[str, Any], JointValues]:
    """Both fractions with their intervals, the share of the second half spent there, and the tables."""
    runs = result.select(env=f"matrix_game/{game}", epsilon_end=PROTOCOLS[protocol][1])
    payoff = np.asarray(PAYOFFS[game], np.float32)
    values = joint_values([result.policy(run) for run in runs])
    finished = np.asarray([result.runs[run]["status"] == "finished" for run in runs])
    optimal = values.reaches(payoff) & finished  # a run that diverged reached nothing
    errors = values.error(payoff, head=table_head(values))
    exact = (errors < EXACT) & finished
    late = slice(len(result.env_steps) // 2, None)
    greedy = result.metric("test_return")[runs][finished]
    row = {
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
    }
    return row, values


def draw(rows: list[dict[str, Any]], tables: dict[Any, JointValues], games: tuple[str, ...], out: Path) -> list[Path]:
    """The fractions of every game and behaviour; the payoffs beside the tables of each learner's median run."""
    fractions: dict[str, dict[str, Any]] = {}
    for row in rows:
        fractions.setdefault(f"game {row['game']}, {row['protocol']}", {})[row["learner"]] = row["optimal"]
    runs = rows[0]["runs"]
    success = plots.success_fractions(
        fractions, xlabel=f"seeds whose greedy joint action is optimal ({runs} seeds, 95 % interval)"
    )
    learners = [name for name in dict.fromkeys(row["learner"] for row in rows) if name in DRAWN]
    if not learners:
        return plots.save(success, out / "fractions.png")
    behaviour = {game: shown_behaviour(game, learners, tables) for game in games}
    columns: dict[str, np.ndarray] = {"payoff": np.asarray([PAYOFFS[game] for game in games])}
    greedy: dict[str, list[tuple[int, int]]] = {}
    for learner in learners:
        values = [tables[learner, game, behaviour[game]] for game in games]
        typical = [median_run(each) for each in values]
        heads = {"": "q_tot"} | {f"\n{head}": head for head in (*TABLE_HEADS, "recognized") if head in values[0].heads}
        for suffix, head in heads.items():
            label = f"{learner}{suffix}"
            columns[label] = np.asarray([each.heads[head][run] for each, run in zip(values, typical, strict=True)])
            greedy[label] = [tuple(each.greedy[run]) for each, run in zip(values, typical, strict=True)]
    names = [f"game {game}, {behaviour[game]}" for game in games]
    learned = plots.value_tables(columns, rows=names, greedy=greedy)
    return plots.save(success, out / "fractions.png") + plots.save(learned, out / "tables.png")


def table_head(values: JointValues) -> str:
    """The name of the head that a learner means to equal the payoff."""
    return next((head for head in TABLE_HEADS if head in values.heads), "q_tot")


def shown_behaviour(game: str, learners: list[str], tables: dict[Any, JointValues]) -> str:
    """The behaviour whose tables are drawn: that of the paper the game is from, where every learner had it."""
    wanted = (SOURCE_BEHAVIOUR.get(game, "uniform"), *PROTOCOLS)
    return next(name for name in wanted if all((learner, game, name) in tables for learner in learners))


def median_run(values: JointValues) -> int:
    """The run whose table has the median distance from the mean table: one that is typical, not the best."""
    spread = np.abs(values.joint - values.joint.mean(axis=0)).reshape(len(values.joint), -1).max(axis=-1)
    return int(np.argsort(spread)[len(spread) // 2])


def sentence(row: dict[str, Any]) -> str:
    """One line of the report."""
    exact = "" if row["exact"] is None else f"  table equals payoff {_percent(row['exact'])}"
    return f"{row['learner']:8} game {row['game']} {row['protocol']:9} optimal {_percent(row['optimal'])}{exact}"


def _percent(interval: Any) -> str:
    estimate, low, high = interval
    return f"{estimate:6.1%} [{low:.1%}, {high:.1%}]"
