"""Random rollouts in which given actors acted, and one update of a small learner on them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.trust_region import Table, TrustRegion
from jaxvf.trust_region.batches import Extras

# Compile time is most of these tests' time.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
PROGRESS = Progress(jnp.int32(0), jnp.int32(0))
T, B, A, OBS = 4, 6, 3, 2
CUT_OFF = np.arange(1, B, 2)  # environments of which `cut_off` shows a final view
SMALL = {
    "actor": Table(),
    "critic": Table(),
    "num_envs": B,
    "rollout_length": T,
    "actor_epochs": 2,
    "critic_epochs": 1,
    "learning_rate": 0.05,
}


def spec(agents, continuous=False):
    return EnvSpec("random", 1, agents, A, OBS, OBS, T, one_hot_obs=True, continuous=continuous)


def learner(**fields):
    return dataclasses.replace(TrustRegion(), **{**SMALL, **fields})


@functools.partial(jax.jit, static_argnums=1, compiler_options=QUICK)
def acted(learner, agents, params, seed):
    """T steps and a final frame of random observations in which the actors of `params` acted.

    Of three agents the last is dead. The second environment terminates at step 1 and begins anew at frame 2.
    """
    keys, frames = jax.random.split(seed, 4), (T + 1, B)
    obs = jax.nn.one_hot(jax.random.randint(keys[0], (*frames, agents), 0, OBS), OBS)
    avail = jnp.ones((*frames, agents, A), bool).at[0, :, 0, 2].set(False)
    started = jnp.zeros(frames, bool).at[0].set(True).at[2, 1].set(True)
    carry = learner.initial_carry((B, agents))
    policy, states = learner.actors.policies(params, obs, carry, started, avail)
    before = jnp.concatenate([carry[None], states[:-1]])
    before = jnp.where(started[..., None, None], 0.0, before)
    actions = policy.sample(keys[1])
    alive = jnp.ones((*frames, agents), bool).at[..., -1].set(agents < 3)
    ended = jnp.zeros((T, B), bool).at[1, 1].set(True)
    return Rollout(
        obs, obs[:, :, 0], avail, actions, jax.random.normal(keys[2], (T, B)), ended, jnp.zeros((T, B), bool),
        jnp.ones((T, B), bool), started, carry[None], alive, None, Extras(policy.log_prob(actions), before),
    )  # fmt: skip


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, rollout, key):
    return learner.update(state, rollout, key, PROGRESS)


def start(config, agents):
    """A learner with normal parameters and fresh optimizers, without compiling its `init`."""
    generator = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: config.init(jax.random.key(0), spec(agents)))
    params = jax.tree.map(lambda leaf: generator.normal(scale=0.3, size=leaf.shape).astype(leaf.dtype), shapes.params)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.tree.map(jnp.asarray, zeros._replace(params=params))


def played(config, state, agents):
    """A rollout of the learner's own actors. Only their networks matter: what shares them shares a program."""
    acting = learner(actor=config.actor, parameters=config.parameters)
    return acted(acting, agents, state.params.actor, jax.random.key(1))


def cut_off(rollout):
    """The same, but every second environment is cut off at step 1: frame 2 is its final view, frame 3 begins anew."""
    return rollout._replace(
        terminated=jnp.zeros((T, B), bool),
        truncated=jnp.zeros((T, B), bool).at[1, CUT_OFF].set(True),
        filled=jnp.ones((T, B), bool).at[2, CUT_OFF].set(False),
        started=rollout.started.at[2, CUT_OFF].set(False).at[3, CUT_OFF].set(True),
        extras=rollout.extras._replace(carry=rollout.extras.carry.at[3, CUT_OFF].set(0.0)),
    )


def with_nonsense(rollout):
    """A rollout from `cut_off` with another observation, action, probability and reward where nobody steps."""
    return rollout._replace(
        obs=rollout.obs.at[2, CUT_OFF].set(1 - rollout.obs[2, CUT_OFF]),
        actions=rollout.actions.at[2, CUT_OFF].set((rollout.actions[2, CUT_OFF] + 1) % A),
        reward=rollout.reward.at[2, CUT_OFF].set(1e3),
        extras=rollout.extras._replace(log_prob=rollout.extras.log_prob.at[2, CUT_OFF].set(-3.0)),
    )


def trained(config, agents=2):
    """State before, state after one update, and its metrics."""
    state = start(config, agents)
    return state, *update(config, state, played(config, state, agents), jax.random.key(7))


def policies_of(config, params, rollout):
    """All agents' policies in the steps of a rollout."""
    steps = (leaf[: rollout.steps] for leaf in (rollout.started, rollout.avail))
    return config.actors.policies(params, rollout.obs[: rollout.steps], rollout.extras.carry[0], *steps)[0]


def adam_counts(opt_state):
    """How many steps every optimizer has taken."""
    return [leaf.tolist() for leaf in jax.tree.leaves(opt_state) if leaf.dtype == jnp.int32]


def table_of(state):
    """The actors' tables."""
    return state.params.actor.network["params"]["table"]
