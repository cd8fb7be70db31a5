"""Which games can a learner solve? Probability of reaching the optimum against non-monotonicity: thousands of games.

Random payoff games of several families and shapes x value learners x seeds, a seed of its own for every run. Games lie
along the runs axis, so a learner and a shape are one program. Agents are tables unless another network is asked for: no
network between data and values, so that what fails is the factorization or the exploration. The exception is QTRAN-alt,
whose joint value tells agents apart by their features: its agents are networks. Step sizes are chosen in pilots, as
many for each learner.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax

import jaxvf
from jaxvf import scripts
from jaxvf.envs import MatrixGame
from jaxvf.envs.payoff_families import FAMILIES, RandomGame, random_games
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import SMALL, UNIFORM, Scale, caption, choose, train
from jaxvf.results import Interval, Result, plots, summaries
from jaxvf.results.panels import facets
from jaxvf.results.store import write_atomically
from jaxvf.value import Pqn

cells_of = scripts.part("experiments", "_atlas_cells")
pilots_of = scripts.part("experiments", "_atlas_pilots")
matrix_games = scripts.load("experiments", "matrix_games")
BINS, games_interval = cells_of.BINS, cells_of.games_interval

LEARNERS = (
    "iql", "vdn", "qmix", "nm_qmix", "qplex", "duelmix", "qtran", "qtran_alt",
    "cw_qmix", "ow_qmix", "resq", "pow_qmix", "mrvf",
    "s2q", "qfix_sum", "qfix_mono", "qfix_lin", "q_plus_fix_sum", "q_plus_fix_mono", "q_plus_fix_lin",
    "pqn_vdn", "pqn_qmix",
)  # fmt: skip
FIRST = LEARNERS[: LEARNERS.index("s2q")]  # of the committed atlas of the small scale
# Behaviour: ε at the start, at the end, and the share of the budget in which it is annealed.
PROTOCOLS = {
    "annealed": (1.0, 0.05, 0.5),  # what practice does
    "uniform": (1.0, 1.0, 1.0),  # what papers argue about: all joint actions equally likely, throughout
}
SETTING = {"optimizer": "adam", "batch_size": 128, "updates_per_episode": 1 / 8, "last_action": False}
REPLAY = 1 / 10  # of the budget's episodes
CHUNK = 64  # runs at once and device of a CPU
# By agent network; tables have no weights through which a step of 0.001 would move all values at once.
AGENTS: dict[str, dict[str, Any]] = {
    "tabular": {"agent_id": False, "learning_rate": 2e-2},
    "feed_forward": {"learning_rate": 1e-3},
    "recurrent": {"learning_rate": 1e-3},
}
SMALL_NETWORKS = {  # wherever a learner has such a field
    **dict.fromkeys(("mixer.embed", "mixer.hypernet_embed", "mixer.adv_hypernet_embed"), 8),
    **dict.fromkeys(("central_width", "joint.width"), 32),
    "unweighted_steps": 0.0,  # as POW's code has it in matrix games
    "central_rate": 3.0,  # not 10 times the tables' rate, as in an earlier prototype of MRVF with smaller rates
}
# QTRAN's default joint networks know agents by their histories alone, and tables have the same history.
OWN: dict[str, dict[str, Any]] = {
    "qtran": {"joint.architecture": "coma_critic"},
    "qtran_alt": {"agent": "feed_forward", "agent_id": True, "learning_rate": 3e-3},
    "q_plus_fix_sum": {"mixer.width": 32},
}
RECOGNIZER = {"recognizer.width": 32, "recognizer.embed": 16}  # of those that weight by it

AXES = {
    "non_monotonicity": "non-monotonicity of the payoff (0: monotone in some order of actions, 1: XOR)",
    "deviation_penalty": "penalty when one agent leaves the optimum (standard deviations of the payoff)",
}
BEHAVIOUR = {"annealed": "annealed play (ε from 1 to 0.05 within half of the run)", "uniform": UNIFORM}
CLAIM = (
    "Share of runs that end at the optimum of a random game, one panel per learner (in colour; the others in grey): "
)
FOUND = {
    "non_monotonicity": "the less monotonic the payoff, the fewer runs of most learners find it.",
    "deviation_penalty": "the more it costs when one agent leaves the optimum, the fewer runs of most learners find "
    "it. The penalty is by how much the joint actions that one agent's leaving makes pay less than the average "
    "(negative: they pay more).",
}
FEW = 5  # games, below which a bin is not drawn


@dataclasses.dataclass(frozen=True, kw_only=True)
class Atlas(Scale):
    """How many games of which shape (agents, actions), learners, behaviours, the agents' network, and pilots."""

    shapes: dict[tuple[int, int], int]
    learners: tuple[str, ...] = LEARNERS
    protocols: tuple[str, ...] = ("annealed",)
    agent: str = "tabular"
    pilots: int = 0  # games of the first shape on which every learner's step size is chosen; 0 leaves it as it is


EVERY_SHAPE = ((2, 3), (2, 4), (2, 5), (2, 6), (3, 3), (3, 4), (3, 5), (4, 3), (4, 4))
SCALES = {
    "small": Atlas(minutes=6, seeds=4, env_steps=6_000, shapes={(3, 3): 100}, learners=FIRST),
    "medium": Atlas(minutes=30, seeds=1, env_steps=2_000, shapes={(2, 3): 2000}, pilots=48),
    "paper": Atlas(minutes=6_000, seeds=8, env_steps=20_000, shapes=dict.fromkeys(EVERY_SHAPE, 1200), pilots=120),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    shapes: dict[tuple[int, int], int] | None = None,
    learners: tuple[str, ...] | None = None,
    protocols: tuple[str, ...] | None = None,
    agent: str | None = None,
    pilots: int | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json`, `ends.json` and the figures to `out`; with pilots, `pilots.json`.

    All but `out` and `yes` (to more than an hour) stands in place of what the scale has: seeds of every game, numbers
    of games by their `shapes` (agents, actions), names of `LEARNERS`, `PROTOCOLS` and `AGENTS`, games for `pilots`.
    """
    given = {"shapes": shapes, "learners": learners, "protocols": protocols, "agent": agent, "pilots": pilots}
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, **given)
    games = {shape: random_games(*shape, count) for shape, count in setting.shapes.items()}
    played = {f"{name}-{shape[0]}x{shape[1]}": (name, shape) for name in setting.learners for shape in games}
    rates = tuned(played, games, setting, out, yes=yes) if setting.pilots else {}
    sweeps = {where: sweep_of(name, games[shape], setting, rates.get(name)) for where, (name, shape) in played.items()}
    results = train(sweeps, out, setting, yes=yes, chunk=chunk_of(sweeps))
    write_results(results, played, games, setting, out)


def tuned(
    played: dict[str, tuple[str, tuple[int, int]]],
    games: dict[tuple[int, int], list[RandomGame]],
    setting: Atlas,
    out: Path,
    *,
    yes: bool,
) -> dict[str, float]:
    """The step size of every learner, chosen in as many pilots for each; writes `pilots.json`."""
    own = dataclasses.replace(setting, seeds=1)
    tried = pilots_of.pilot_games(next(iter(games)), setting.pilots)
    defaults = {name: own_rate(name, setting) for name in setting.learners}
    sweeps = {f"pilots/{name}": sweep_of(name, tried, own, pilots_of.rates_of(rate)) for name, rate in defaults.items()}
    later = {where: sweep_of(name, games[shape], setting) for where, (name, shape) in played.items()}
    results = train(sweeps, out, setting, yes=yes, chunk=chunk_of(sweeps), later=later)
    rows = [
        {"scale": setting.label, "env_steps": setting.steps_of(), **row}
        for name, rate in defaults.items()
        for row in pilots_of.judged(name, rate, results[f"pilots/{name}"])
    ]
    write_atomically(out / "pilots.json", json.dumps(rows, indent=1).encode())
    return pilots_of.chosen(rows)


def write_results(
    results: dict[str, Result],
    played: dict[str, tuple[str, tuple[int, int]]],
    games: dict[tuple[int, int], list[RandomGame]],
    setting: Atlas,
    out: Path,
) -> None:
    """Count what the runs ended with; write numbers, ends and figures, print the tables."""
    cells, seconds, ends = [], {}, {}
    for where, (learner, shape) in played.items():
        label, result = f"{shape[0]} agents, {shape[1]} actions", results[where]
        for protocol in setting.protocols:
            runs = result.select(epsilon_end=PROTOCOLS[protocol][1])
            cells.append(cells_of.cell_of(learner, protocol, label, games[shape], result, runs))
            ends[f"{where} {protocol}"] = cells_of.ends_of(games[shape], result, runs)
        seconds[where] = {key: sum(row[f"{key}_seconds"] for row in result.timing) for key in ("compile", "run")}
    for learner in setting.learners:
        for protocol in setting.protocols:
            cells.append(cells_of.pooled([c for c in cells if (c.learner, c.protocol) == (learner, protocol)]))
    facts = {"scale": setting.label, "seeds": setting.seeds, "env_steps": setting.steps_of()}
    rows = [facts | row for cell in cells for row in cells_of.rows_of(cell)]
    predictors = [facts | row for cell in cells for row in cells_of.predictor_rows(cell) if cell.shape == "all"]
    content = {"rows": rows, "predictors": predictors, "seconds": seconds}
    summaries.write_summary(content, out)
    counts = {f"{agents}x{actions}": count for (agents, actions), count in setting.shapes.items()}
    write_atomically(out / "ends.json", json.dumps({**facts, "games": counts, "ends": ends}, indent=1).encode())
    for path in draw(rows, out):
        print(path)
    for protocol in setting.protocols:
        print(report(rows, protocol))
    for row in predictors:
        print("{learner:10} {protocol} {predictor:18} area {0:.3f} [{1:.3f}, {2:.3f}]".format(*row["area"], **row))


def sweep_of(
    learner: str, games: list[RandomGame], setting: Atlas, rate: float | list[float] | None = None
) -> jaxvf.Sweep:
    """One program: all games of a shape, behaviours and seeds of a learner; `rate` is its step size, or those tried."""
    algorithm, env_steps, seeds = jaxvf.algorithms.make(learner), setting.steps_of(), setting.seeds
    fields = fields_of(learner, setting)
    if getattr(algorithm, "weighting", "") == "potentially_optimal":
        fields |= RECOGNIZER
    num_envs, batch = algorithm.num_envs, fields["batch_size"]
    fields["buffer_size"] = max(batch, round(env_steps * REPLAY)) // num_envs * num_envs
    for field, value in fields.items():
        if has(algorithm, field):
            algorithm = replace(algorithm, field, value)
    chosen = [PROTOCOLS[name] for name in setting.protocols]
    behaviours = [(start, end, share * env_steps) for start, end, share in chosen]
    played = [(game, place * seeds + seed) for place, game in enumerate(games) for seed in range(seeds)]
    rates = [] if rate is None else [rate] if isinstance(rate, float) else rate
    return jaxvf.Sweep(
        env=MatrixGame(games[0]),
        algorithms=algorithm,
        # Games that shared seeds would share initial values, and a learner's luck with them.
        grid={
            "epsilon_start,epsilon_end,epsilon_anneal": behaviours,
            **({"learning_rate": rates} if rates else {}),
            "env.payoff,seed": played,
        },
        env_steps=env_steps,
        test_interval=max(1000, env_steps // 8),
        test_episodes=1,  # greedy play of a one-step game is deterministic
    )


def chunk_of(sweeps: dict[str, jaxvf.Sweep]) -> dict[str, int] | None:
    """On a CPU as many runs at once for pilots as for the atlas, so that both are one compiled program."""
    devices = jax.devices()
    return dict.fromkeys(sweeps, CHUNK * len(devices)) if devices[0].platform == "cpu" else None


def fields_of(learner: str, setting: Atlas) -> dict[str, Any]:
    """Fields that are set, where a learner has them."""
    fields = {**SETTING, "agent": setting.agent, **AGENTS[setting.agent], **SMALL_NETWORKS}
    fields |= matrix_games.WITHOUT_REPLAY if isinstance(jaxvf.algorithms.make(learner), Pqn) else {}
    return fields | OWN.get(learner, {}) if setting.agent == "tabular" else fields


def own_rate(learner: str, setting: Atlas) -> float:
    """The step size that a learner has where none is chosen for it."""
    return fields_of(learner, setting)["learning_rate"]


def has(config: Any, path: str) -> bool:
    """Whether a configuration has the field of this dotted name."""
    head, _, rest = path.partition(".")
    return hasattr(config, head) and (not rest or has(getattr(config, head), rest))


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Fractions against either measure for every shape, and of all shapes together where there are several."""
    paths = []
    shapes = [shape for shape in dict.fromkeys(row["shape"] for row in rows) if shape != "all"]
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        drawn = [row for row in rows if row["protocol"] == protocol and row["family"] == "all"]
        for measure, xlabel in AXES.items():
            for shape in (*shapes, "all") if len(shapes) > 1 else shapes:
                chosen = [row for row in drawn if row["shape"] == shape and row["measure"] == measure]
                lines: dict[str, Any] = {}
                for row in chosen:
                    if row["games"] >= FEW:
                        lines.setdefault(row["learner"], []).append((row["mean"], Interval(*row["optimal"])))
                if lines:
                    note = note_of(chosen, measure, shape, protocol)
                    figure = facets(lines, xlabel=xlabel, ylabel="runs at the optimum", note=note)
                    name = shape.replace(", ", "_").replace(" ", "_")
                    paths += plots.save(figure, out / f"{measure}_{name}_{protocol}.png")
    return paths


def note_of(rows: list[dict[str, Any]], measure: str, shape: str, protocol: str) -> str:
    """The caption of the rows of one measure about the games of one shape, or of all; bins of few are left out."""
    rows = [row for row in rows if row["games"] >= FEW]
    bins = {row["bin"]: row["games"] for row in rows if row["learner"] == rows[0]["learner"]}
    last = [row["learner"] for row in rows if row["bin"] == max(bins) and row["optimal"][0] == 0]
    never = f" At the right never: {', '.join(last)}." if last else ""
    sizes = f"a point is {min(bins.values()):,} to {max(bins.values()):,} of them, at their mean"
    told = f"{CLAIM}{FOUND[measure]}{never} {sum(bins.values()):,} games of "
    told += f"{'several shapes' if shape == 'all' else shape}: {sizes}."
    return caption(
        told, scale=rows[0]["scale"], seeds=rows[0]["seeds"], steps=f"{rows[0]['env_steps']:,} environment steps a run",
        behaviour=BEHAVIOUR[protocol], interval="band: 95 % bootstrap interval over games", of="of each game",
    )  # fmt: skip


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
