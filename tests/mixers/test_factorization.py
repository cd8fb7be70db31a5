"""What monotonic mixers promise, by brute force over joint actions of random games."""

import functools
import itertools

import jax
import numpy as np
import pytest

from jaxvf.mixers import QmixMixer, VdnMixer

N, A, S, DRAWS = 3, 4, 10, 200
JOINT = np.array(list(itertools.product(range(A), repeat=N)))  # [A^N, N]


def greedy_regret(mixer, params, value_of) -> np.ndarray:
    """How far Q_tot at the local greedy actions falls short of its maximum, relative to its spread, in every draw."""
    generator = np.random.default_rng(1)
    q = 2 * generator.normal(size=(DRAWS, N, A)).astype(np.float32)
    state = generator.normal(size=(DRAWS, 1, S)).astype(np.float32)
    q_tot = jax.jit(jax.vmap(functools.partial(value_of, mixer)))(params, q[:, np.arange(N), JOINT], state)[..., 0]
    greedy = np.ravel_multi_index(tuple(q.argmax(axis=-1).T), (A,) * N)
    q_tot = np.asarray(q_tot)
    spread = q_tot.max(axis=1) - q_tot.min(axis=1)
    assert (spread > 0.1).all()
    return (q_tot.max(axis=1) - q_tot[np.arange(DRAWS), greedy]) / spread


@pytest.mark.parametrize("mixer", [VdnMixer(), QmixMixer(), QmixMixer(hypernet_layers=1)])
def test_local_greedy_actions_are_jointly_greedy(random_params, value_of, mixer):
    """IGM (individual-global-max), for all 200 draws over all 64 joint actions."""
    assert greedy_regret(mixer, random_params(mixer, N, S, DRAWS), value_of).max() <= 1e-6


def test_the_unconstrained_mixer_breaks_it(random_params, value_of):
    """Otherwise the test above could not tell."""
    mixer = QmixMixer(monotonic=False)
    assert (greedy_regret(mixer, random_params(mixer, N, S, DRAWS), value_of) > 0.01).mean() > 0.3


def supermodular_excess(mixer, params, value_of) -> np.ndarray:
    """Q(hi,hi) + Q(lo,lo) - Q(hi,lo) - Q(lo,hi) of two agents in every draw, relative to the values' size."""
    generator = np.random.default_rng(1)
    low, high = np.sort(3 * generator.normal(size=(2, DRAWS, 2)), axis=0)
    corners = [high, low, np.stack([high[:, 0], low[:, 1]], axis=1), np.stack([low[:, 0], high[:, 1]], axis=1)]
    state = generator.normal(size=(DRAWS, 1, S))
    value = np.asarray(jax.jit(jax.vmap(functools.partial(value_of, mixer)))(params, np.stack(corners, axis=1), state))[
        ..., 0
    ]
    return (value @ [1, 1, -1, -1]) / np.abs(value).max(axis=1)


def test_two_agents_raise_each_others_gains(random_params, value_of):
    """Supermodular: elu is convex and increasing, and no weight is negative."""
    monotonic = QmixMixer()
    excess = supermodular_excess(monotonic, random_params(monotonic, 2, S, DRAWS), value_of)
    assert excess.min() >= -1e-5
    assert (excess > 0.01).mean() > 0.3  # and strictly so where elu bends
    free = QmixMixer(monotonic=False)
    assert (supermodular_excess(free, random_params(free, 2, S, DRAWS), value_of) < -0.01).mean() > 0.1
