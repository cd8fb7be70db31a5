"""Which games can a learner solve? Probability of reaching the optimum against non-monotonicity: thousands of games.

Random payoff games of several families and shapes x thirteen value learners x seeds, a seed of its own for every run.
Games lie along the runs axis, so a learner and a shape are one program. Agents are tables unless another network is
asked for: no network between data and values, so that what fails is the factorization or the exploration. The
exception is QTRAN-alt, whose joint value tells agents apart by their features: its agents are networks.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

import jaxvf
from jaxvf.envs import MatrixGame
from jaxvf.envs.payoff_families import FAMILIES, RandomGame, random_games
from jaxvf.hyperparameters import replace
from jaxvf.results import Interval, Result, plots
from jaxvf.results.panels import line_panels
from jaxvf.results.statistics import LEVEL, SAMPLES
from jaxvf.results.store import write_atomically
from jaxvf.theory import deviation_penalty, non_monotonicity

LEARNERS = (
    "iql", "vdn", "qmix", "nm_qmix", "qplex", "duelmix", "qtran", "qtran_alt",
    "cw_qmix", "ow_qmix", "resq", "pow_qmix", "mrvf",
)  # fmt: skip
# (agents, actions), and games of that shape: 10,800 games for every learner.
SHAPES = dict.fromkeys(((2, 3), (2, 4), (2, 5), (2, 6), (3, 3), (3, 4), (3, 5), (4, 3), (4, 4)), 1200)
QUICK_SHAPES = {(3, 3): 100}  # one shape: on a CPU most of the time would go into compiling for another
SEEDS, QUICK_SEEDS = 8, 4
ENV_STEPS, QUICK_ENV_STEPS = 20_000, 6_000

# Behaviour: ε at the start, at the end, and the share of the budget in which it is annealed.
PROTOCOLS = {
    "annealed": (1.0, 0.05, 0.5),  # what practice does
    "uniform": (1.0, 1.0, 1.0),  # what papers argue about: all joint actions equally likely, throughout
}
SETTING = {"optimizer": "adam", "batch_size": 128, "updates_per_episode": 1 / 8, "last_action": False}
REPLAY = 1 / 10  # of the budget's episodes
# By agent network; tables have no weights through which a step of 0.001 would move all values at once.
AGENTS: dict[str, dict[str, Any]] = {
    "tabular": {"agent_id": False, "learning_rate": 2e-2},
    "feed_forward": {"learning_rate": 1e-3},
    "recurrent": {"learning_rate": 1e-3},
}
# Networks as small as one game needs, wherever a learner has such a field.
SMALL = {
    "mixer.embed": 8,
    "mixer.hypernet_embed": 8,
    "mixer.adv_hypernet_embed": 8,
    "central_width": 32,
    "recognizer.width": 32,
    "recognizer.embed": 16,
    "joint.width": 32,
    "unweighted_steps": 0.0,  # as POW's code has it in matrix games
    "central_rate": 3.0,  # not 10 times the tables' rate, as in an earlier prototype of MRVF with smaller rates
}
# QTRAN's default joint networks know agents by their histories alone, and tables have the same history.
OWN: dict[str, dict[str, Any]] = {
    "qtran": {"joint.architecture": "coma_critic"},
    "qtran_alt": {"agent": "feed_forward", "agent_id": True, "learning_rate": 3e-3},
}

# Edges of the bins of either measure. The first bin of non-monotonicity holds the monotonic games alone.
BINS = {
    "non_monotonicity": (0.0, 1e-9, 0.2, 0.4, 0.6, 0.8, 1.0),
    "deviation_penalty": (-np.inf, -1.0, -0.5, 0.0, 0.5, 1.0, np.inf),
}
AXES = {
    "non_monotonicity": "non-monotonicity of the payoff",
    "deviation_penalty": "penalty for leaving the optimum alone (standard deviations)",
}
FEW = 5  # games, below which a bin is not drawn


@dataclasses.dataclass(frozen=True)
class Cell:
    """Games of one shape, or of all, and which runs of a learner under one behaviour ended at their optimum."""

    learner: str
    protocol: str
    shape: str
    family: np.ndarray  # [games], names
    values: dict[str, Float[np.ndarray, " games"]]  # both measures
    optimal: Bool[np.ndarray, "games seeds"]


def reproduce(
    *,
    seeds: int | None = None,
    quick: bool = False,
    out: Path,
    shapes: dict[tuple[int, int], int] | None = None,
    learners: tuple[str, ...] = LEARNERS,
    protocols: tuple[str, ...] = ("annealed",),
    agent: str = "tabular",
    env_steps: int | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the figures to `out`.

    Args:
        seeds: of every game.
        quick: few games of small shapes, and fewer steps.
        out: directory.
        shapes: number of games by (agents, actions).
        learners: registered names.
        protocols: names of `PROTOCOLS`.
        agent: one of `AGENTS`.
        env_steps: budget of a run.
    """
    shapes = shapes or (QUICK_SHAPES if quick else SHAPES)
    seeds = seeds or (QUICK_SEEDS if quick else SEEDS)
    env_steps = env_steps or (QUICK_ENV_STEPS if quick else ENV_STEPS)
    cells, seconds = [], {}
    for learner in learners:
        for shape, count in shapes.items():
            games, label = random_games(*shape, count), f"{shape[0]} agents, {shape[1]} actions"
            out_of_one = out / f"{learner}-{shape[0]}x{shape[1]}"
            result = train(learner, games, protocols, seeds, env_steps, agent, out_of_one)
            cells += [cell_of(learner, protocol, label, games, result, seeds) for protocol in protocols]
            spent = {key: sum(row[f"{key}_seconds"] for row in result.timing) for key in ("compile", "run")}
            seconds[out_of_one.name] = spent
    for learner in learners:
        for protocol in protocols:
            cells.append(pooled([cell for cell in cells if (cell.learner, cell.protocol) == (learner, protocol)]))
    rows = [row for cell in cells for row in rows_of(cell)]
    write_atomically(out / "summary.json", json.dumps({"rows": rows, "seconds": seconds}, indent=2).encode())
    for path in draw(rows, protocols, out):
        print(path)
    for protocol in protocols:
        print(report(rows, protocol))


def train(
    learner: str,
    games: list[RandomGame],
    protocols: tuple[str, ...],
    seeds: int,
    env_steps: int,
    agent: str,
    out: Path,
) -> Result:
    """One program: all games of a shape, behaviours and seeds of a learner; picks up an earlier, interrupted run."""
    algorithm = jaxvf.algorithms.make(learner)
    setting = {**SETTING, "agent": agent, **AGENTS[agent], **SMALL}
    if agent == "tabular":
        setting |= OWN.get(learner, {})
    num_envs, batch = algorithm.num_envs, setting["batch_size"]
    setting["buffer_size"] = max(batch, round(env_steps * REPLAY)) // num_envs * num_envs
    for field, value in setting.items():
        if has(algorithm, field):
            algorithm = replace(algorithm, field, value)
    behaviours = [(start, end, share * env_steps) for start, end, share in (PROTOCOLS[name] for name in protocols)]
    played = [(game, place * seeds + seed) for place, game in enumerate(games) for seed in range(seeds)]
    sweep = jaxvf.Sweep(
        env=MatrixGame(games[0]),
        algorithms=algorithm,
        # Games that shared seeds would share initial values, and a learner's luck with them.
        grid={"epsilon_start,epsilon_end,epsilon_anneal": behaviours, "env.payoff,seed": played},
        env_steps=env_steps,
        test_interval=max(1000, env_steps // 8),
        test_episodes=1,  # greedy play of a one-step game is deterministic
    )
    return sweep.run_or_resume(out)


def has(config: Any, path: str) -> bool:
    """Whether a configuration has the field of this dotted name."""
    head, _, rest = path.partition(".")
    return hasattr(config, head) and (not rest or has(getattr(config, head), rest))


def cell_of(learner: str, protocol: str, shape: str, games: list[RandomGame], result: Result, seeds: int) -> Cell:
    """Measures of the games, and whether each run's greedy joint action is the optimum in the end."""
    payoff = np.stack([game.payoff() for game in games])
    values = {"non_monotonicity": non_monotonicity(payoff), "deviation_penalty": deviation_penalty(payoff)}
    runs = result.select(epsilon_end=PROTOCOLS[protocol][1])
    optimal = result.metric("test_optimal")[runs, -1] >= 0.5  # NaN, of a run that diverged, is not
    family = np.asarray([game.family for game in games])
    return Cell(learner, protocol, shape, family, values, optimal.reshape(len(games), seeds))


def pooled(cells: list[Cell]) -> Cell:
    """All shapes of one learner and behaviour."""
    values = {name: np.concatenate([cell.values[name] for cell in cells]) for name in BINS}
    family, optimal = (np.concatenate([getattr(cell, name) for cell in cells]) for name in ("family", "optimal"))
    return Cell(cells[0].learner, cells[0].protocol, "all", family, values, optimal)


def rows_of(cell: Cell) -> list[dict[str, Any]]:
    """One row for every family (and all) and every bin (and all) of either measure that holds a game."""
    rows = []
    for family in ("all", *FAMILIES):
        member = np.isin(cell.family, list(FAMILIES) if family == "all" else [family])
        chosen = {("all", None): member}
        for measure, edges in BINS.items():
            place = np.clip(np.searchsorted(edges, cell.values[measure], side="right") - 1, 0, len(edges) - 2)
            chosen |= {(measure, index): member & (place == index) for index in range(len(edges) - 1)}
        for (measure, index), games in chosen.items():
            if games.any():
                rows.append({
                    "learner": cell.learner,
                    "protocol": cell.protocol,
                    "shape": cell.shape,
                    "family": family,
                    "measure": measure,
                    "bin": index,
                    "mean": None if index is None else float(cell.values[measure][games].mean()),
                    "games": int(games.sum()),
                    "runs": int(cell.optimal[games].size),
                    "optimal": games_interval(cell.optimal[games]),
                })  # fmt: skip
    return rows


def games_interval(optimal: Bool[np.ndarray, "games seeds"]) -> Interval:
    """Fraction of runs at the optimum with its percentile bootstrap over games.

    Runs of one game are not independent of each other, so a resample draws games, each with all its runs. Where all
    runs agree the bootstrap sees no spread: the interval has no width, and says nothing of games that were not drawn.
    """
    share, games = optimal.mean(axis=1), len(optimal)
    draws = np.random.default_rng(0).multinomial(games, np.full(games, 1 / games), size=SAMPLES) @ share / games
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(share.mean()), float(low), float(high))


def draw(rows: list[dict[str, Any]], protocols: tuple[str, ...], out: Path) -> list[Path]:
    """Fractions against either measure, a panel per shape; and against non-monotonicity, a panel per family."""
    paths = []
    for protocol in protocols:
        drawn = [row for row in rows if row["protocol"] == protocol and row["games"] >= FEW]
        for measure, xlabel in AXES.items():
            for panel, other in (("shape", "family"), ("family", "shape")):
                lines: dict[str, dict[str, Any]] = {}
                for row in drawn:
                    if row["measure"] == measure and row[other] == "all" and row[panel] != "all":
                        points = lines.setdefault(row[panel], {}).setdefault(row["learner"], [])
                        points.append((row["mean"], row["optimal"]))
                if lines:
                    figure = line_panels(lines, xlabel=xlabel, ylabel="runs that reach the optimum")
                    paths += plots.save(figure, out / f"{measure}_by_{panel}_{protocol}.png")
    return paths


def report(rows: list[dict[str, Any]], protocol: str) -> str:
    """Percent of runs at the optimum over all shapes: learners down, bins of non-monotonicity and families across."""
    edges = BINS["non_monotonicity"]
    columns: dict[tuple[Any, ...], str] = {("all", "non_monotonicity", 0): "0"}
    columns |= {("all", "non_monotonicity", place): f"<{edges[place + 1]:g}" for place in range(1, len(edges) - 1)}
    columns |= {(family, "all", None): family for family in FAMILIES}
    wanted = [row for row in rows if row["protocol"] == protocol and row["shape"] == "all"]
    found = {(row["learner"], row["family"], row["measure"], row["bin"]): row for row in wanted}
    lines = [f"{protocol}: percent of runs that end at the optimum, by non-monotonicity and by family"]
    lines.append(" " * 10 + "".join(f"{title:>12}" for title in columns.values()))
    for learner in dict.fromkeys(row["learner"] for row in wanted):
        cells = [found.get((learner, *column)) for column in columns]
        shown = ["-" if cell is None else f"{100 * cell['optimal'][0]:.0f}" for cell in cells]
        lines.append(f"{learner:10}" + "".join(f"{text:>12}" for text in shown))
    return "\n".join(lines)
