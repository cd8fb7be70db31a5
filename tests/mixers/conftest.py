"""Random parameters of any module: NumPy draws in the shapes that it asks for, so that nothing is compiled."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pytest


@pytest.fixture
def random_params() -> Callable[..., Any]:
    """`random_params(mixer, n_agents, state_dim, *draws)`: uniform in ±1, with leading axes `draws`."""

    def make(mixer: nn.Module, n_agents: int, state_dim: int, *draws: int) -> Any:
        generator = np.random.default_rng(0)
        shapes = jax.eval_shape(mixer.init, jax.random.key(0), np.zeros(n_agents), np.zeros(state_dim))
        return jax.tree.map(lambda leaf: generator.uniform(-1, 1, (*draws, *leaf.shape)).astype(np.float32), shapes)

    return make
