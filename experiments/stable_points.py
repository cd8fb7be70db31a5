"""Which joint actions can exact factorization settle at, on which games, and do learners end where that says?

Stable points are joint actions that are greedy for the best fit of the data gathered around them (after Tao et al.
2026, MRVF, arXiv 2604.05297; the definitions are ours). Computed by enumeration: the sets of every function class on
five games of the literature and on thousands of random ones; whether rounds of increments improve strictly, and what
theorems say of weights; and where the learners of `basin_atlas` ended, against the sets of their class.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxvf import scripts, theory
from jaxvf.envs import PAYOFFS
from jaxvf.envs.payoff_families import random_games
from jaxvf.envs.payoffs import CLIMBING, PENALTY
from jaxvf.errors import InputError
from jaxvf.reproduction import SMALL, Scale, agree, choose
from jaxvf.results import fraction_interval, plots, summaries
from jaxvf.theory import FitClass

predictions = scripts.part("experiments", "_stable_predictions")
figures = scripts.part("experiments", "_stable_figures")
theorems = scripts.part("experiments", "_stable_theorems")

GAMES = {"E": PAYOFFS["E"], "B": PAYOFFS["B"], "D": PAYOFFS["D"], "climbing": CLIMBING, "penalty": PENALTY}
CLASSES: dict[str, FitClass] = {
    "sum (VDN)": theory.vdn,
    "monotone (QMIX)": theory.monotone,
    "CW, α = 0.1": theory.centrally_weighted(0.1),
    "OW, α = 0.1, refitted": theory.optimistically_weighted(0.1),
    "OW, α = 0.1, its loss": theory.optimistic_minimum(0.1),
    "complete (QPLEX, QFIX)": theory.complete,
    "QPLEX's, Q+FIX's rule": theory.stopped_advantages,
    "POW, C = 0.1": theory.potentially_optimal(theorems.TOLERANCE),
}
UPWARDS = ("monotone (QMIX)", "CW, α = 0.1", "POW, C = 0.1")  # of which it is asked whether fits lead upwards
TRAPS = "BB BC CB CC"
# Of an earlier prototype with other code, for the first four classes at ε = 0.1; "+" sets apart what is only weakly
# stable. It agrees but for climbing, independent, monotone, where it had AA alone: an independent solver finds that the
# exact fit around CC has CC on top (tests/theory/test_stable_points.py).
TABLE: dict[tuple[str, theory.Behaviour], tuple[str, ...]] = {
    ("E", "independent"): (f"AA + {TRAPS}",) * 4,
    ("E", "central"): (f"AA {TRAPS}", f"AA + {TRAPS}", "AA", "AA"),
    ("B", "central"): (f"AA {TRAPS}", "AA", "AA", "AA"),
    ("D", "independent"): ("AA CC", "AA CC", "AA CC", "CC"),
    ("D", "central"): ("CC", "CC", "CC", "CC"),
    ("climbing", "independent"): ("AA BC", "AA", "AA", ""),
    ("climbing", "central"): ("AA CC", "CC", "", ""),
    ("penalty", "independent"): ("AA BB CC", "AA BB CC", "AA CC", ""),
    ("penalty", "central"): ("AA BB CC", "AA BB CC", "AA CC", ""),
}
EXPLORATION: tuple[tuple[theory.Behaviour, float], ...] = (("independent", 0.1), ("central", 0.1), ("central", 1.0))
BEHAVIOURS: dict[str, tuple[theory.Behaviour, float]] = {
    "uniform": ("central", 1.0), "ε-greedy": ("independent", 0.1)
}  # fmt: skip
ROUNDS = {"MRVF on sums": theory.vdn, "MRVF on monotone fits": theory.monotone}
MOST_ROUNDS = 4
SHAPES = ((3, 3), (5, 5), (3, 3, 3), (2, 2, 2, 2))
SPARSE = 0.3  # share of payoffs that are not 0 in every second game
EXCEPTIONS = 20  # that the summary spells out
ATLAS = "basin_atlas_ends.json"  # where the runs of the atlas ended


@dataclass(frozen=True, kw_only=True)
class Points(Scale):
    """Random games of either part: those of the atlas's families, and those in which rounds must improve."""

    games: int
    improving: int


SCALES = {
    "small": Points(minutes=2, seeds=1, games=1_000, improving=1_000),
    "medium": Points(minutes=5, seeds=1, games=10_000, improving=10_000),
    "paper": Points(minutes=25, seeds=5, games=10_000, improving=10_000),  # no paper's: ours, at its largest
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    games: int | None = None,
    improving: int | None = None,
    ends: Path | None = None,
) -> None:
    """Enumerate, count and compare; write `summary.json` and two figures to `out`.

    Args:
        out: directory.
        scale: one of `SCALES`.
        seeds: draws of the random games.
        env_steps: refused; nothing is trained.
        yes: agree to more than an hour.
        games: random games of two agents with three actions, of each draw.
        improving: random games in which rounds on sums must improve, of each draw and behaviour; a tenth as many for
            rounds on monotone fits.
        ends: `ends.json` of a run of `basin_atlas`; by default the one that is kept with the experiments.
    """
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, games=games, improving=improving)
    agree(setting, yes=yes)
    rows = table_rows() + random_rows(setting.games * setting.seeds) + round_rows(setting.games * setting.seeds)
    rows += improvement_rows(setting.improving * setting.seeds) + prediction_rows(ends)
    rows += theorem_rows(setting.games * setting.seeds)
    rows = [{"scale": setting.label, **row} for row in rows]
    summaries.write_summary(rows, out)
    for row in rows:
        print(text(row))
    for path in draw(rows, out):
        print(path)


def spelled(points: theory.StablePoints, game: int = 0) -> str:
    """Stable points of one game in letters: strict ones, then "+" and the weak ones."""
    strict, weak = (
        " ".join("".join("ABCDEF"[u] for u in joint) for joint in np.argwhere(mask[game])) for mask in points
    )
    return f"{strict} + {weak}".strip() if weak else strict


def table_rows() -> list[dict[str, Any]]:
    """The stable set of every class, and the ends of every round, on every named game, beside the prototype's table."""
    rows = []
    for game, (behaviour, epsilon) in itertools.product(GAMES, EXPLORATION):
        payoff = np.array([GAMES[game]], np.float64)
        found = {name: theory.stable_points(payoff, fit, behaviour, epsilon) for name, fit in CLASSES.items()}
        for name, fit in ROUNDS.items():
            ends = theory.round_ends(payoff, MOST_ROUNDS, behaviour, epsilon, fit)
            nowhere = np.zeros_like(ends[0])
            found |= {f"{name}, K = {k}": theory.StablePoints(end, nowhere) for k, end in enumerate(ends, start=1)}
        expected = dict(zip(CLASSES, TABLE.get((game, behaviour), ()) if epsilon < 1 else (), strict=False))
        for name, points in found.items():
            wanted, stable = expected.get(name), spelled(points)
            rows.append({
                "game": game, "behaviour": behaviour, "epsilon": epsilon, "class": name, "stable": stable,
                "expected": wanted, "agrees": None if wanted is None else stable == wanted,
            })  # fmt: skip
    return rows


def drawn(count: int) -> np.ndarray:
    """Random payoffs of two agents with three actions, as many of each family of the atlas."""
    return np.stack([game.payoff() for game in random_games(2, 3, count)])


def random_rows(count: int) -> list[dict[str, Any]]:
    """How often the optimum is stable, how often something else is, and how often nothing, by class and behaviour."""
    payoff, rows = drawn(count), []
    optimal = payoff == payoff.max(axis=(1, 2), keepdims=True)
    for behaviour, (kind, epsilon) in BEHAVIOURS.items():
        for name, fit in CLASSES.items():
            stable = theory.stable_points(payoff, fit, kind, epsilon).any
            rows.append({"class": name, "behaviour": behaviour, **shares(stable, optimal)})
    return rows


def round_rows(count: int) -> list[dict[str, Any]]:
    """The same of the possible ends of every round of increments."""
    payoff, rows = drawn(count), []
    optimal = payoff == payoff.max(axis=(1, 2), keepdims=True)
    for behaviour, (kind, epsilon) in BEHAVIOURS.items():
        for name, fit in ROUNDS.items():
            ends = theory.round_ends(payoff, MOST_ROUNDS, kind, epsilon, fit)
            for place, end in enumerate(ends, start=1):
                row = {"class": f"{name}, K = {place}", "rounds": place, "behaviour": behaviour}
                rows.append(row | shares(end, optimal))
    return rows


def shares(stable: np.ndarray, optimal: np.ndarray) -> dict[str, Any]:
    """Shares of games, with their intervals."""
    games = len(stable)

    def share(mask: np.ndarray) -> Any:
        return fraction_interval(int(mask.reshape(games, -1).any(axis=1).sum()), games)

    return {
        "games": games, "optimum_stable": share(stable & optimal), "other_stable": share(stable & ~optimal),
        "none_stable": fraction_interval(int((~stable.reshape(games, -1).any(axis=1)).sum()), games),
        "points": float(stable.reshape(games, -1).sum(axis=1).mean()),
    }  # fmt: skip


def improvement_rows(count: int) -> list[dict[str, Any]]:
    """Every (game, p) of every shape: is each stable point of the increment over p better? Exceptions spelled out."""
    rows = []
    for base, fit in ROUNDS.items():
        shapes = SHAPES if fit is theory.vdn else SHAPES[:1]
        each = -(-count // len(shapes)) if fit is theory.vdn else -(-count // 10)  # every pair is a search of orders
        for behaviour in ("independent", "central"):
            for shape in shapes:
                payoff = np.random.default_rng([7, *shape]).normal(size=(each, *shape))
                payoff[::2] *= np.random.default_rng([8, *shape]).random(payoff[::2].shape) < SPARSE
                holds = theory.strict_improvement(payoff, behaviour, 0.1, fit)
                failing = np.argwhere(~holds)
                rows.append({
                    "improvement": base, "behaviour": behaviour, "epsilon": 0.1, "shape": list(shape), "games": each,
                    "pairs": int(holds.size), "exceptions": len(failing),
                    "spelled": [
                        {"p": at[1:].tolist(), "payoff": payoff[at[0]].tolist()} for at in failing[:EXCEPTIONS]
                    ],
                })  # fmt: skip
    return rows


def theorem_rows(count: int) -> list[dict[str, Any]]:
    """What theorems on weights say, against every random game whose payoffs do not tie."""
    payoff = np.stack([one for one in drawn(count) if len(np.unique(one)) == one.size])
    upwards = theorems.upward_rows(payoff, BEHAVIOURS, {name: CLASSES[name] for name in UPWARDS})
    return theorems.recognition_rows(payoff, BEHAVIOURS) + upwards + theorems.projection_rows(payoff)


def prediction_rows(ends: Path | None = None) -> list[dict[str, Any]]:
    """One confusion of every learner and predictor."""
    path = ends or scripts.directory("experiments") / "figures" / ATLAS
    if not path.is_file():
        raise InputError(f"ends={path} is not there; a run of basin_atlas writes ends.json")
    found, facts = predictions.read_ends(path)
    return [
        {
            "of_scale": facts["scale"],
            "env_steps": facts["env_steps"],
            **predictions.confusion(learner, one, found[learner]),
        }
        for learner, predictors in predictions.PREDICTORS.items()
        if learner in found
        for one in predictors
    ]


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """What is stable on random games, by class; and where the atlas's learners ended."""
    paths = plots.save(figures.stable(rows), out / "stable.png")
    if any("counts" in row for row in rows):
        paths += plots.save(figures.confusions(rows), out / "confusion.png")
    return paths


def text(row: dict[str, Any]) -> str:
    """A row as a line, or several."""
    if "theorem" in row:
        return theorems.text(row)
    if "stable" in row:
        verdict = {True: "", False: f"  differs from {row['expected'] or 'none'}", None: ""}[row["agrees"]]
        where = f"{row['game']:9}{row['behaviour']:12}ε = {row['epsilon']:<4}{row['class']:32}"
        return f"{where}{row['stable'] or 'none'}{verdict}"
    if "improvement" in row:
        found = f"{row['exceptions']} exceptions in {row['pairs']:,} pairs of {row['games']:,} games"
        lines = [f"  p = {one['p']} of {one['payoff']}" for one in row["spelled"]]
        shape = "x".join(map(str, row["shape"]))
        return "\n".join([f"{row['improvement']:22} {row['behaviour']:12} {shape:8} {found}", *lines])
    if "counts" in row:
        outside = ", ".join(f"{name} {count}" for name, (count, _) in row["outside"].items() if count)
        same = "" if row["same"] is None else f", {row['same'][0]:.1%} at the end of the exact path"
        inside = f"{row['inside'][0]:.1%} of {row['ended']:,} runs end in the set ({row['chance']:.1%} by chance){same}"
        return f"{row['learner']:15}{row['predictor']:22}{inside}; outside: {outside or 'none'}; {row['counts']}"
    parts = (("optimum", row["optimum_stable"]), ("another", row["other_stable"]), ("none", row["none_stable"]))
    found = ", ".join(f"{name} {share[0]:.1%}" for name, share in parts)
    return (
        f"{row['class']:32}{row['behaviour']:10}stable in {row['games']:,} games: {found}; {row['points']:.2f} points"
    )
