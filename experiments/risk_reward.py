"""Games where daring pays only together: fraction of seeds at the optimum, rounds of factorization beside one round.

Rounds of factorization are MRVF's (Tao et al. 2026, arXiv 2604.05297), whose own games and numbers were not at hand.
The games here: four penalty games, climbing, four coordinated choices, three risk-reward games, and game A whose two
best payoffs are 8 and 7.9. Printed beside the fractions of an earlier prototype of ours with tabular agents.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.envs import PAYOFFS, MatrixGame
from jaxvf.envs.payoffs import CLIMBING, HARD4, PENALTY, risk_reward
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import SCORE, SMALL, UNIFORM, Scale, caption, choose, facts_of, train
from jaxvf.results import Interval, Result, fraction_interval, plots, summaries
from jaxvf.results.figure_style import learner_colour
from jaxvf.results.panels import dot_panels

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
# What they are called in the figure.
GAME_WORDS = {
    "E": "game E", "B": "game B", "D": "game D", "climbing": "climbing", "penalty": "penalty", "hard4": "hard, 4 x 4",
    "rr3": "risk, 3 agents", "rr4": "risk, 4 agents", "rr2x6": "risk, 6 actions", "A": "game A",
}  # fmt: skip

# Threshold ξ and bonus ζ of later rounds: payoffs of order 10 with gaps of order 1, and optima that are close.
RESOLUTIONS = {"wide": (0.5, 0.05), "close": (0.02, 0.005)}
LEARNERS = (
    "vdn", "qmix", "cw_qmix", "pow_qmix", "q_plus_fix_sum",
    "mrvf 1", "mrvf 2", "mrvf 3", "mrvf 4", "mrvf 3 imagined", "mrvf 3 penalized",  # the rounds K, and a variant
    "mrvf 3 improving", "mrvf 4 improving",
)  # fmt: skip
LATER = ("pow_qmix", "q_plus_fix_sum", "mrvf 3 improving", "mrvf 4 improving")  # not in the committed medium run

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
CENTRAL_WIDTH = 64  # that of POW's code: tables of at most 81 joint actions need no more
# A Q_J that is a network, not a table, moves at the rate of the others here: ten times 5e-3 is too fast for it.
OF_LEARNER: dict[str, dict[str, Any]] = {
    "cw_qmix": {"central_width": CENTRAL_WIDTH},
    "pow_qmix": {"central_width": CENTRAL_WIDTH, "unweighted_steps": 0},  # none on matrix games, as in POW's code
    "mrvf": {"central_width": CENTRAL_WIDTH, "coins": "independent", "central_rate": 1.0},
}

# What helped later rounds in the prototype: joint actions that were not played, and a pull of advantages to zero. What
# helps here: learning only where no earlier round chose better.
VARIANTS: dict[str, dict[str, Any]] = {
    "imagined": {"imagined": 16, "coins": "central"},
    "penalized": {"imagined": 16, "deviations": 8, "gain_penalty": 0.03},
    "improving": {"anchors": "improving"},
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


@dataclass(frozen=True, kw_only=True)
class Games(Scale):
    """Which games and learners."""

    games: tuple[str, ...] = tuple(GAMES)
    learners: tuple[str, ...] = LEARNERS


SCALES = {
    "small": Games(
        minutes=5, seeds=20, env_steps=48_000, games=("E", "D", "climbing"), learners=("vdn", "qmix", "mrvf 2")
    ),
    "medium": Games(minutes=60, seeds=20, env_steps=48_000, learners=tuple(n for n in LEARNERS if n not in LATER)),
    # The paper's own games were not at hand: the prototype's protocol.
    "paper": Games(minutes=600, seeds=50, env_steps=48_000),
}
BEHAVIOURS = {
    "epsilon_greedy": "ε from 1 to 0.05 within a third of the run",
    "uniform": UNIFORM,
}

# The caption: what is claimed, of which games; what the names of rows mean; what is true of other games.
CLAIM = (
    "On games E, D and climbing one round of factorization (VDN, QMIX, MRVF with 1 round) ends beside the best joint "
    "action in many seeds, two rounds of MRVF in few."
)
PARTS = {
    "wide": '"Wide" and "close" are its thresholds (ξ = 0.5 and 0.02): payoffs that differ by less are not told apart.',
    "imagined": '"Imagined actions": later rounds also learn from joint actions that were not played.',
    "penalized": '"Pull to zero": also from those that one agent leaves, and gains over the anchor are pulled to zero.',
    "improving": '"No earlier better": rounds from the third on learn only where no earlier one chose better.',
}
OTHER_GAMES = {
    "B": "Elsewhere one round may do in most seeds: VDN's on B, QMIX's and MRVF's on penalty, all three on hard.",
    "A": "On A, whose best payoffs are 8 and 7.9, wide thresholds find the better one in no seed.",
    "rr3": "Risk: the more an action pays if all choose it, the more it costs alone; 2 agents with 6 actions, 3 or 4 "
    "agents with 3.",
}
POINTS = (
    "Point and bar: share of seeds whose greedy joint action is optimal when training ends, and its interval; open "
    "diamond: what an earlier prototype had (at most 50 seeds)."
)


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    games: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
    agent: str = "tabular",
    behaviour: str = "epsilon_greedy",
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the figure to `out`.

    Args:
        out: directory.
        scale: one of `SCALES`.
        seeds: of each cell.
        env_steps: of each run.
        yes: agree to more than an hour.
        games: names of `GAMES`.
        learners: names of `LEARNERS`.
        agent: "tabular" for values without a network, or "recurrent".
        behaviour: "epsilon_greedy", annealed within a third of the run, or "uniform".
    """
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, games=games, learners=learners)
    sweeps = {name.replace(" ", "_"): sweep_of(name, setting, agent, behaviour) for name in setting.learners}
    results = train(sweeps, out, setting, yes=yes)
    rows = []
    for learner, result in zip(setting.learners, results.values(), strict=True):
        rows += [row | {"agent": agent} for row in rows_of(learner, result, setting, behaviour)]
    summaries.write_summary(rows, out)
    print(draw(rows, out))
    print(text(rows))


def resolutions(learner: str) -> tuple[str, ...]:
    """Names of the thresholds of a learner's later rounds; "" of one that has none."""
    return tuple(RESOLUTIONS) if learner.startswith("mrvf") and learner != "mrvf 1" else ("",)


def sweep_of(learner: str, setting: Games, agent: str, behaviour: str) -> jaxvf.Sweep:
    """All games, thresholds and seeds of a learner."""
    names, steps = resolutions(learner), setting.steps_of()
    return jaxvf.Sweep(
        env=[MatrixGame(GAMES[game]) for game in setting.games],
        algorithms=configured(learner, agent, behaviour, steps),
        grid={"threshold,anchor_bonus": [RESOLUTIONS[name] for name in names]} if names[0] else {},
        seeds=setting.seeds,
        env_steps=steps,
        test_interval=max(1000, steps // 20),
        test_episodes=1,  # greedy play of a one-step game is deterministic
    )


def rows_of(learner: str, result: Result, setting: Games, behaviour: str) -> list[dict[str, Any]]:
    """One row per game and threshold."""
    names, seeds, rows = resolutions(learner), setting.seeds, []
    optimal = result.metric("test_optimal")[:, -1]  # NaN, not optimal, where a run diverged
    # Runs come by game, then resolution, then seed.
    reached = (optimal == 1).reshape(len(setting.games), len(names), seeds)
    for (i, game), (j, name) in ((g, r) for g in enumerate(setting.games) for r in enumerate(names)):
        called, fraction = f"{learner} {name}".strip(), fraction_interval(int(reached[i, j].sum()), seeds)
        rows.append({
            "scale": setting.label, "learner": called, "game": game, "runs": seeds, "env_steps": setting.steps_of(),
            "behaviour": behaviour, "optimal": fraction, "expected": expected(called, game),
        })  # fmt: skip
    return rows


def configured(learner: str, agent: str, behaviour: str, env_steps: int) -> Any:
    """The registered algorithm with the prototype's setting; "mrvf 3 imagined" is a variant with three rounds."""
    name, rounds, variant = (*learner.split(), "", "")[:3]
    setting = {**SETTING, "agent": agent, "behaviour": behaviour, "epsilon_anneal": env_steps / 3}
    setting |= {"rounds": int(rounds)} if rounds else {}
    if name in ("vdn", "q_plus_fix_sum"):
        del setting["mixer.embed"]
    algorithm = jaxvf.algorithms.make(name)
    for field, value in (setting | OF_LEARNER.get(name, {}) | VARIANTS.get(variant, {})).items():
        algorithm = replace(algorithm, field, value)
    return algorithm


def expected(learner: str, game: str) -> float | None:
    """The prototype's fraction, if it has one."""
    return EXPECTED[learner][list(GAMES).index(game)] if learner in EXPECTED else None


def draw(rows: list[dict[str, Any]], out: Path) -> Path:
    """Fractions of all cells with their intervals, a panel per game; the prototype's as open diamonds."""
    panels: dict[str, dict[str, Interval]] = {}
    wanted: dict[str, dict[str, float]] = {}
    for row in rows:
        title, name = GAME_WORDS.get(row["game"], str(row["game"])), words(row["learner"])
        panels.setdefault(title, {})[name] = Interval(*row["optimal"])
        if row["expected"] is not None:
            wanted.setdefault(title, {})[name] = row["expected"]
    learners = list(dict.fromkeys(row["learner"] for row in rows))
    told = [CLAIM, *(text for part, text in PARTS.items() if any(part in name for name in learners))]
    told += [text for game, text in OTHER_GAMES.items() if any(row["game"] == game for row in rows)]
    claim = " ".join([*told, POINTS])
    agents = "tabular agents" if rows[0].get("agent", "tabular") == "tabular" else f"{rows[0]['agent']} agents"
    behaviour = f"{agents}; {BEHAVIOURS[rows[0].get('behaviour', 'epsilon_greedy')]}"
    facts = facts_of(rows, behaviour=behaviour, interval=SCORE)
    figure = dot_panels(
        panels, rows=[words(name) for name in learners], xlabel="seeds whose greedy joint action is optimal",
        colours={words(name): learner_colour(name.split()[0]) for name in learners}, expected=wanted,
        note=caption(claim, **facts),
    )  # fmt: skip
    return plots.save(figure, out / "optimal.png")[0]


def words(learner: str) -> str:
    """The name of a row: "mrvf 3 imagined wide" is "MRVF, 3 rounds, imagined actions, wide"."""
    name, *rest = learner.split()
    if name != "mrvf":
        return name.upper().replace("_", "-")
    spelled = {
        "imagined": "imagined actions",
        "penalized": "pull to zero",
        "improving": "no earlier better",
        "1": "1 round",
    }
    return ", ".join(["MRVF", *(spelled.get(part, f"{part} rounds" if part.isdigit() else part) for part in rest)])


def text(rows: list[dict[str, Any]]) -> str:
    """One line per cell, with the 95 % interval and the prototype's number."""
    lines = []
    for row in rows:
        beside = "" if row["expected"] is None else f"   prototype {row['expected']:.2f}"
        fraction = "{:5.2f} [{:.2f}, {:.2f}]".format(*row["optimal"])
        lines.append(f"{row['learner']:13} {row['game']:9} optimal {fraction}{beside}")
    return "\n".join(lines)
