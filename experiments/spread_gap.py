"""What separates our MAPPO from JaxMARL's on MPE spread: one change at a time, from ours towards theirs.

JaxMARL's recipe (Rutherford et al. 2024, arXiv 2311.10090; github.com/FLAIROx/JaxMARL, `baselines/MAPPO`) differs from
the registered `mappo` in more than sizes. Here both have its sizes: 128 environments x 128 steps, four epochs of four
mini-batches, Adam 2e-3 falling to 0, gradients clipped to 0.5. `ours` is `mappo` with these; every change is one thing
that the recipe does otherwise; `jaxmarl` is all of them, and `jaxmarl without ...` all but one.

Left as ours: the GRU's reset and update gates have two biases each, flax's one. They start at 0 and only their sum
counts, but Adam moves both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import jaxvf
from jaxvf.errors import InputError, unknown
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import IQM, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import summaries
from jaxvf.results.statistics import mean_interval
from jaxvf.trust_region import FeedForward, Recurrent

ENV = "jaxmarl/MPE_simple_spread_v3:exact_limit=True"
TEST_EPISODES = 128
EVALUATE_EVERY = 6  # iterations
RATE = 2e-3
SIZES: Mapping[str, Any] = MappingProxyType(
    {
        "num_envs": 128,
        "rollout_length": 128,
        "chunk_length": 128,
        "actor_epochs": 4,
        "critic_epochs": 4,
        "minibatches": 4,
        "max_grad_norm": 0.5,
        "entropy_weight": 0.01,
    }
)
ITERATION = SIZES["num_envs"] * SIZES["rollout_length"]  # steps
NETWORKS: Mapping[str, Any] = MappingProxyType(
    {
        "feed_forward": FeedForward(hidden=128, layer_norm=False),
        "recurrent": Recurrent(hidden=128, head_layers=1, layer_norm=False),
    }
)
# What the recipe does otherwise than `mappo`, for any network.
CHANGES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "raw returns": {"value_norm": False},
        "rewards of agents": {"reward": "agents"},
        "no agent index": {"agent_id": False},
        "normalized by mini-batch": {"normalization": "minibatch"},
        "whole rollouts": {"minibatch_pieces": "environments"},
        "agents apart": {"minibatch_agents": "apart"},
        "squared error": {"value_loss": "squared", "value_weight": 0.5},
        "limit ends": {"truncation": "terminate"},
        "later schedule": {"later": True},
    }
)
# And with a GRU.
OF_RECURRENT: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "flax GRU": {"actor.gru_init": "flax", "critic.gru_init": "flax"},
        "gain 2": {"actor.head_gain": 2.0, "critic.head_gain": 2.0},
    }
)
# What the recipe does not do: a part of "raw returns" alone, and our default networks.
ASIDE: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "raw value clip": {"value_clip_units": "returns"},
        "layer norm": {"actor.layer_norm": True, "critic.layer_norm": True},
        "GRU by gate": {"actor.gru_init": "per_gate", "critic.gru_init": "per_gate"},
    }
)
WITHOUT = "jaxmarl without "


@dataclass(frozen=True, kw_only=True)
class Gap(Scale):
    """Which networks, and which conditions; none stands for all."""

    networks: tuple[str, ...] = tuple(NETWORKS)
    conditions: tuple[str, ...] = ()


SCALES = {
    "small": Gap(
        minutes=7,
        seeds=4,
        env_steps=30 * ITERATION,
        networks=("feed_forward",),
        conditions=(
            "jaxmarl",
            "ours",
            "ours + raw returns",
            "ours + raw value clip",
            "ours + limit ends",
            "ours + rewards of agents",
        ),
    ),
    "medium": Gap(
        minutes=100,
        seeds=4,
        env_steps={"feed_forward": 30 * ITERATION, "recurrent": 120 * ITERATION},
        conditions=(
            "jaxmarl",
            "ours",
            "ours + raw returns",
            "ours + raw value clip",
            "ours + limit ends",
            "ours + rewards of agents",
            "ours + normalized by mini-batch",
            "ours + agents apart",
            "ours + flax GRU",
            "ours + gain 2",
        ),
    ),
    "paper": Gap(minutes=60_000, seeds=10, env_steps=10_000_000),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    networks: tuple[str, ...] | None = None,
    conditions: tuple[str, ...] | None = None,
) -> None:
    """Run a sweep a condition, write Parquet, `summary.json` and a figure for each network to `out`.

    Greedy play of so few seeds is noisy, and moves back and forth between evaluations; what the sampling policies earn
    while they learn is not, so the table has both.
    """
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, networks=networks, conditions=conditions)
    cells = cells_of(setting)
    results = train({where: sweep_of(*cell, setting) for where, cell in cells.items()}, out, setting, yes=yes)
    rows = [row_of(*cell, results[where], setting) for where, cell in cells.items()]
    summaries.write_summary(rows, out)
    for path in draw(rows, out):
        print(path)
    for row in rows:
        final, earned = (summaries.return_text(row[name]) for name in ("final_return", "train_return"))
        print(f"{row['network']:12} {row['condition']:42} greedy {final}  in training {earned}")


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """What the sampling policies earn while they learn, a figure for each network."""
    facts = facts_of(rows, behaviour="agents explore by sampling from their policies", interval=IQM)
    claim = (
        "Return of an agent on MPE spread while policies learn, from our MAPPO (ours) to JaxMARL's recipe (jaxmarl)."
    )
    labels = list(dict.fromkeys(row["condition"] for row in rows))
    panels = summaries.panels_of(rows, "network", "condition", "train_returns")
    return summaries.save_panels(panels, out, labels=labels, ylabel="return in training", note=caption(claim, **facts))


def cells_of(setting: Gap) -> dict[str, tuple[str, str]]:
    """Directory to network and condition, for every condition of the setting that a network has.

    Raises:
        InputError: for a network or a condition that is not there.
    """
    known = {name: None for network in NETWORKS for name in conditions_of(network)}
    for kind, names, there in (("network", setting.networks, NETWORKS), ("condition", setting.conditions, known)):
        for name in names:
            if name not in there:
                raise unknown(kind, name, there)
    cells = {
        f"{network}/{name.replace(' ', '_').replace('+_', 'plus_')}": (network, name)
        for network in setting.networks
        for name in conditions_of(network)
        if not setting.conditions or name in setting.conditions
    }
    if not cells:
        raise InputError(f"no network of {setting.networks} has a condition of {setting.conditions}")
    return cells


def row_of(network: str, condition: str, result: jaxvf.Result, setting: Gap) -> dict[str, Any]:
    """The line of a condition: of greedy play and of the last segment's training, with every seed's curve."""
    labels = {"scale": setting.label, "network": network, "condition": condition}
    test, earned = result.metric("test_return"), result.metric("train_return")
    return summaries.condition_row(result, result.select(), **labels) | {
        "train_return": mean_interval(earned[:, -1], rng=np.random.default_rng(0)),
        "entropy": np.round(result.metric("entropy").mean(axis=0).astype(float), 3).tolist(),
        "test_returns": np.round(test.astype(float), 3).tolist(),
        "train_returns": np.round(earned.astype(float), 3).tolist(),
        "run_seconds": round(sum(timing["run_seconds"] for timing in result.timing)),
    }


def changes_of(network: str) -> dict[str, Mapping[str, Any]]:
    """All that the recipe changes, by name."""
    return {**CHANGES, **(OF_RECURRENT if network == "recurrent" else {})}


def conditions_of(network: str) -> dict[str, dict[str, Any]]:
    """Fields of every condition: ours, ours with one change, the recipe, the recipe without one."""
    changes = changes_of(network)
    if network == "recurrent":  # one of its sequences is a whole rollout already
        changes.pop("whole rollouts")
    aside = {name: each for name, each in ASIDE.items() if network == "recurrent" or "GRU" not in name}
    recipe: dict[str, Any] = {}
    for fields in changes.values():
        recipe |= fields
    without = {
        WITHOUT + name: {field: value for field, value in recipe.items() if field not in fields}
        for name, fields in changes.items()
    }
    added = {f"ours + {name}": dict(fields) for name, fields in {**changes, **aside}.items()}
    return {"jaxmarl": recipe, "ours": {}, **added, **without}


def configured(condition: str, network: str, env_steps: int) -> Any:
    """The registered `mappo` with the sizes of the recipe and the changes of a condition.

    Our schedule ends in the last iteration, JaxMARL's one iteration later; both are lines. Schedules count steps that
    are taken, and the frame that shows an episode's final view is none: with episodes of 25 steps the rate ends 0.04
    above where a schedule of iterations would.
    """
    fields = dict(conditions_of(network)[condition])
    later = ITERATION if fields.pop("later", False) else 0
    rate, steps = RATE * (1 + later / env_steps), float(env_steps + later)
    algorithm = jaxvf.algorithms.make("mappo")
    networks = {"actor": NETWORKS[network], "critic": NETWORKS[network]}
    schedule = {"learning_rate": rate, "critic_learning_rate": rate, "learning_rate_anneal": steps}
    for field, value in {**SIZES, **networks, **schedule, **fields}.items():
        algorithm = replace(algorithm, field, value)
    return algorithm


def sweep_of(network: str, condition: str, setting: Gap) -> jaxvf.Sweep:
    """All seeds of a condition."""
    steps = setting.steps_of(network)
    return jaxvf.Sweep(
        env=ENV,
        algorithms=configured(condition, network, steps),
        seeds=setting.seeds,
        env_steps=steps,
        test_interval=EVALUATE_EVERY * ITERATION,
        test_episodes=TEST_EPISODES,
    )
