"""Does the non-monotonic learner correct itself? Its greedy action when the table first fits, and at the end.

Hu et al. 2026 (arXiv 2511.09792) claim that under approximately greedy play solutions that violate IGM repel, so that
training leaves them. Here their two matrix games and random ones are played by thousands of runs: one factor after
another is changed (width, depth, step size, ε, initial scale, optimizer, ring, noise, the mixer), then all numbers at
once are drawn, and the regions that look best are run again with new seeds.
"""

import dataclasses
import hashlib
import io
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvf.envs import PAYOFFS
from jaxvf.envs.payoff_families import random_games
from jaxvf.reproduction import SMALL, Scale, agree, choose
from jaxvf.results import summaries
from jaxvf.results.statistics import fraction_interval
from jaxvf.results.store import write_atomically
from jaxvf.scripts import part
from jaxvf.theory.flow_learner import Learner, Numbers, behind_a_choice, one_step
from jaxvf.theory.flow_training import train

search, pictures = (part("experiments", f"_self_correction_{name}") for name in ("search", "pictures"))

# The paper's games A and B (B and D of `matrix_game`), and as many random ones of five families as there are seeds.
GAMES = {"A": "B", "B": "D", "random": ""}
EVERY = tuple(GAMES)
EXACT = 0.05  # largest error of a table that equals the payoff
# Largest error of one that fits: about half of the least lead of an optimum, which is 0.95 in random games.
TOLERANCE = 0.5
REPLAYED, ON_POLICY = Learner(), Learner(ring=32, collect=32, batch=32)


@dataclasses.dataclass(frozen=True)
class Level:
    """One value of one factor: a program, and numbers that differ from the base's."""

    factor: str
    name: str
    learner: Learner = REPLAYED
    numbers: dict[str, float] = dataclasses.field(default_factory=dict)
    two_steps: bool = False
    games: tuple[str, ...] = ("A", "random")


def constant(epsilon: float) -> dict[str, float]:
    """ε that is not annealed."""
    return {"epsilon_start": epsilon, "epsilon_end": epsilon}


LEVELS = (
    Level("base", "base", games=EVERY),
    *(Level("width (32)", f"{width}", Learner(width=width), games=EVERY) for width in (4, 8, 64)),
    *(Level("ε (annealed to 0.05)", f"{each:g}", numbers=constant(each), games=EVERY) for each in (1.0, 0.2, 0.05)),
    Level("ring (5,000)", "32, on-policy", ON_POLICY, games=EVERY),
    Level("ring (5,000)", "32, on-policy, ε 0.05", ON_POLICY, constant(0.05), games=EVERY),
    *(Level("ring (5,000)", f"{ring:,}", Learner(ring=ring)) for ring in (32, 50_000)),
    *(Level("step size (0.005)", f"{rate:g}", numbers={"learning_rate": rate}) for rate in (1e-3, 5e-2)),
    Level("initial values (±0.1)", "±3", numbers={"value_scale": 3.0}),
    Level("optimizer (Adam)", "SGD", Learner(optimizer="sgd"), {"learning_rate": 1e-2}),
    Level("mixer (trained)", "frozen", numbers={"mixer_rate": 0.0}),
    Level("mixing layers (1)", "2 of 16", Learner(depth=2, width=16)),
    *(Level("behind a choice", kind, Learner(bootstrap=kind), two_steps=True) for kind in ("sarsa", "max")),
    Level("mixer (trained)", "monotonic: QMIX", Learner(monotonic=True)),
)
# At the largest scale alone: QMIX's own hypernetworks have thousands of weights, which take most of the time.
MORE = (
    Level("mixer (trained)", "by hypernetworks", Learner(hypernetworks=True), {"learning_rate": 1e-3}, games=EVERY),
    Level("reward noise (0)", "4", Learner(noisy=True), {"noise": 4.0}, games=EVERY),
)
# The search's programs; its numbers are `search.DRAWN`.
PROGRAMS = {
    "replayed": REPLAYED, "on-policy": ON_POLICY, "width 4": Learner(width=4), "SGD": Learner(optimizer="sgd"),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study(Scale):
    """Seeds are runs of every level and game, of every program and game of the search, and of every region."""

    updates: int
    levels: tuple[Level, ...] = LEVELS
    programs: tuple[str, ...] = ("replayed", "on-policy")
    search_games: tuple[str, ...] = ("A", "random")


SCALES = {
    "small": Study(minutes=3, seeds=100, updates=1_500),
    "medium": Study(minutes=10, seeds=1_000, updates=1_500),
    "paper": Study(
        minutes=2_800,
        seeds=10_000,
        updates=10_000,
        levels=tuple(dataclasses.replace(level, games=EVERY) for level in (*LEVELS, *MORE)),
        programs=tuple(PROGRAMS),
        search_games=EVERY,
    ),  # the paper shows one run: ours, at its largest
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    levels: tuple[Level, ...] | None = None,
    programs: tuple[str, ...] | None = None,
    search_games: tuple[str, ...] | None = None,
    updates: int | None = None,
) -> None:
    """Train, or go on where an earlier call stopped; write `summary.json` and both figures to `out`.

    Args:
        out: directory; every finished cell is a file in its `cells`.
        scale: one of `SCALES`.
        seeds: of every cell.
        env_steps: refused; a run has its updates.
        yes: agree to more than an hour.
        levels: what is compared one factor at a time.
        programs: names of `PROGRAMS`, for the search.
        search_games: names of `GAMES`, for the search.
        updates: of a run.
    """
    given = {"levels": levels, "programs": programs, "search_games": search_games, "updates": updates}
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, **given)
    agree(setting, yes=yes)
    rows = []
    for level in setting.levels:
        for game in level.games:
            numbers = repeated(level.numbers, setting.seeds)
            found = cell(out, setting, level.learner, game, numbers, two_steps=level.two_steps)
            rows.append({"factor": level.factor, "level": level.name, "game": game, **row_of(found)})
            print(text(rows[-1]), flush=True)
    rows += search_rows(out, setting)
    rows = [{"scale": setting.label, "seeds": setting.seeds, "updates": setting.updates, **row} for row in rows]
    summaries.write_summary(rows, out)
    for path in draw(rows, out):
        print(path)
    print(verdict(rows))


def search_rows(out: Path, setting: Study) -> list[dict[str, Any]]:
    """What the numbers of the search do one by one, and what the best-looking regions give to new runs."""
    rows = []
    for place, game in enumerate(setting.search_games):
        drawn, found = {}, {}
        for index, name in enumerate(setting.programs):
            drawn[name] = search.draw_numbers(search.DRAWN, setting.seeds, seed=[place, index])
            numbers = repeated(drawn[name], setting.seeds)
            found[name] = cell(out, setting, PROGRAMS[name], game, numbers, fresh=1)
        rows += [{"game": game, **row, **row_of(part)} for row, part in search.bins(drawn, found)]
        for region in search.best_regions(drawn, found):
            again = search.draw_numbers(region["box"], setting.seeds, seed=[place, 1_000])
            again = cell(out, setting, PROGRAMS[region["program"]], game, repeated(again, setting.seeds), fresh=2)
            rows.append({"game": game, **region, **row_of(again)})
            print(text(rows[-1]), flush=True)
    return rows


def repeated(changes: dict[str, Any], runs: int) -> Numbers:
    """The base's numbers with these in their place, for every run."""
    leaves: dict[str, Any] = {
        name: np.broadcast_to(np.float32(changes.get(name, base)), runs).copy()
        for name, base in Numbers()._asdict().items()
    }
    return Numbers(**leaves)


def cell(
    out: Path, setting: Study, learner: Learner, game: str, numbers: Numbers, *, two_steps: bool = False, fresh: int = 0
) -> dict[str, np.ndarray]:
    """What became of the runs of one program, game and set of numbers; read where it was computed before.

    Args:
        out: of the experiment.
        setting: how many runs, and how long.
        learner: the program.
        game: one of `GAMES`.
        numbers: of every run.
        two_steps: whether a choice comes before the game.
        fresh: other seeds, and other random games, for each of 0, 1, ...
    """
    asked = (learner, game, setting.updates, two_steps, fresh, [np.asarray(leaf).tobytes() for leaf in numbers])
    path = out / "cells" / f"{hashlib.sha256(repr(asked).encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        runs = np.size(numbers.learning_rate)
        first = (fresh * len(GAMES) + list(GAMES).index(game)) * 1_000_000
        payoff = jnp.asarray(payoffs(game, runs, fresh), jnp.float32)
        played = behind_a_choice(payoff) if two_steps else one_step(payoff)
        outcome = train(
            learner, played, numbers, first + jnp.arange(runs), updates=setting.updates, tolerance=TOLERANCE
        )
        buffer = io.BytesIO()
        leaves: dict[str, Any] = {name: np.asarray(leaf) for name, leaf in outcome._asdict().items()}
        np.savez(buffer, **leaves)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    with np.load(path) as stored:
        return dict(stored)


def payoffs(game: str, runs: int, fresh: int = 0) -> Float[np.ndarray, "R 9"]:
    """The payoff of every run, joint actions in a row; a random game for each."""
    if game == "random":
        return np.stack([each.payoff().ravel() for each in random_games(2, 3, runs, first_seed=fresh * 1_000_000)])
    return np.broadcast_to(np.ravel(PAYOFFS[GAMES[game]]), (runs, 9)).astype(np.float64)


def row_of(found: dict[str, np.ndarray]) -> dict[str, Any]:
    """The numbers of a set of runs, fractions with their 95 % score intervals.

    `fitted` counts runs whose table has fitted at some update; of those, `optimal_at_fit` and `optimal_later` those
    whose greedy joint action was the optimum then and at the end. `corrected` is of those that were wrong at the fit,
    `lost` of those that were right.
    """
    fitted, optimal = found["fitted_at"] >= 0, found["optimal"]
    right, changes = found["optimal_at_fit"], found["changes"][fitted]
    return {
        "runs": len(fitted),
        "diverged": int((~np.isfinite(found["error"])).sum()),
        "fitted": share(fitted),
        "fits_at_the_end": share(found["error"] < TOLERANCE),
        "exact": share(found["error"] < EXACT),
        "optimal": share(optimal),
        "optimal_and_fits_at_the_end": share(optimal & (found["error"] < TOLERANCE)),
        "optimal_at_fit": share(right[fitted]),
        "optimal_later": share(optimal[fitted]),
        "corrected": share(optimal[fitted & ~right]),
        "lost": share(~optimal[fitted & right]),
        "changed_after_fit": share(changes > 0),
        "changed_while_fitted": share(found["changes_while_fitted"][fitted] > 0),
        "mean_changes_after_fit": float(changes.mean()) if fitted.any() else None,
        "median_fitted_at": float(np.median(found["fitted_at"][fitted])) if fitted.any() else None,
    }


def share(hits: np.ndarray) -> list[float]:
    """Fraction and its interval."""
    return [round(float(part), 5) for part in fraction_interval(int(hits.sum()), len(hits))]


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """One factor at a time, and the search where there was one."""
    paths = [pictures.draw_levels(rows, out)]
    if any("number" in row for row in rows):
        paths.append(pictures.draw_search(rows, out))
    return paths


def verdict(rows: list[dict[str, Any]]) -> str:
    """Where runs that were wrong when they fitted are mostly right in the end, in a few lines."""
    compared = [row for row in rows if "factor" in row]
    corrects = [row for row in compared if row["corrected"][1] > 0.5 and row["corrected"][0] > row["lost"][0]]
    certain = [row for row in compared if row["optimal_later"][1] > 0.9]
    lines = [
        f"{len(compared)} levels of factors and games: in {len(corrects)} more than half of the runs that fitted with "
        f"a wrong greedy action end with the right one; in {len(certain)} more than 0.9 of those that fitted are right"
    ]
    lines += [
        f"  {row['game']:6} {row['factor']}: {row['level']}" for row in {id(r): r for r in corrects + certain}.values()
    ]
    return "\n".join(lines)


def text(row: dict[str, Any]) -> str:
    """A row as a line."""
    name = f"{row['factor']}: {row['level']}" if "factor" in row else f"best {row['objective']}: {row['program']}"
    numbers = " ".join(
        f"{label} {row[field][0]:.3f}"
        for label, field in (
            ("fitted", "fitted"), ("optimal", "optimal"), ("at fit", "optimal_at_fit"), ("later", "optimal_later"),
            ("corrected", "corrected"), ("lost", "lost"), ("changed", "changed_after_fit"),
        )
    )  # fmt: skip
    return f"{row['game']:6} {name:42} {numbers}"
