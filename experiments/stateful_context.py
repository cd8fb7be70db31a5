"""What if a mixer sees noise in the state's place? Box Pushing with mixers whose weights see five different things.

After the study of the state in Marchesini et al. 2025 (arXiv 2408.15381), which replaces it by noise or zeros; its
protocol was not at hand, so this one is chosen here. QMIX, QPLEX and DuelMIX have mixers whose weights depend on the
state, on zeros, on noise drawn once a step, on the joint history, or on state and joint history. Agents, rewards and
dynamics are the same.
"""

from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.envs.box_pushing import ENDINGS
from jaxvf.results import summaries

LEARNERS = ("qmix", "qplex", "duelmix")
QUICK_LEARNERS = ("qmix", "duelmix")
# "zeros" and "noise" replace the state alone: DuelMIX still sees the joint history.
CONTEXTS = ("state", "zeros", "noise", "history", "state_history")
QUICK_CONTEXTS = ("state", "noise")
SIZES = (4, 6)
EPSILON_ANNEAL = 200_000  # chosen here; the rest is the learners' defaults
ENV_STEPS = 1_000_000
TEST_INTERVAL = 10_000


def reproduce(
    *,
    seeds: int | None = None,
    quick: bool = False,
    env_steps: int | None = None,
    out: Path,
    sizes: tuple[int, ...] | None = None,
    learners: tuple[str, ...] | None = None,
    contexts: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json`, curves of every learner and grid size, and endings to `out`."""
    sizes = sizes or ((4,) if quick else SIZES)
    learners = learners or (QUICK_LEARNERS if quick else LEARNERS)
    contexts = contexts or (QUICK_CONTEXTS if quick else CONTEXTS)
    seeds, env_steps = seeds or (2 if quick else 10), env_steps or (12_000 if quick else ENV_STEPS)
    rows, panels = [], {}
    for learner in learners:
        sweep = jaxvf.Sweep(
            env=[f"box_pushing/{size}" for size in sizes],
            algorithms=learner,
            grid={"mixer.context": contexts, "epsilon_anneal": (min(EPSILON_ANNEAL, env_steps / 5),)},
            seeds=seeds,
            env_steps=env_steps,
            test_interval=min(TEST_INTERVAL, env_steps // 4),
            test_episodes=1,  # start, dynamics and greedy play are deterministic; agents never see the noise
        )
        result = sweep.run_or_resume(out / learner)
        for size in sizes:
            conditions: dict[str, dict[str, Any]] = {
                context: {"env": f"box_pushing/{size}", "mixer.context": context} for context in contexts
            }
            panels[f"{learner}, box pushing {size}"] = summaries.curves_of(result, conditions)
            for context, wanted in conditions.items():
                runs = result.select(**wanted)
                row = summaries.condition_row(result, runs, learner=learner, size=size, context=context)
                rows.append(row | {"endings": summaries.endings(result, runs, ENDINGS, rest="timeout")})
    summaries.write_summary(rows, out)
    for path in summaries.save_panels(panels, out, labels=contexts):
        print(path)
    summaries.report_endings(rows, [f"{row['learner']}, L = {row['size']}, {row['context']}" for row in rows], out)
