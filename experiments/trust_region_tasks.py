"""The trust-region family on tasks: MPE (discrete and continuous), combat, and brax bodies where brax is installed.

Each task in the setting that the authors' code of Le & Ta 2025 (doi 10.1007/s10458-025-09695-8;
github.com/giangbang/Low-Variance-Trust-Region-MARL) gives to its PPO-type or its TRPO-type algorithm (discrete MPE
takes the continuous one's, "spread, JaxMARL" JaxMARL's); λ, critics and normalization stay an algorithm's own, but for
agent-specific critics in combat. No number of the paper could be obtained.

Departures: a cut-off state is valued (that code gives it no advantage), the entropy bonus is the mean entropy, and 20
test episodes. Left out: the swimmers (brax has one of three links), SMAC with shared actors, the small batches.
"""

import importlib.util
from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.envs import brax_team
from jaxvf.hyperparameters import replace
from jaxvf.results import summaries
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
    "spread, JaxMARL": MPE.format("simple_spread_v3"),
    "reference": MPE.format("simple_reference_v3"),
    "speaker_listener": MPE.format("simple_speaker_listener_v4"),
    "spread, continuous": CONTINUOUS.format("simple_spread_v3"),
    "reference, continuous": CONTINUOUS.format("simple_reference_v3"),
    "speaker_listener, continuous": CONTINUOUS.format("simple_speaker_listener_v4"),
    "3s5z_vs_3s6z": "combat/3s5z_vs_3s6z",
    "corridor": "combat/corridor",
    "27m_vs_30m": "combat/27m_vs_30m",
    **{split: f"brax/{split}" for split in brax_team.SPLITS},
}
QUICK_TASKS = ("spread",)

# MPE: two layers of 128, 20 environments x 200 steps, five epochs, ε = 0.2, β = 0.01, δ = 0.005.
SETTING: dict[str, Any] = {
    "actor": FeedForward(hidden=128),
    "critic": FeedForward(hidden=128),
    "num_envs": 20,
    "rollout_length": 200,
    "clip": 0.2,
    "entropy_weight": 0.01,
    "kl_radius": 0.005,
}


# What other tasks set apart: SMAC with its own actors, and MuJoCo. SMAC's δ are in units of that code's divergence.
def _smac(network: Any, **fields: Any) -> dict[str, Any]:
    return {"actor": network, "critic": network, "rollout_length": 160, "kl": "unweighted_k3"} | fields


GRU, MLP = Recurrent(hidden=64, layers=3), FeedForward(hidden=64, layers=3)
MUJOCO: dict[str, Any] = {"actor": FeedForward(hidden=128, layers=3), "critic": FeedForward(hidden=128, layers=3)}
ANT = MUJOCO | {"clip": 0.1, "entropy_weight": 0.0}
CHEETAH = MUJOCO | {"clip": 0.05, "actor_epochs": 15, "critic_epochs": 15}
FASTER = {"learning_rate": 1e-3, "critic_learning_rate": 1e-3}
WALKER = MUJOCO | FASTER | {"clip": 0.05, "entropy_weight": 0.0, "minibatches": 2}
# JaxMARL's recurrent MAPPO on spread. Ours in its setting still differs: normalized values, Huber error, one reward for
# the team, agents' indices in observations, and a gain of √2 after the GRU.
JAXMARL_NETWORK = Recurrent(hidden=128, head_layers=1, layer_norm=False)
JAXMARL: dict[str, Any] = {
    "actor": JAXMARL_NETWORK,
    "critic": JAXMARL_NETWORK,
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
    "spread, JaxMARL": JAXMARL,
    "reference": {"actor_epochs": 10, "critic_epochs": 10},
    "reference, continuous": {"actor_epochs": 10, "critic_epochs": 10},
    "27m_vs_30m": _smac(GRU, discount=0.95, clip=0.05),
    "3s5z_vs_3s6z": _smac(GRU, discount=0.95, minibatches=2),
    "corridor": _smac(MLP),
    "ant_4x2": ANT,
    "ant_8x1": ANT | FASTER,
    "halfcheetah_2x3": CHEETAH,
    "halfcheetah_6x1": CHEETAH,
    "walker2d_3x2": WALKER,
    "walker2d_6x1": WALKER,
    "humanoid_17x1": ANT,
}
# The same for natural-gradient steps; the critic takes five epochs of one batch, but for JaxMARL's four.
OF_TASK_NATURAL: dict[str, dict[str, Any]] = {
    "spread, JaxMARL": JAXMARL | {"minibatches": 1},
    "27m_vs_30m": _smac(GRU, kl_radius=0.001),
    "3s5z_vs_3s6z": _smac(FeedForward(hidden=128, layers=3), kl_radius=0.005, backtrack=0.5),
    "corridor": _smac(GRU, kl_radius=0.12, backtrack=0.5),
    "ant_4x2": MUJOCO,
    "ant_8x1": MUJOCO,
    "halfcheetah_2x3": MUJOCO,
    "halfcheetah_6x1": MUJOCO | {"kl_radius": 0.01},
    "walker2d_3x2": MUJOCO | {"kl_radius": 0.01, "critic_learning_rate": 1e-3},
    "walker2d_6x1": MUJOCO,
    "humanoid_17x1": MUJOCO | {"value_clip": 0.1},
}
# Whose step sizes fall to 0 in a line.
ANNEALED = {
    "clip": ("spread, JaxMARL", "walker2d_3x2", "humanoid_17x1"),
    "natural": ("spread, JaxMARL", "humanoid_17x1"),
}
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
        tasks or (QUICK_TASKS if quick else within_reach()),
        learners or (QUICK_LEARNERS if quick else LEARNERS),
    )
    for task in tasks:
        jaxvf.envs.make(TASKS[task])  # says now if it cannot be made, not after hours of the others
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
            panels[task] |= summaries.curves_of(result, {learner: {}})
            rows.append(
                summaries.condition_row(result, result.select(), learner=learner, task=task, env_steps=env_steps)
            )
    summaries.write_summary(rows, out)
    for path in summaries.save_panels(panels, out, labels=learners):
        print(path)
    for row in rows:
        print(f"{row['task']:28} {row['learner']:17} return {summaries.return_text(row['final_return'])}")


def within_reach() -> tuple[str, ...]:
    """All tasks, but for those of brax where it is not installed."""
    if importlib.util.find_spec("brax") is not None:
        return tuple(TASKS)
    print("brax is not installed: its bodies are left out")
    return tuple(task for task, name in TASKS.items() if not name.startswith(brax_team.PREFIX))


def configured(learner: str, task: str, env_steps: int) -> Any:
    """The registered algorithm with the setting of a task; central critics are agent-specific in combat."""
    algorithm = jaxvf.algorithms.make(learner)
    if algorithm.step == "natural":
        fields = SETTING | OF_TASK_NATURAL.get(task, {})
    else:
        fields = SETTING | OF_TASK.get(task, {})
        fields |= {"value_clip": fields["clip"]}  # as in that code; of natural-gradient steps it is 0.2
    if TASKS[task].startswith("combat/") and algorithm.critic_inputs == "state":
        fields |= {"critic_inputs": "agent_state", "normalization": "joint"}
    if task in ANNEALED[algorithm.step]:
        fields |= {"learning_rate_anneal": float(env_steps)}
    for field, value in fields.items():
        algorithm = replace(algorithm, field, value)
    return algorithm
