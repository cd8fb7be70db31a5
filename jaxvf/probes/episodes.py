"""Episodes as probes need them: what was seen, remembered and done at every step, and what it came to."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxvf.envs.check_play import random_actions
from jaxvf.envs.protocol import Environment, EnvParams, View
from jaxvf.probes.information import FEWEST_STEPS, MOST_STEPS, Played
from jaxvf.results import Policy

FEWEST_EPISODES = 16
AT_ONCE = 64  # episodes side by side
# (view, what is remembered, key) -> actions, what is remembered then
Act = Callable[[View, Any, Key[Array, ""]], tuple[Array, Any]]


def random_returns(env: Environment, *, episodes: int, seed: int) -> Float[np.ndarray, " episodes"]:
    """Returns of episodes in which every agent takes a uniformly random available action."""

    def act(view: View, memory: Any, key: Key[Array, ""]) -> tuple[Array, Any]:
        return random_actions(env.spec, key, view.avail), memory

    rewards = _played(env, env.default_params(), act, (), episodes, seed, lambda step: step["reward"])
    return np.asarray(rewards, np.float64).sum(axis=1)


def greedy_steps(policy: Policy, *, seed: int) -> Played:
    """Steps of greedy episodes, about `MOST_STEPS` or more where none ends early, and `FEWEST_STEPS` where all do."""
    played = _greedy_steps(policy, max(FEWEST_EPISODES, -(-MOST_STEPS // policy.env.spec.limit_max)), seed)
    if played.counts.all(axis=-1).sum() >= FEWEST_STEPS:
        return played
    return _greedy_steps(policy, FEWEST_STEPS, seed)  # as many episodes, each of a step at least


def _greedy_steps(policy: Policy, episodes: int, seed: int) -> Played:
    def act(view: View, memory: Any, key: Key[Array, ""]) -> tuple[Array, Any]:
        return policy.act(view.obs, view.avail, memory)

    def kept(step: dict[str, Any]) -> tuple[Array, ...]:
        view, agents = step["view"], policy.env.spec.n_agents
        # Carries are [1, N, H]; of those without memory H is 0.
        parts = [leaf.reshape(agents, -1) for leaf in jax.tree.leaves(step["memory"].hidden)]
        if policy.algorithm.last_action:
            parts.append(step["memory"].last_action)
        memory = jnp.concatenate([jnp.zeros((agents, 0)), *parts], axis=-1)
        return view.obs, memory, step["actions"], view.alive & step["taken"]

    steps = _played(policy.env, policy.env_params, act, policy.start(), episodes, seed, kept)
    return Played(*(np.asarray(leaf) for leaf in steps))


def _played(
    env: Environment, params: EnvParams, act: Act, start: Any, episodes: int, seed: int, kept: Callable[[Any], Any]
) -> Any:
    """What `kept` takes of every step, with leading axes [episodes, limit_max]; rewards after the end are 0."""
    params = jax.tree.map(jnp.asarray, params)

    def episode(key: Key[Array, ""]) -> Any:
        init_key, play_key = jax.random.split(key)

        def step(carry: Any, t: Array) -> tuple[Any, Any]:
            state, memory, over = carry
            act_key, step_key = jax.random.split(jax.random.fold_in(play_key, t))
            view = env.observe(state, params)
            actions, after = act(view, memory, act_key)
            moved, outcome = env.transition(step_key, state, actions, params)
            told = {"view": view, "memory": memory, "actions": actions, "taken": ~over}
            told["reward"] = jnp.where(over, 0.0, outcome.reward)
            return (moved, after, over | outcome.done), kept(told)

        first = env.init(init_key, params), start, jnp.bool_(False)
        return jax.lax.scan(step, first, jnp.arange(env.spec.limit_max))[1]

    keys, width = jax.random.split(jax.random.key(seed), episodes), min(AT_ONCE, episodes)
    keys = keys[jnp.arange(-(-episodes // width) * width) % episodes].reshape(-1, width)
    parts = jax.jit(lambda keys: jax.lax.map(jax.vmap(episode), keys))(keys)
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:])[:episodes], parts)
