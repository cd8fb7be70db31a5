"""Scripted episodes of the intersection."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs import Intersection
from jaxvf.envs.intersection import starting

KEY = jax.random.key(0)
SLOWER, KEEP, FASTER = range(3)
FAR = 20.0  # metres along the approach: 80 m before the crossing


@functools.partial(jax.jit, static_argnums=0)
def _played(env, state, actions, params):
    def step(state, joint):
        moved, outcome = env.transition(KEY, state, joint, params)
        return moved, (moved, outcome, env.observe(moved, params))

    return jax.lax.scan(step, state, actions)[1]


def play(env, state, actions, params=None):
    """States, outcomes and views after every step of a script [T, 4]; nothing ends at the end of an episode."""
    params = env.default_params() if params is None else params
    return jax.tree.map(np.asarray, _played(env, state, np.asarray(actions, np.int32), params))


def start(way, along, params=None, dtype=jnp.float32):
    """A first state."""
    params = Intersection().default_params() if params is None else params
    return starting(jnp.array(way, jnp.int32), jnp.array(along, dtype), params)


def exact(params):
    """The same numbers in float64, as far as a decimal of float32 was meant."""
    return jax.tree.map(lambda leaf: leaf if leaf.dtype == jnp.int32 else jnp.asarray(np.float64(str(leaf))), params)


def with_numbers(**numbers):
    """The default numbers with some of them changed."""
    return dataclasses.replace(
        Intersection().default_params(), **{name: jnp.float32(value) for name, value in numbers.items()}
    )
