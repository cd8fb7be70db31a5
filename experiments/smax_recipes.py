"""JaxMARL's recurrent recipes on SMAX, as the release `jaxmarl_smax` has them: battles won, and steps a second.

IPPO and MAPPO with 128 environments x 128 steps, four epochs of four mini-batches (Rutherford et al. 2024, arXiv
2311.10090; github.com/FLAIROx/JaxMARL, `baselines/IPPO` and `baselines/MAPPO`). Their step sizes fall to 0 within 10
million steps: a shorter run is the beginning of theirs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.reproduction import IQM, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import Result, summaries
from jaxvf.results.statistics import mean_interval

RECIPES = ("ippo@jaxmarl_smax", "mappo@jaxmarl_smax")
TEST_EPISODES = 32
ITERATION = 128 * 128  # steps
EVALUATE_EVERY = 6  # iterations


@dataclass(frozen=True, kw_only=True)
class Recipes(Scale):
    """Which maps."""

    maps: tuple[str, ...]


SCALES = {
    "small": Recipes(minutes=3, seeds=2, env_steps=18 * ITERATION, maps=("3m",)),
    "medium": Recipes(minutes=35, seeds=4, env_steps=60 * ITERATION, maps=("3m", "2s3z")),
    "paper": Recipes(minutes=2_000, seeds=10, env_steps=10_000_000, maps=("3m", "2s3z", "3s5z", "5m_vs_6m")),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    maps: tuple[str, ...] | None = None,
) -> None:
    """Run a sweep a map and recipe; write Parquet, `summary.json` and a curve a map to `out`."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, maps=maps)
    played = {f"{name}/{recipe.partition('@')[0]}": (name, recipe) for name in setting.maps for recipe in RECIPES}
    results = train({where: sweep_of(*cell, setting) for where, cell in played.items()}, out, setting, yes=yes)
    rows = [row_of(*cell, results[where], setting) for where, cell in played.items()]
    summaries.write_summary(rows, out)
    for path in draw(rows, out):
        print(path)
    for row in rows:
        won, earned = (summaries.return_text(row[name]) for name in ("final_won", "train_return"))
        print(f"{row['map']:8} {row['learner']:20} won {won}  return in training {earned}  {row['steps_a_second']:,}/s")


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Battles won against steps, a figure a map."""
    panels = {f"smax/{name}": curves for name, curves in summaries.panels_of(rows, "map", "learner", "won").items()}
    facts = facts_of(rows, behaviour="agents explore by sampling from their policies", interval=IQM)
    claim = f"Share of battles that greedy play of JaxMARL's recurrent recipes wins, {TEST_EPISODES} an evaluation."
    return summaries.save_panels(panels, out, labels=RECIPES, ylabel="battles won", note=caption(claim, **facts))


def sweep_of(name: str, recipe: str, setting: Recipes) -> jaxvf.Sweep:
    """All seeds of a recipe on a map."""
    return jaxvf.Sweep(
        env=f"smax/{name}",
        algorithms=jaxvf.algorithms.make(recipe),
        seeds=setting.seeds,
        env_steps=setting.steps_of(),
        test_interval=EVALUATE_EVERY * ITERATION,
        test_episodes=TEST_EPISODES,
    )


def row_of(name: str, recipe: str, result: Result, setting: Recipes) -> dict[str, Any]:
    """The line of a recipe on a map: battles won by greedy play, return while training, steps of all runs a second."""
    labels = {"scale": setting.label, "map": name, "learner": recipe}
    row = summaries.condition_row(result, result.select(), **labels)
    won, earned = result.metric("test_won"), result.metric("train_return")
    # Steps and seconds of the same process: where a sweep was resumed, of the last alone.
    seconds = sum(timing["run_seconds"] for timing in result.timing)
    steps = sum(timing["env_steps_per_second"] * timing["run_seconds"] for timing in result.timing)
    return row | {
        "final_won": mean_interval(won[:, -1], rng=np.random.default_rng(0)),
        "train_return": mean_interval(earned[:, -1], rng=np.random.default_rng(0)),
        "won": np.round(won.astype(float), 3).tolist(),
        "steps_a_second": round(steps / seconds),
        "run_seconds": round(seconds),
    }
