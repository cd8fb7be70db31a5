"""The trust-region family on tasks: MPE (discrete and continuous), combat, and brax bodies where brax is installed.

low_variance_trust_region.md, sections 4 and 5: the release's setting of each task, for every algorithm alike. No number
of the paper could be obtained, so curves compare with each other alone.
"""

from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.envs.brax_team import SPLITS
from jaxvf.hyperparameters import replace
from jaxvf.results import report
from jaxvf.trust_region import FeedForward, Recurrent

LEARNERS = (
    "ippo", "mappo", "coppo", "a2po",
    "happo", "clip_happo", "unweighted_happo", "hatrpo", "clip_hatrpo", "unweighted_hatrpo",
)  # fmt: skip
QUICK_LEARNERS = ("mappo", "clip_happo")
MPE = "jaxmarl/MPE_{}:exact_limit=True"
CONTINUOUS = "jaxmarl/MPE_{}:action_type=Continuous,exact_limit=True"
TASKS = {
    "spread": MPE.format("simple_spread_v3"),
    "spread, as JaxMARL": MPE.format("simple_spread_v3"),
    "reference": MPE.format("simple_reference_v3"),
    "speaker_listener": MPE.format("simple_speaker_listener_v4"),
    "spread, continuous": CONTINUOUS.format("simple_spread_v3"),
    "reference, continuous": CONTINUOUS.format("simple_reference_v3"),
    "speaker_listener, continuous": CONTINUOUS.format("simple_speaker_listener_v4"),
    "3s5z_vs_3s6z": "combat/3s5z_vs_3s6z",
    "corridor": "combat/corridor",
    "27m_vs_30m": "combat/27m_vs_30m",
    **{split: f"brax/{split}" for split in SPLITS},
}
QUICK_TASKS = ("spread",)

# Section 4, MPE: two layers of 128, 20 environments x 200 steps, five epochs, ε = 0.2, β = 0.01, δ = 0.005.
SETTING: dict[str, Any] = {
    "actor": FeedForward(hidden=128),
    "critic": FeedForward(hidden=128),
    "num_envs": 20,
    "rollout_length": 200,
    "clip": 0.2,
    "entropy_weight": 0.01,
    "kl_radius": 0.005,
}
# What other tasks set apart: SMAC with its own actors, and MuJoCo.
SMAC: dict[str, Any] = {
    "actor": Recurrent(hidden=64, layers=3),
    "critic": Recurrent(hidden=64, layers=3),
    "rollout_length": 160,
    "discount": 0.95,
}
MUJOCO: dict[str, Any] = {"actor": FeedForward(hidden=128, layers=3), "critic": FeedForward(hidden=128, layers=3)}
ANT = MUJOCO | {"clip": 0.1, "entropy_weight": 0.0}
CHEETAH = MUJOCO | {"clip": 0.05, "actor_epochs": 15, "critic_epochs": 15}
FASTER = {"learning_rate": 1e-3, "critic_learning_rate": 1e-3}
WALKER = MUJOCO | FASTER | {"clip": 0.05, "entropy_weight": 0.0, "minibatches": 2}
# The published setting of JaxMARL's recurrent MAPPO on spread, whose values end with the episode.
JAXMARL: dict[str, Any] = {
    "actor": Recurrent(hidden=128, head_layers=1, layer_norm=False),
    "critic": Recurrent(hidden=128, head_layers=1, layer_norm=False),
    "num_envs": 128,
    "rollout_length": 128,
    "chunk_length": 128,
    "actor_epochs": 4,
    "critic_epochs": 4,
    "minibatches": 4,
    "max_grad_norm": 0.5,
    "learning_rate": 2e-3,
    "critic_learning_rate": 2e-3,
    "truncation": "terminate",
}
OF_TASK: dict[str, dict[str, Any]] = {
    "spread, as JaxMARL": JAXMARL,
    "reference": {"actor_epochs": 10, "critic_epochs": 10},
    "reference, continuous": {"actor_epochs": 10, "critic_epochs": 10},
    "27m_vs_30m": SMAC | {"clip": 0.05, "kl_radius": 0.001},
    "3s5z_vs_3s6z": SMAC | {"minibatches": 2},
    "corridor": SMAC | {"actor": FeedForward(hidden=64, layers=3), "discount": 0.99, "kl_radius": 0.12},
    "ant_4x2": ANT,
    "ant_8x1": ANT | FASTER,
    "halfcheetah_2x3": CHEETAH,
    "halfcheetah_6x1": CHEETAH | {"kl_radius": 0.01},
    "walker2d_3x2": WALKER | {"kl_radius": 0.01},
    "walker2d_6x1": WALKER,
    "humanoid_17x1": ANT,
}
ANNEALED = ("spread, as JaxMARL", "walker2d_3x2", "humanoid_17x1")  # step sizes fall to 0 in a line
ENV_STEPS, QUICK_STEPS = 10_000_000, 200_000
TEST_EPISODES = 20


def reproduce(
    *,
    seeds: int | None = None,
    quick: bool = False,
    env_steps: int | None = None,
    out: Path,
    tasks: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and a curve per task to `out`; one program a learner and task."""
    tasks, learners = (
        tasks or (QUICK_TASKS if quick else tuple(TASKS)),
        learners or (QUICK_LEARNERS if quick else LEARNERS),
    )
    seeds, env_steps = seeds or (2 if quick else 10), env_steps or (QUICK_STEPS if quick else ENV_STEPS)
    rows: list[dict[str, Any]] = []
    panels: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for task in tasks:
        for learner in learners:
            sweep = jaxvf.Sweep(
                env=TASKS[task],
                algorithms=configured(learner, task, env_steps),
                seeds=seeds,
                env_steps=env_steps,
                test_interval=max(1, env_steps // 20),
                test_episodes=TEST_EPISODES,
            )
            result = sweep.run_or_resume(out / task.replace(", ", "_") / learner)
            panels[task] |= report.curves_of(result, {learner: {}})
            rows.append(report.condition_row(result, result.select(), learner=learner, task=task, env_steps=env_steps))
    report.write_summary(rows, out)
    for path in report.save_panels(panels, out, labels=learners):
        print(path)
    for row in rows:
        print(f"{row['task']:28} {row['learner']:17} return {report.return_text(row['final_return'])}")


def configured(learner: str, task: str, env_steps: int) -> Any:
    """The registered algorithm with the setting of a task; central critics are agent-specific in combat."""
    algorithm = jaxvf.algorithms.make(learner)
    fields = SETTING | OF_TASK.get(task, {})
    if algorithm.step == "clip":
        fields |= {"value_clip": fields["clip"]}  # 2.7; HATRPO's is 0.2
    if TASKS[task].startswith("combat/") and algorithm.critic_inputs == "state":
        fields |= {"critic_inputs": "agent_state", "normalization": "joint"}
    if task in ANNEALED:
        fields |= {"learning_rate_anneal": float(env_steps)}
    for field, value in fields.items():
        algorithm = replace(algorithm, field, value)
    return algorithm
