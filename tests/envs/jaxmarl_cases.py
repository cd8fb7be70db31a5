"""Shared by the tests of both JaxMARL adapters: an episode played by both sides, and an environment of no class."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from exact_programs import EXACT

from jaxvf.envs.jaxmarl_names import built

KEY = jax.random.key(3)
MPE = "MPE_simple_spread_v3"


def stacked(env, rows):
    """A dictionary by agent as an array, in the order of `env.agents`."""
    return jnp.stack([rows[agent] for agent in env.agents])


def side_by_side(raw, adapter, steps, choose, for_raw=lambda actions: actions):
    """`steps` steps of one episode, [steps, ...]: raw rewards, dones, observations; the adapter's outcomes and views.

    Both get the same keys, and the same actions but for `for_raw`. They go on where an episode ends: nothing resets.
    """

    def step(carry, key):
        raw_state, state, view = carry
        act_key, step_key = jax.random.split(key)
        actions = choose(act_key, view)
        by_agent = dict(zip(raw.agents, for_raw(actions), strict=True))
        obs, raw_state, rewards, dones, _ = raw.step_env(step_key, raw_state, by_agent)
        state, outcome = adapter.transition(step_key, state, actions, params)
        seen = jnp.stack([jnp.ravel(obs[agent]).astype(jnp.float32) for agent in raw.agents])
        view = adapter.observe(state, params)
        return (raw_state, state, view), ((stacked(raw, rewards), dones["__all__"], seen), outcome, view)

    params = adapter.default_params()

    @functools.partial(jax.jit, compiler_options=EXACT)
    def play():
        _, raw_state = raw.reset(KEY)
        state = adapter.init(KEY, params)
        start = raw_state, state, adapter.observe(state, params)
        return jax.lax.scan(step, jax.tree.map(jnp.asarray, start), jax.random.split(KEY, steps))[1]

    return jax.tree.map(np.asarray, play())


class Countdown:
    """A JaxMARL environment of nobody's class: ends after three steps, or when an agent chooses 1.

    It has no `get_obs`, its state holds a Python number, and its dictionaries more than agents.
    """

    agents, max_steps = ("b", "a"), 3

    def __init__(self, name):
        self.name = name

    def action_space(self, agent):
        return type("Discrete", (), {"n": 2})

    def reset(self, key):
        return self.looks(0), {"t": 0}

    def looks(self, t):
        return {"a": jnp.array([t, 1]), "b": jnp.array([t, 2]), "world_state": jnp.array([t + 0.5])}

    def step_env(self, key, state, actions):
        t = state["t"] + 1
        over = (actions["a"] == 1) | (actions["b"] == 1) | (t >= 3)
        rewards = {"a": jnp.float32(1), "b": 10 * actions["b"], "__all__": jnp.float32(99)}
        return self.looks(t), {"t": t}, rewards, dict.fromkeys(["a", "b", "__all__"], over), {}


def anything(key, view):
    return jax.random.categorical(key, jnp.where(view.avail, 0.0, -1e9))


def ends(flags):
    """Steps at which a flag is set, counted from 1."""
    return (np.flatnonzero(flags) + 1).tolist()


def assert_same_numbers(raw, outcome, view):
    rewards, dones, obs = raw
    np.testing.assert_array_equal(outcome.agent_rewards, rewards)
    np.testing.assert_allclose(outcome.reward, rewards.mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(outcome.terminated | outcome.truncated, dones)
    np.testing.assert_array_equal(view.obs, obs)  # of the terminal step too


def raw_of(adapter):
    """The JaxMARL environment inside an adapter made by name."""
    return built(adapter.env, adapter.options)
