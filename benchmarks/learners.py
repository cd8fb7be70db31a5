"""What an update of every learner costs beside QMIX's: seconds, FLOPs and bytes, at equal settings, interleaved.

Two places: a matrix game, where a batch is one row per joint action, and predator-prey, where the GRU runs over 201
frames. FLOPs and bytes are XLA's cost analysis, which counts the body of a loop once: loops over time are counted from
two lengths short enough to be written out whole, of which the difference is one step; the recognizer's inner steps are
counted from the loop alone. PQN learns here as the others do, in one pass over the batch. A learner whose time ratio
exceeds the larger of both ratios is slower than its arithmetic.
"""

import dataclasses
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp

from jaxvf import scripts
from jaxvf.algorithm import Progress, Rollout
from jaxvf.algorithms import ALGORITHMS, make
from jaxvf.envs import PAYOFFS, Environment, MatrixGame, PredatorPrey
from jaxvf.hyperparameters import replace
from jaxvf.training import observed_by
from jaxvf.value import recognizer as recognition
from jaxvf.value.agents import LearnerState, ValueAgents
from jaxvf.value.recognizer import Sampled

throughput = scripts.load("benchmarks", "throughput")
REFERENCE = "qmix"
SETTING: dict[str, Any] = {
    "optimizer": "adam", "learning_rate": 1e-3, "td_lambda": 0.6,
    "epochs": 1, "minibatches": 1,  # PQN's
}  # fmt: skip
# place: environment, appended last action, episodes in the batch, runs in the program, updates in a timed loop
PLACES: dict[str, tuple[Environment, bool, int, int, int]] = {
    "matrix_game/A": (MatrixGame(PAYOFFS["A"]), False, 9, 16, 100),
    "predator_prey": (PredatorPrey(), True, 8, 1, 1),
}
ROUNDS = 7
WRITTEN_OUT = (2, 3)  # episode lengths at which every loop over time is unrolled (networks.recurrent.UNROLL_WHOLE)


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per place and learner; ratios are to QMIX's row of the same place. `quick` is the matrix game alone."""
    rows = [row for place in list(PLACES)[: 1 if quick else None] for row in measure(place, measured())]
    return {"machine": throughput.machine(), "rounds": ROUNDS, "rows": rows}


def measured() -> tuple[str, ...]:
    """Every registered value learner, the reference first."""
    return tuple(dict.fromkeys([REFERENCE, *[name for name in ALGORITHMS if isinstance(make(name), ValueAgents)]]))


def measure(place: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Time all learners in turn, round after round, so that a drift of the machine meets all alike."""
    env, last_action, episodes, runs, updates = PLACES[place]
    learners = {name: configured(name, last_action=last_action, agent_id=not last_action) for name in names}
    loops = {name: timed_loop(learner, env, episodes, runs, updates) for name, learner in learners.items()}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS + 1):
        for name, (loop, state) in loops.items():
            begun = time.perf_counter()
            loops[name] = loop, jax.block_until_ready(loop(state))
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(spent[1:]) / updates / runs for name, spent in seconds.items()}
    costs = {name: cost(learner, env, episodes) for name, learner in learners.items()}
    rows = []
    for name in names:
        ratios = {
            "time_over_qmix": medians[name] / medians[REFERENCE],
            **{f"{kind}_over_qmix": costs[name][kind] / costs[REFERENCE][kind] for kind in ("flops", "bytes")},
        }
        excess = ratios["time_over_qmix"] / max(ratios["flops_over_qmix"], ratios["bytes_over_qmix"])
        rows.append(
            {
                "place": place,
                "learner": name,
                "update_microseconds": round(medians[name] * 1e6, 1),
                **costs[name],
                **{key: round(value, 3) for key, value in ratios.items()},
                "time_over_larger_ratio": round(excess, 3),
            }
        )
    return rows


def configured(name: str, **fields: Any) -> Any:
    """A learner at the common setting, where it has such fields."""
    learner = make(name)
    for field, value in {**SETTING, **fields}.items():
        if hasattr(learner, field):
            learner = replace(learner, field, value)
    return learner


def timed_loop(learner: Any, env: Environment, episodes: int, runs: int, updates: int) -> tuple[Any, LearnerState]:
    """A compiled loop of updates of `runs` runs, and the state to begin with."""
    spec = observed_by(learner, env).spec
    batch = random_batch(spec, episodes)
    configured = throughput.spread(learner, runs)
    state = jax.jit(jax.vmap(lambda one, key: one.init(key, spec)))(
        configured, jax.random.split(jax.random.key(0), runs)
    )

    def step(index: jax.Array, state: LearnerState) -> LearnerState:
        # Beyond the first update, and never at an interval's end: what nearly every update costs.
        progress = Progress(jnp.int32(1), jnp.int32(10**9))
        each = jax.vmap(lambda one, state: one.update(state, batch, jax.random.key(1), progress)[0])
        return each(configured, state)

    loop = jax.jit(lambda state: jax.lax.fori_loop(0, updates, step, state), donate_argnums=0)
    return loop.lower(state).compile(), state


def cost(learner: Any, env: Environment, episodes: int) -> dict[str, float]:
    """FLOPs and bytes of one update of one run, every step of every loop counted."""
    spec = observed_by(learner, env).spec
    if spec.limit_max <= max(WRITTEN_OUT):
        return counted(learner, spec, episodes)
    short, longer = (counted(learner, dataclasses.replace(spec, limit_max=steps), episodes) for steps in WRITTEN_OUT)
    more = spec.limit_max - WRITTEN_OUT[1]
    return {kind: longer[kind] + more * (longer[kind] - short[kind]) for kind in longer}


def counted(learner: Any, spec: Any, episodes: int) -> dict[str, float]:
    """XLA's count, with the recognizer's loop body added as often again as it runs beyond once."""
    batch = jax.eval_shape(lambda: random_batch(spec, episodes))
    state = jax.eval_shape(lambda: learner.init(jax.random.key(0), spec))
    whole = analysis(
        lambda state, batch: learner.update(state, batch, jax.random.key(1), Progress(jnp.int32(1), jnp.int32(10**9))),
        state,
        batch,
    )
    if getattr(learner, "weighting", "") != "potentially_optimal":
        return whole
    inner = analysis(
        lambda phi, opt_state, sampled: recognition.fit(
            learner.recognizer, phi, opt_state, sampled, jnp.int32(1), learner.recognizer_rule()
        ),
        state.params.recognizer,
        state.opt_state.recognizer,
        jax.eval_shape(lambda: sampled_of(spec, episodes)),
    )
    return {kind: whole[kind] + (learner.inner_steps - 1) * inner[kind] for kind in whole}


def analysis(function: Any, *arguments: Any) -> dict[str, float]:
    """XLA's counts for a compiled function."""
    found: Any = jax.jit(function).lower(*arguments).compile().cost_analysis()
    return {"flops": float(found["flops"]), "bytes": float(found["bytes accessed"])}


def random_batch(spec: Any, episodes: int) -> Rollout:
    """Episodes whose last step is truncated; of one view where the environment has but one."""
    steps, views = spec.limit_max, 1 if spec.fixed_view else episodes
    frames = steps if spec.self_ending else steps + 1
    keys = jax.random.split(jax.random.key(2), 4)
    last = jnp.broadcast_to((jnp.arange(steps) == steps - 1)[:, None], (steps, views))
    ends = last if spec.self_ending else jnp.zeros_like(last)
    return Rollout(
        obs=jax.random.normal(keys[0], (frames, views, spec.n_agents, spec.obs_dim)),
        state=jax.random.normal(keys[1], (frames, views, spec.state_dim)),
        avail=jnp.ones((frames, views, spec.n_agents, spec.n_actions), bool),
        actions=jax.random.randint(keys[2], (frames, episodes, spec.n_agents), 0, spec.n_actions),
        reward=jax.random.normal(keys[3], (steps, episodes)),
        terminated=ends,
        truncated=last & ~ends,
        filled=jnp.ones((steps, views), bool),
    )


def sampled_of(spec: Any, episodes: int) -> Sampled:
    """What a recognizer is fitted to, of the shapes that an update gives it."""
    batch = random_batch(spec, episodes)
    steps = spec.limit_max
    actions = jax.nn.one_hot(batch.actions[:steps], spec.n_actions)
    local = jnp.zeros((steps, episodes, spec.n_agents))
    return Sampled(batch.state[:steps], actions, local, local[..., :1], batch.filled)
