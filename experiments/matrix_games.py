"""Where learners get stuck: every matrix game of the literature x learner x behaviour, hundreds of seeds each.

Huang et al. 2026 (POW, arXiv 2405.08036), Fig. 2: game A under uniform behaviour, to which games B to G are added. Hu
et al. 2026 (non-monotonic QMIX, arXiv 2511.09792), Table 1: its games A and B are B and D here. Two fractions are kept
apart: the greedy joint action is optimal; the learned table equals the payoff.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import jaxvf
from jaxvf.envs import PAYOFFS
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import SMALL, Scale, choose, train
from jaxvf.reproduction.captions import SCORE, UNIFORM, caption, facts_of, findings, percent, steps_text
from jaxvf.results import Interval, Result, fraction_interval, plots, summaries
from jaxvf.results.answers import REACHED
from jaxvf.results.game_answer import Course, Learned, game_answer
from jaxvf.theory import JointValues, joint_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
HERO, HERO_LEARNERS = (("A", "uniform"), ("D", "annealed")), ("vdn", "qmix", "nm_qmix", "cw_qmix", "pow_qmix")
DRAWN = ("vdn", "qmix", "qplex", "nm_qmix", "qtran", "cw_qmix", "ow_qmix", "resq", "pow_qmix", "mrvf")
# The head that is meant to equal the payoff, where it is not the factored value itself.
TABLE_HEADS = ("q_recognizer", "q_joint")

# Behaviour: ε at the start, at the end, and the share of the budget in which it is annealed.
PROTOCOLS = {
    "uniform": (1.0, 1.0, 1.0),  # POW: all joint actions equally likely, throughout
    "annealed": (1.0, 0.05, 0.32),  # non-monotonic QMIX: approximately greedy; the schedule is chosen here
}
BEHAVIOUR = {
    "uniform": UNIFORM,
    "annealed": "annealed play (ε from 1 to 0.05 within the first 32 % of the run)",
}
TYPICAL = "The seed drawn is in the middle when seeds are ordered by how far their tables are from the mean table."
ANSWER = (
    "Above: the payoff of game A and the joint values that one seed of each learner ends with; framed, its optimum and "
    "what the agents play. VDN and QMIX settle beside the optimum, CW-QMIX finds it in nearly every seed, and the "
    "non-monotonic mixer (nm_qmix) learns the whole table, but what its agents play is a coin that initialization "
    "throws. Below: share of seeds whose greedy joint action is optimal; on game D ({payoff}) VDN and QMIX find it "
    f"late. {TYPICAL}"
)
TABLES = (
    "Joint values that one seed of each learner ends with, beside the payoff, whose colours they share; framed, the "
    f"optimum and what the agents play. {TYPICAL}"
)
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


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """The answer in one picture; the fractions of every game and behaviour; typical tables of every game."""
    facts: dict[str, Any] = facts_of(rows, behaviour="", interval=SCORE) | {"steps": budgets(rows)}
    fractions: dict[str, dict[str, Any]] = {}
    for row in rows:
        title = f"game {row['game']}, {row['protocol']} play"
        fractions.setdefault(title, {})[row["learner"]] = Interval(*row["optimal"])
    said = f"Share of seeds whose greedy joint action is the game's best when training ends. {findings(fractions)}"
    played = ", ".join(f"{game} ({payoff_text(game)})" for game in dict.fromkeys(row["game"] for row in rows))
    said += f" Who has no point was not run. Games by their payoffs: {played}."
    success = plots.success_fractions(fractions, xlabel="seeds at the optimum", note=caption(said, **facts))
    paths = plots.save(success, out / "fractions.png")
    if "typical_tables" in rows[0]:  # older summaries have none
        without: dict[str, Any] = facts | {"interval": ""}
        paths += plots.save(plots.value_tables(**tables_of(rows), note=caption(TABLES, **without)), out / "tables.png")
    hero = [row for row in rows if (row["game"], row["protocol"]) in HERO and row["learner"] in HERO_LEARNERS]
    if "typical_tables" in rows[0] and {(row["game"], row["protocol"]) for row in hero} == set(HERO):
        paths += plots.save(answer(hero, facts), out / "answer.png")
    return paths


def budgets(rows: list[dict[str, Any]]) -> str:
    """How long runs are under either behaviour, and what it is, in words."""
    steps: dict[str, list[int]] = {}
    for row in rows:
        steps.setdefault(row["protocol"], []).append(row["env_steps"])
    return "; ".join(f"{steps_text(budget)} under {BEHAVIOUR[name]}" for name, budget in steps.items())


def payoff_text(game: str) -> str:
    """The payoff of a game, row by row."""
    rows = (" ".join(f"{value:g}" for value in row) for row in np.asarray(PAYOFFS[game], float))
    return " / ".join(rows).replace("-", "−")


def answer(rows: list[dict[str, Any]], facts: Mapping[str, Any]) -> "Figure":
    """Payoff and typical tables of the first game of `HERO`; fractions of seeds over time in all of them."""
    game, protocol = HERO[0]
    payoff = np.asarray(PAYOFFS[game], float)
    best = np.argwhere(payoff == payoff.max()).tolist()
    tables = [Learned("payoff", payoff, best, "framed: the optimum")]
    for row in rows:
        if (row["game"], row["protocol"]) == (game, protocol):
            share, low, high = row["optimal"]
            below = f"{percent(share)} of seeds\nat the optimum\n[{percent(low)}, {percent(high)}]"
            table = np.asarray(row["typical_tables"]["q_tot"])
            tables.append(Learned(row["learner"], table, [row["typical_greedy"]], below))
    panels: dict[str, dict[str, Course]] = {}
    for row in rows:
        best_of = f"game {row['game']}, {row['protocol']} play"
        counts = np.asarray(row["optimal_runs"])
        course = Course(np.asarray(row["evaluated_at"]), fraction_interval(counts, np.full(len(counts), row["runs"])))
        panels.setdefault(best_of, {})[row["learner"]] = course
    return game_answer(tables, panels, note=caption(ANSWER.format(payoff=payoff_text("D")), **facts))


def tables_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Arguments of `plots.value_tables`: a row per game and behaviour, a column per learner and head."""
    played = list(dict.fromkeys((row["game"], row["protocol"]) for row in rows))
    payoffs = np.asarray([PAYOFFS[game] for game, _ in played], float)
    columns: dict[str, np.ndarray] = {"payoff": payoffs}
    greedy: dict[str, list[list[int]]] = {}
    for row in rows:
        for head, table in row["typical_tables"].items() if row["learner"] in DRAWN else ():
            label = row["learner"] if head == "q_tot" else f"{row['learner']}\n{head}"
            place = played.index((row["game"], row["protocol"]))
            columns.setdefault(label, np.full_like(payoffs, np.nan))[place] = table
            greedy.setdefault(label, [[0, 0]] * len(played))[place] = row["typical_greedy"]
    return {"columns": columns, "rows": [f"game {game}, {name}" for game, name in played], "greedy": greedy}


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
