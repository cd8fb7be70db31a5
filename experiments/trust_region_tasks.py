"""The trust-region family on tasks: MPE (discrete and continuous), combat, and brax bodies where brax is installed.

Each task in the setting that the authors' code of Le & Ta 2025 (doi 10.1007/s10458-025-09695-8;
github.com/giangbang/Low-Variance-Trust-Region-MARL) gives to its PPO-type or its TRPO-type algorithm (discrete MPE
takes the continuous one's, "spread, JaxMARL" JaxMARL's); λ, critics and normalization stay an algorithm's own, but for
agent-specific critics in combat. No number of the paper could be obtained.

Departures: a cut-off state is valued (that code gives it no advantage), the entropy bonus is the mean entropy, and
evaluations have 20 episodes, 5 of brax bodies. Left out: the swimmers (brax has one of three links), SMAC with shared
actors, the small batches.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jaxvf
from jaxvf.envs import brax_team
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import IQM, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import summaries
from jaxvf.trust_region import FeedForward, Recurrent

LEARNERS = (
    "ippo", "mappo", "coppo", "a2po",
    "happo", "clip_happo", "unweighted_happo", "hatrpo", "clip_hatrpo", "unweighted_hatrpo",
)  # fmt: skip
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
    # No tasks of the authors': simpler physics, for a CPU, with other returns.
    "ant_4x2, spring": "brax/ant_4x2:spring",
    "halfcheetah_6x1, spring": "brax/halfcheetah_6x1:spring",
}
OURS = ("ant_4x2, spring", "halfcheetah_6x1, spring")

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
# The sizes of JaxMARL's recurrent MAPPO on spread; what else its recipe does otherwise is in `spread_gap`.
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
    # Eight times the gradient steps for each environment step: half a million steps here, ten million there.
    "ant_4x2, spring": ANT | FASTER | {"rollout_length": 100, "minibatches": 4},
    "ant_8x1": ANT | FASTER,
    "halfcheetah_2x3": CHEETAH,
    "halfcheetah_6x1": CHEETAH,
    "halfcheetah_6x1, spring": CHEETAH,
    "walker2d_3x2": WALKER,
    "walker2d_6x1": WALKER,
    "humanoid_17x1": ANT,
}
OF_CLIPPED_STEPS = ("entropy_weight", "learning_rate", "actor_epochs")  # mean nothing to natural-gradient steps
OF_NATURAL_STEPS = ("kl_radius", "kl")  # mean nothing to clipped steps
# The same for natural-gradient steps; the critic takes five epochs of one batch, but for JaxMARL's four.
OF_TASK_NATURAL: dict[str, dict[str, Any]] = {
    "spread, JaxMARL": JAXMARL | {"minibatches": 1},
    "27m_vs_30m": _smac(GRU, kl_radius=0.001),
    "3s5z_vs_3s6z": _smac(FeedForward(hidden=128, layers=3), kl_radius=0.005, backtrack=0.5),
    "corridor": _smac(GRU, kl_radius=0.12, backtrack=0.5),
    "ant_4x2": MUJOCO,
    "ant_4x2, spring": MUJOCO | {"rollout_length": 100},
    "ant_8x1": MUJOCO,
    "halfcheetah_2x3": MUJOCO,
    "halfcheetah_6x1": MUJOCO | {"kl_radius": 0.01},
    "halfcheetah_6x1, spring": MUJOCO | {"kl_radius": 0.01},
    "walker2d_3x2": MUJOCO | {"kl_radius": 0.01, "critic_learning_rate": 1e-3},
    "walker2d_6x1": MUJOCO,
    "humanoid_17x1": MUJOCO | {"value_clip": 0.1},
}
# Whose step sizes fall to 0 in a line.
ANNEALED = {
    "clip": ("spread, JaxMARL", "walker2d_3x2", "humanoid_17x1"),
    "natural": ("spread, JaxMARL", "humanoid_17x1"),
}
EVALUATIONS, TEST_EPISODES = 20, 20
# A body's episodes have a thousand steps and begin nearly alike. As many as of the others would be two fifths of what a
# run of a million steps takes.
BRAX_EVALUATIONS, BRAX_TEST_EPISODES = 10, 5


@dataclass(frozen=True, kw_only=True)
class Tasks(Scale):
    """Which tasks and learners; no task stands for all of the authors' that can be made here."""

    tasks: tuple[str, ...] = ()
    learners: tuple[str, ...] = LEARNERS


MPE_TASKS = tuple(name for name, env in TASKS.items() if env.startswith("jaxmarl/") and name != "spread, JaxMARL")
SCALES = {
    "small": Tasks(minutes=4, seeds=4, env_steps=200_000, tasks=("spread",), learners=("mappo", "clip_happo")),
    "medium": Tasks(
        minutes=120, seeds=2, env_steps=400_000, tasks=MPE_TASKS, learners=("mappo", "happo", "clip_happo")
    ),
    "paper": Tasks(minutes=400_000, seeds=10, env_steps=10_000_000),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    tasks: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and a curve per task to `out`; one program a learner and task."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, tasks=tasks, learners=learners)
    tasks = setting.tasks or within_reach()
    for task in tasks:
        jaxvf.envs.make(TASKS[task])  # says now if it cannot be made, not after hours of the others
    played = {f"{task.replace(', ', '_')}/{name}": (task, name) for task in tasks for name in setting.learners}
    results = train({where: sweep_of(*cell, setting) for where, cell in played.items()}, out, setting, yes=yes)
    rows: list[dict[str, Any]] = []
    for where, (task, learner) in played.items():
        labels = {"scale": setting.label, "learner": learner, "task": task}
        rows.append(summaries.condition_row(results[where], results[where].select(), **labels))
    summaries.write_summary(rows, out)
    for path in draw(rows, out):
        print(path)
    for row in rows:
        print(f"{row['task']:28} {row['learner']:17} return {summaries.return_text(row['final_return'])}")


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Return against steps, a figure a task."""
    paths, learners = [], list(dict.fromkeys(row["learner"] for row in rows))
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        facts = facts_of(own, behaviour="agents explore by sampling from their policies", interval=IQM)
        note = caption(f"Return of greedy play, mean of {evaluation_of(task)[1]} episodes an evaluation.", **facts)
        panels = summaries.panels_of(own, "task", "learner", "iqm_return")
        paths += summaries.save_panels(panels, out, labels=learners, note=note)
    return paths


def sweep_of(task: str, learner: str, setting: Tasks) -> jaxvf.Sweep:
    """All seeds of a learner on a task."""
    steps = setting.steps_of()
    evaluations, episodes = evaluation_of(task)
    return jaxvf.Sweep(
        env=TASKS[task],
        algorithms=configured(learner, task, steps),
        seeds=setting.seeds,
        env_steps=steps,
        test_interval=max(1, steps // evaluations),
        test_episodes=episodes,
    )


def evaluation_of(task: str) -> tuple[int, int]:
    """Evaluations of a run, and episodes of each."""
    if TASKS[task].startswith(brax_team.PREFIX):
        return BRAX_EVALUATIONS, BRAX_TEST_EPISODES
    return EVALUATIONS, TEST_EPISODES


def within_reach() -> tuple[str, ...]:
    """The authors' tasks, but for those of brax where it is not installed."""
    tasks = tuple(task for task in TASKS if task not in OURS)
    if importlib.util.find_spec("brax") is not None:
        return tasks
    print("brax is not installed: its bodies are left out")
    return tuple(task for task in tasks if not TASKS[task].startswith(brax_team.PREFIX))


def configured(learner: str, task: str, env_steps: int) -> Any:
    """The registered algorithm with the setting of a task; central critics are agent-specific in combat."""
    algorithm = jaxvf.algorithms.make(learner)
    natural = algorithm.step == "natural"
    fields = SETTING | (OF_TASK_NATURAL if natural else OF_TASK).get(task, {})
    if not natural:
        fields |= {"value_clip": fields["clip"]}  # as in that code; of natural-gradient steps it is 0.2
    without = OF_CLIPPED_STEPS if natural else OF_NATURAL_STEPS
    fields = {name: value for name, value in fields.items() if name not in without}
    if TASKS[task].startswith("combat/") and algorithm.critic_inputs == "state":
        fields |= {"critic_inputs": "agent_state", "normalization": "joint"}
    if task in ANNEALED[algorithm.step]:
        fields |= {"learning_rate_anneal": float(env_steps)}
    for field, value in fields.items():
        algorithm = replace(algorithm, field, value)
    return algorithm
