"""What an update of all agents costs, by every actor, against as many independent PPO updates.

Each is the whole learning step of an iteration on one stored rollout of the Gaussian team (250 samples, MLP 4-32-32-1,
5 epochs), critic left out, one run. Independent PPO is one compiled scan of the plain clipped update over the agents,
without weights and without the family's diagnostics. The parts of a HATRPO step are timed apart for one agent.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from jaxvf import scripts
from jaxvf.algorithm import Progress, Rollout
from jaxvf.algorithms import ALGORITHMS, make
from jaxvf.envs import GaussianTeam
from jaxvf.training import Clock, make_program
from jaxvf.trust_region import FeedForward, TrustRegion
from jaxvf.trust_region.actor_update import ActorState, clip_update
from jaxvf.trust_region.advantages import normalize
from jaxvf.trust_region.batches import Samples
from jaxvf.trust_region.natural_gradient import conjugate_gradient, curvature_product, line_search

throughput = scripts.load("benchmarks", "throughput")
AGENTS, QUICK_AGENTS = (2, 4, 8, 32), (4,)
BATCH, ROUNDS, CALLS = 250, 9, 5
KL_RADIUS = 0.01
NETWORK = FeedForward(hidden=32, activation="tanh", layer_norm=False)
COMMON = {"actor": NETWORK, "num_envs": BATCH, "rollout_length": 1, "baseline": "exact"}


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per team size: seconds of a whole update, ratios to independent PPO, parts of a HATRPO step."""
    rows = [row(agents) for agents in (QUICK_AGENTS if quick else AGENTS)]
    return {"machine": throughput.machine(), "rounds": ROUNDS, "rows": rows}


def row(agents: int) -> dict[str, Any]:
    """Seconds of independent PPO and of every member of the family, and their ratios."""
    whole = {name: prepared(name, agents) for name in ALGORITHMS if isinstance(make(name), TrustRegion)}
    calls = {"ppo": independent(agents), **whole}
    seconds = timed({name: lambda call=call, rollout=rollout: call(rollout) for name, (call, rollout) in calls.items()})
    ppo = seconds.pop("ppo")
    together = {f"{name}_seconds": spent for name, spent in seconds.items()}
    ratios = {f"{name}_over_independent_ppo": spent / ppo for name, spent in seconds.items()}
    return {"agents": agents, "independent_ppo_seconds": ppo, **together, **ratios, "hatrpo_parts": parts(agents)}


def prepared(name: str, agents: int) -> tuple[Callable[[Rollout], Any], Rollout]:
    """The compiled update of an algorithm from fresh parameters, and a rollout to learn from."""
    algorithm, run, rollout = collected(name, agents)
    key, progress = jax.random.key(1), Progress(jnp.int32(0), jnp.int32(0))
    update = jax.jit(lambda rollout: algorithm.update(run.learner, rollout, key, progress))
    jax.block_until_ready(update(rollout))
    return update, rollout


def independent(agents: int) -> tuple[Callable[[Rollout], Any], Rollout]:
    """As many plain clipped updates as there are agents, one after the other: nothing is shared or carried."""
    algorithm, run, rollout = collected("unweighted_happo", agents)
    actors = ActorState(run.learner.params.actor, run.learner.opt_state[0])
    rate = jnp.float32(algorithm.learning_rate)

    def update(rollout: Rollout) -> ActorState:
        assert rollout.alive is not None
        gain = (rollout.reward - rollout.extras.baseline)[..., None]  # the team knows its own
        advantage = jnp.broadcast_to(gain, rollout.extras.log_prob.shape)
        samples = Samples.of(rollout, normalize(advantage, rollout.alive))
        samples = samples._replace(weight=jnp.ones_like(advantage))

        def one(_: None, now: tuple[ActorState, Array, Array]) -> tuple[None, ActorState]:
            state, agent, key = now
            own = samples.agent(agent)
            return None, clip_update(algorithm, algorithm.actors, state, own, key, rate, algorithm.clip)[0]

        keys = jax.random.split(jax.random.key(1), agents)
        return jax.lax.scan(one, None, (actors, jnp.arange(agents), keys))[1]

    compiled = jax.jit(update)
    jax.block_until_ready(compiled(rollout))
    return compiled, rollout


def collected(name: str, agents: int) -> tuple[TrustRegion, Any, Rollout]:
    """A fresh run and its first rollout."""
    algorithm, env = dataclasses.replace(make(name), **COMMON), GaussianTeam(agents)
    program = make_program(env, algorithm, env_steps=BATCH, test_interval=BATCH, test_episodes=1, root=0)
    params = env.default_params()
    run = jax.jit(lambda: program.init_run(algorithm, params, jnp.int32(0)))()
    rollout = jax.jit(lambda run: program.collect(run, algorithm, params, Clock.start())[1])(run)
    return algorithm, run, rollout


def parts(agents: int) -> dict[str, float]:
    """Seconds of one agent's gradient, ten conjugate-gradient steps, and ten candidates of the line search."""
    algorithm, run, rollout = collected("hatrpo", agents)
    mine = jax.tree.map(lambda leaf: leaf[0], run.learner.params.actor)
    flat, restore = ravel_pytree(mine)
    own = Samples.of(rollout, jnp.zeros(rollout.extras.log_prob.shape)).agent(jnp.int32(0))
    advantage = rollout.reward - rollout.reward.mean()

    def policy(flat: Array) -> Any:
        return algorithm.actors.policy(restore(flat), own.obs, own.carry[0], own.started, own.avail)

    old = policy(flat)

    def gain(flat: Array) -> Array:
        log_ratio = policy(flat).log_prob(own.actions) - own.log_prob
        return (jnp.exp(log_ratio) * advantage).mean()

    def mean_kl(flat: Array) -> Array:
        return old.kl(policy(flat)).mean()

    gradient = jax.jit(jax.grad(gain))
    solve = jax.jit(lambda flat, g: conjugate_gradient(curvature_product(mean_kl, flat), g))
    search = jax.jit(lambda flat, step, g: line_search(gain, mean_kl, flat, step, g, KL_RADIUS))
    g = gradient(flat)
    step = solve(flat, g)
    return timed({
        "gradient": lambda: gradient(flat),
        "conjugate_gradient": lambda: solve(flat, g),
        "line_search": lambda: search(flat, 0.01 * step, g),
    })  # fmt: skip


def timed(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median seconds of each call; all in turn, round after round, so that a drift of the machine meets all alike."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):
        for name, call in calls.items():
            begun = time.perf_counter()
            for _ in range(CALLS):
                jax.block_until_ready(call())
            spent[name].append((time.perf_counter() - begun) / CALLS)
    return {name: statistics.median(seconds[1:]) for name, seconds in spent.items()}
