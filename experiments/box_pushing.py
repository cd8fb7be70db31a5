"""Box Pushing, where two small boxes are the trap: DuelMIX, QPLEX, QMIX and VDN on grids of 4, 6, 8 and 10.

After the Box Pushing experiment of Marchesini et al. 2025 (DuelMIX, arXiv 2408.15381), whose grid sizes and settings
were not at hand: these are chosen here. The big box needs both robots at once and pays 100, each small one pays 10.
"""

from pathlib import Path

import jaxvf
from jaxvf.envs.box_pushing import ENDINGS
from jaxvf.results import summaries

LEARNERS = ("duelmix", "qplex", "qmix", "vdn")
SIZES = (4, 6, 8, 10)
# What differs from the learners' defaults (RMSprop 5e-4, γ = 0.99, batch 32, replay 5,000).
EPSILON_ANNEAL = 200_000
ENV_STEPS = {4: 1_000_000, 6: 1_000_000, 8: 2_000_000, 10: 2_000_000}
TEST_INTERVAL = 10_000
# Return of the shortest way for the big box and for both small ones.
BIG_BOX = {4: 99.6, 6: 99.4, 8: 99.2, 10: 98.9}


def reproduce(
    *,
    seeds: int | None = None,
    quick: bool = False,
    env_steps: int | None = None,
    out: Path,
    sizes: tuple[int, ...] | None = None,
    learners: tuple[str, ...] = LEARNERS,
) -> None:
    """Run the sweeps, write Parquet, `summary.json`, curves of every grid size and endings to `out`."""
    sizes = sizes or ((4,) if quick else SIZES)
    seeds = seeds or (2 if quick else 10)
    rows, panels = [], {}
    for size in sizes:
        steps = env_steps or (12_000 if quick else ENV_STEPS[size])
        sweep = jaxvf.Sweep(
            env=f"box_pushing/{size}",
            algorithms=learners,
            grid={"epsilon_anneal": (min(EPSILON_ANNEAL, steps / 5),)},  # a shorter run anneals in its first fifth
            seeds=seeds,
            env_steps=steps,
            test_interval=min(TEST_INTERVAL, steps // 4),
            test_episodes=1,  # start, dynamics and greedy play are deterministic
        )
        result = sweep.run_or_resume(out / f"size_{size}")
        panels[f"box pushing {size}"] = summaries.curves_of(result, {name: {"algorithm": name} for name in learners})
        for learner in learners:
            runs = result.select(algorithm=learner)
            row = summaries.condition_row(result, runs, learner=learner, size=size)
            rows.append(row | {"endings": summaries.endings(result, runs, ENDINGS, rest="timeout")})
    summaries.write_summary(rows, out)
    reference = {f"box pushing {size}": ("big box, shortest way", BIG_BOX[size]) for size in sizes}
    for path in summaries.save_panels(panels, out, labels=learners, reference=reference):
        print(path)
    summaries.report_endings(rows, [f"{row['learner']}, L = {row['size']}" for row in rows], out)
