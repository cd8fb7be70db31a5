"""Box Pushing, where two small boxes are the trap: DuelMIX, QPLEX, QMIX and VDN on grids of 4, 6, 8 and 10.

After the Box Pushing experiment of Marchesini et al. 2025 (DuelMIX, arXiv 2408.15381), whose grid sizes and settings
were not at hand: these are chosen here. The big box needs both robots at once and pays 100, each small one pays 10.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.envs.box_pushing import ENDINGS
from jaxvf.reproduction import IQM, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import summaries

LEARNERS = ("duelmix", "qplex", "qmix", "vdn")
SIZES = (4, 6, 8, 10)
# What differs from the learners' defaults (RMSprop 5e-4, γ = 0.99, batch 32, replay 5,000).
EPSILON_ANNEAL = 200_000
ANNEAL_SHARE = 0.2  # of a shorter run
TEST_INTERVAL = 10_000
# Return of the shortest way for the big box and for both small ones.
BIG_BOX = {4: 99.6, 6: 99.4, 8: 99.2, 10: 98.9}


@dataclass(frozen=True, kw_only=True)
class Grids(Scale):
    """Which grids and learners; budgets go by the size of the grid."""

    sizes: tuple[int, ...]
    learners: tuple[str, ...] = LEARNERS


SCALES = {
    # Too short for anyone to find the big box: it shows that all of it runs.
    "small": Grids(minutes=6, seeds=2, env_steps=12_000, sizes=(4,)),
    "medium": Grids(minutes=600, seeds=4, env_steps=400_000, sizes=(4,)),
    # No paper's protocol was at hand: ours, at its largest.
    "paper": Grids(
        minutes=16_000,
        seeds=10,
        env_steps={"4": 1_000_000, "6": 1_000_000, "8": 2_000_000, "10": 2_000_000},
        sizes=(4, 6, 8, 10),
    ),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    sizes: tuple[int, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json`, curves of every grid size and endings to `out`."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, sizes=sizes, learners=learners)
    results = train({f"size_{size}": sweep_of(size, setting) for size in setting.sizes}, out, setting, yes=yes)
    rows: list[dict[str, Any]] = []
    panels: dict[str, dict[str, Any]] = {}
    for size, result in zip(setting.sizes, results.values(), strict=True):
        conditions = {name: {"algorithm": name} for name in setting.learners}
        panels[f"box pushing {size}"] = summaries.curves_of(result, conditions)
        for learner in setting.learners:
            runs = result.select(algorithm=learner)
            row = summaries.condition_row(result, runs, scale=setting.label, learner=learner, size=size)
            rows.append(row | {"endings": summaries.endings(result, runs, ENDINGS, rest="timeout")})
    summaries.write_summary(rows, out)
    reference = {f"box pushing {size}": ("big box, shortest way", BIG_BOX[size]) for size in setting.sizes}
    facts = facts_of(rows, behaviour="ε from 1 to 0.05 within a fifth of the run, at most 200,000 steps", interval=IQM)
    claim = "Return of greedy play in Box Pushing: the big box needs both robots and pays 100, each small one 10."
    note = caption(claim, **facts)
    for path in summaries.save_panels(panels, out, labels=setting.learners, reference=reference, note=note):
        print(path)
    without: dict[str, Any] = facts | {"interval": ""}
    ends = caption("How episodes of greedy play end at the last evaluation.", **without)
    summaries.report_endings(rows, [f"{row['learner']}, L = {row['size']}" for row in rows], out, note=ends)


def sweep_of(size: int, setting: Grids) -> jaxvf.Sweep:
    """All learners and seeds on a grid."""
    steps = setting.steps_of(str(size))
    return jaxvf.Sweep(
        env=f"box_pushing/{size}",
        algorithms=setting.learners,
        grid={"epsilon_anneal": (min(EPSILON_ANNEAL, steps * ANNEAL_SHARE),)},
        seeds=setting.seeds,
        env_steps=steps,
        test_interval=min(TEST_INTERVAL, steps // 4),
        test_episodes=1,  # start, dynamics and greedy play are deterministic
    )
