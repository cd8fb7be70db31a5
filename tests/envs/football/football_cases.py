"""Situations of football, set up by hand, and steps from them without chance."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs.football import Football
from jaxvf.envs.football.numbers import SUBSTEPS
from jaxvf.envs.football.state import Noise

KEY = jax.random.key(0)
IDLE, LEFT, RIGHT = 0, 1, 5
NEVER = 1.0  # luck with which nobody saves or tackles
ALWAYS = 0.0


def situation(env, params=None, **changes):
    """The first state of one environment without jitter, with some of its leaves replaced."""
    params = env.default_params() if params is None else params
    still = params.__class__(**{**vars(params), "spawn_jitter": jnp.float32(0)})
    state = jax.tree.map(lambda leaf: leaf[0], env.init_batch(KEY, still, 1))
    return state._replace(**{name: jnp.asarray(value, getattr(state, name).dtype) for name, value in changes.items()})


@functools.partial(jax.jit, static_argnums=0)
def _played(env, state, actions, luck, params):
    noise = Noise(jnp.zeros((2, 1)), jnp.broadcast_to(luck[None, :, None], (SUBSTEPS, 2, 1)))

    def step(state, joint):
        moved, outcome = env.transition_with_noise(noise, state, joint[None], params)
        return moved, (moved, outcome)

    first = jax.tree.map(lambda leaf: leaf[None], state)
    return jax.tree.map(lambda leaf: leaf[:, 0], jax.lax.scan(step, first, actions)[1])


def play(env, state, actions, luck=(NEVER, NEVER), params=None):
    """States and outcomes of a script [T, N]; kicks are exact; `luck` is of saves and of tackles."""
    params = env.default_params() if params is None else params
    script = np.asarray(actions, np.int32)
    return jax.tree.map(np.asarray, _played(env, state, script, jnp.asarray(luck, jnp.float32), params))


def alone(env, *places, away=(-30.0, 30.0)):
    """Agents at these places, opponents far from them (the keeper in a corner)."""
    n_opponents = len(situation(env).position) - len(places)
    return np.array([*places, *[away] * n_opponents])


THREE = Football()
