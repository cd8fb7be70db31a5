"""Random parameters of any module: NumPy draws in the shapes that it asks for, so that nothing is compiled."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.mixers import Mixer, Utilities, init_mixer

N_ACTIONS, FEATURES = 3, 5


@pytest.fixture
def random_params() -> Callable[..., Any]:
    """`random_params(mixer, n_agents, state_dim, *draws)`: uniform in ±1, with leading axes `draws`."""

    def make(mixer: Mixer, n_agents: int, state_dim: int, *draws: int) -> Any:
        generator = np.random.default_rng(0)
        key = jax.random.key(0)
        shapes = jax.eval_shape(lambda: init_mixer(mixer, key, n_agents, N_ACTIONS, FEATURES, state_dim))
        return jax.tree.map(lambda leaf: generator.uniform(-1, 1, (*draws, *leaf.shape)).astype(np.float32), shapes)

    return make


@pytest.fixture
def value_of() -> Callable[..., Any]:
    """`value_of(mixer, params, q, state)`: the mixed value of local values `q` [*batch, N]."""
    return lambda mixer, params, q, state: mixer.apply(params, _utilities(q, mixer), state)


def _utilities(q: Any, mixer: Mixer) -> Utilities:
    """All that a mixer may look at, as fixed functions of the chosen values `q`; most mixers see these alone."""
    q = jnp.asarray(q)
    actions = jnp.broadcast_to(jnp.eye(N_ACTIONS)[0], (*q.shape, N_ACTIONS))
    features = jnp.cos(q[..., None] * jnp.arange(1, FEATURES + 1))
    streams = q[..., None] if mixer.duelling else jnp.zeros((*q.shape, 0))
    return Utilities(q, q + 0.5, actions, features, streams)
