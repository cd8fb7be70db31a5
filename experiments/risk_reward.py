"""Games where daring pays only together: fraction of seeds at the optimum, rounds of factorization beside one round.

Rounds of factorization are MRVF's (Tao et al. 2026, arXiv 2604.05297), whose own games and numbers were not at hand.
The games here: four penalty games, climbing, four coordinated choices, three risk-reward games, and game A whose two
best payoffs are 8 and 7.9. Printed beside the fractions of an earlier prototype of ours with tabular agents.
"""

from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.envs import PAYOFFS, MatrixGame
from jaxvf.envs.payoffs import CLIMBING, HARD4, PENALTY, risk_reward
from jaxvf.hyperparameters import replace
from jaxvf.results import fraction_interval, plots, summaries

GAMES: dict[str, Any] = {
    "E": PAYOFFS["E"],
    "B": PAYOFFS["B"],
    "D": PAYOFFS["D"],
    "climbing": CLIMBING,
    "penalty": PENALTY,
    "hard4": HARD4,
    "rr3": risk_reward(3, (0, 4, 10)),
    "rr4": risk_reward(4, (0, 4, 10)),
    "rr2x6": risk_reward(2, (0, 2, 4, 6, 8, 10)),
    "A": PAYOFFS["A"],
}
QUICK_GAMES = ("E", "A")

# Threshold ξ and bonus ζ of later rounds: payoffs of order 10 with gaps of order 1, and optima that are close.
RESOLUTIONS = {"wide": (0.5, 0.05), "close": (0.02, 0.005)}
LEARNERS = (
    "vdn", "qmix", "cw_qmix", "pow_qmix",
    "mrvf 1", "mrvf 2", "mrvf 3", "mrvf 4", "mrvf 3 imagined", "mrvf 3 penalized",  # the rounds K, and a variant
)  # fmt: skip
QUICK_LEARNERS = ("vdn", "qmix", "cw_qmix", "mrvf 2")

# The prototype: 6,000 updates of 64 samples, one update per 8 samples here.
SETTING = {
    "optimizer": "adam",
    "learning_rate": 5e-3,
    "batch_size": 64,
    "updates_per_episode": 1 / 8,
    "agent_id": False,
    "last_action": False,
    "mixer.embed": 8,
}
ENV_STEPS = 48_000
CENTRAL_WIDTH = 64  # that of POW's code: tables of at most 81 joint actions need no more
# A Q_J that is a network, not a table, moves at the rate of the others here: ten times 5e-3 is too fast for it.
OF_LEARNER: dict[str, dict[str, Any]] = {
    "cw_qmix": {"central_width": CENTRAL_WIDTH},
    "pow_qmix": {"central_width": CENTRAL_WIDTH, "unweighted_steps": 0},  # none on matrix games, as in POW's code
    "mrvf": {"central_width": CENTRAL_WIDTH, "coins": "independent", "central_rate": 1.0},
}

# What helped later rounds in the prototype: joint actions that were not played, and a pull of advantages to zero.
VARIANTS: dict[str, dict[str, Any]] = {
    "imagined": {"imagined": 16, "coins": "central"},
    "penalized": {"imagined": 16, "deviations": 8, "gain_penalty": 0.03},
}

# The prototype's fractions of at most 50 seeds, in the order of GAMES; None where it has none.
EXPECTED: dict[str, tuple[float | None, ...]] = {
    "vdn": (0.26, 0.90, 0.10, 0.00, 0.00, 0.62, 0.10, 0.00, None, None),
    "qmix": (0.28, 0.80, 0.76, 0.02, 0.74, 0.60, 0.16, 0.04, 0.00, 0.05),
    "cw_qmix": (1, 1, 1, 0.88, 1, 0.96, 0.84, 0.46, 0.56, 0.13),
    "mrvf 2 wide": (0.98, 1, 1, 1, 1, 1, 1, 1, 0.64, None),
    "mrvf 3 wide": (0.98, 1, 1, 0.98, 0.98, 1, 1, 0.98, 0.76, None),
    "mrvf 2 close": (1, 1, 1, 1, 0.97, 1, 1, None, 0.68, 1),
    "mrvf 3 close": (1, 0.95, 1, 0.90, 1, 1, 1, None, 0.82, 0.60),
    "mrvf 4 close": (1, 0.95, 1, 0.75, 0.65, 0.93, 1, None, 0.38, 0.45),
    "mrvf 3 imagined wide": (1, 0.98, 1, 0.98, 1, 1, 1, 1, 0.84, None),
    "mrvf 3 penalized close": (1, 1, 1, 0.95, 1, None, 1, None, 0.97, 0.93),
}


def reproduce(
    *,
    seeds: int | None = None,
    quick: bool = False,
    env_steps: int | None = None,
    out: Path,
    games: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
    agent: str = "tabular",
    behaviour: str = "epsilon_greedy",
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the table to `out`.

    Args:
        seeds: of each cell; by default 50, as the prototype.
        quick: two games, four learners, fewer seeds and steps.
        env_steps: of each run.
        out: directory.
        games: names of `GAMES`.
        learners: names of `LEARNERS`.
        agent: "tabular" for values without a network, or "recurrent".
        behaviour: "epsilon_greedy", annealed within a third of the run, or "uniform".
    """
    games = games or (QUICK_GAMES if quick else tuple(GAMES))
    learners = learners or (QUICK_LEARNERS if quick else LEARNERS)
    seeds, env_steps = seeds or (16 if quick else 50), env_steps or (16_000 if quick else ENV_STEPS)
    rows = []
    for learner in learners:
        resolutions = list(RESOLUTIONS) if learner.startswith("mrvf") and learner != "mrvf 1" else [""]
        sweep = jaxvf.Sweep(
            env=[MatrixGame(GAMES[game]) for game in games],
            algorithms=configured(learner, agent, behaviour, env_steps),
            grid={"threshold,anchor_bonus": [RESOLUTIONS[name] for name in resolutions]} if resolutions[0] else {},
            seeds=seeds,
            env_steps=env_steps,
            test_interval=max(1000, env_steps // 20),
            test_episodes=1,  # greedy play of a one-step game is deterministic
        )
        result = sweep.run_or_resume(out / learner.replace(" ", "_"))
        optimal = result.metric("test_optimal")[:, -1]  # NaN, not optimal, where a run diverged
        # Runs come by game, then resolution, then seed.
        reached = (optimal == 1).reshape(len(games), len(resolutions), seeds)
        for (i, game), (j, name) in ((g, r) for g in enumerate(games) for r in enumerate(resolutions)):
            fraction = fraction_interval(int(reached[i, j].sum()), seeds)
            rows.append({"learner": f"{learner} {name}".strip(), "game": game, "runs": seeds, "optimal": fraction})
    for row in rows:
        row["expected"] = expected(row["learner"], row["game"])
    summaries.write_summary(rows, out)
    print(draw(rows, out))
    print(text(rows))


def configured(learner: str, agent: str, behaviour: str, env_steps: int) -> Any:
    """The registered algorithm with the prototype's setting; "mrvf 3 imagined" is a variant with three rounds."""
    name, rounds, variant = (*learner.split(), "", "")[:3]
    setting = {**SETTING, "agent": agent, "behaviour": behaviour, "epsilon_anneal": env_steps / 3}
    setting |= {"rounds": int(rounds)} if rounds else {}
    if name == "vdn":
        del setting["mixer.embed"]
    algorithm = jaxvf.algorithms.make(name)
    for field, value in (setting | OF_LEARNER.get(name, {}) | VARIANTS.get(variant, {})).items():
        algorithm = replace(algorithm, field, value)
    return algorithm


def expected(learner: str, game: str) -> float | None:
    """The prototype's fraction, if it has one."""
    return EXPECTED[learner][list(GAMES).index(game)] if learner in EXPECTED else None


def draw(rows: list[dict[str, Any]], out: Path) -> Path:
    """Fractions of all cells, the prototype's in brackets."""
    learners, games = (list(dict.fromkeys(row[name] for row in rows)) for name in ("learner", "game"))
    measured, wanted = np.full((2, len(learners), len(games)), np.nan)
    for row in rows:
        cell = learners.index(row["learner"]), games.index(row["game"])
        measured[cell] = row["optimal"].estimate
        wanted[cell] = np.nan if row["expected"] is None else row["expected"]
    figure = plots.number_table(
        measured, rows=learners, columns=games, expected=wanted, shade=measured,
        note=f"fraction of {rows[0]['runs']} seeds whose greedy joint action is optimal (in brackets: prototype)",
    )  # fmt: skip
    return plots.save(figure, out / "optimal.png")[0]


def text(rows: list[dict[str, Any]]) -> str:
    """One line per cell, with the 95 % interval and the prototype's number."""
    lines = []
    for row in rows:
        beside = "" if row["expected"] is None else f"   prototype {row['expected']:.2f}"
        fraction = "{:5.2f} [{:.2f}, {:.2f}]".format(*row["optimal"])
        lines.append(f"{row['learner']:13} {row['game']:9} optimal {fraction}{beside}")
    return "\n".join(lines)
