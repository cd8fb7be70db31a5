"""What if a mixer sees noise in the state's place? Box Pushing with mixers whose weights see five different things.

After the study of the state in Marchesini et al. 2025 (arXiv 2408.15381), which replaces it by noise or zeros; its
protocol was not at hand, so this one is chosen here. QMIX, QPLEX and DuelMIX have mixers whose weights depend on the
state, on zeros, on noise drawn once a step, on the joint history, or on state and joint history. Agents, rewards and
dynamics are the same.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.envs.box_pushing import ENDINGS
from jaxvf.reproduction import IQM, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import summaries

LEARNERS = ("qmix", "qplex", "duelmix")
# "zeros" and "noise" replace the state alone: DuelMIX still sees the joint history.
CONTEXTS = ("state", "zeros", "noise", "history", "state_history")
EPSILON_ANNEAL = 200_000  # chosen here; the rest is the learners' defaults
TEST_INTERVAL = 10_000


@dataclass(frozen=True, kw_only=True)
class Contexts(Scale):
    """Which grids, learners and contexts."""

    sizes: tuple[int, ...]
    learners: tuple[str, ...] = LEARNERS
    contexts: tuple[str, ...] = CONTEXTS


SCALES = {
    # Too short for anyone to find the big box: it shows that all of it runs.
    "small": Contexts(
        minutes=6, seeds=2, env_steps=12_000, sizes=(4,), learners=("qmix", "duelmix"), contexts=("state", "noise")
    ),
    "medium": Contexts(minutes=1_200, seeds=4, env_steps=200_000, sizes=(4,)),
    # No paper's protocol was at hand: ours, at its largest.
    "paper": Contexts(minutes=40_000, seeds=10, env_steps=1_000_000, sizes=(4, 6)),
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
    contexts: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json`, curves of every learner and grid size, and endings to `out`."""
    given: dict[str, Any] = {"sizes": sizes, "learners": learners, "contexts": contexts}
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, **given)
    results = train({learner: sweep_of(learner, setting) for learner in setting.learners}, out, setting, yes=yes)
    rows: list[dict[str, Any]] = []
    panels: dict[str, dict[str, Any]] = {}
    for learner, result in results.items():
        for size in setting.sizes:
            conditions: dict[str, dict[str, Any]] = {
                context: {"env": f"box_pushing/{size}", "mixer.context": context} for context in setting.contexts
            }
            panels[f"{learner}, box pushing {size}"] = summaries.curves_of(result, conditions)
            for context, wanted in conditions.items():
                runs = result.select(**wanted)
                labels = {"scale": setting.label, "learner": learner, "size": size, "context": context}
                row = summaries.condition_row(result, runs, **labels)
                rows.append(row | {"endings": summaries.endings(result, runs, ENDINGS, rest="timeout")})
    summaries.write_summary(rows, out)
    facts = facts_of(rows, behaviour="ε from 1 to 0.05 within a fifth of the run, at most 200,000 steps", interval=IQM)
    claim = "Return of greedy play in Box Pushing, by what the mixer's weights depend on in place of the state."
    for path in summaries.save_panels(panels, out, labels=setting.contexts, note=caption(claim, **facts)):
        print(path)
    names = [f"{row['learner']}, L = {row['size']}, {row['context']}" for row in rows]
    without: dict[str, Any] = facts | {"interval": ""}
    ends = caption("How episodes of greedy play end at the last evaluation.", **without)
    summaries.report_endings(rows, names, out, note=ends)


def sweep_of(learner: str, setting: Contexts) -> jaxvf.Sweep:
    """All grids, contexts and seeds of a learner; a context is a program of its own."""
    steps = setting.steps_of()
    return jaxvf.Sweep(
        env=[f"box_pushing/{size}" for size in setting.sizes],
        algorithms=learner,
        grid={"mixer.context": setting.contexts, "epsilon_anneal": (min(EPSILON_ANNEAL, steps / 5),)},
        seeds=setting.seeds,
        env_steps=steps,
        test_interval=min(TEST_INTERVAL, steps // 4),
        test_episodes=1,  # start, dynamics and greedy play are deterministic; agents never see the noise
    )
