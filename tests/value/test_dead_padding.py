"""Agents of different sizes: what fills up the smaller ones' observations and actions changes nothing."""

import jax
import numpy as np
import pytest
from test_every_learner import ONE_OF_EACH, small, update

AGENT, OBS, ACTIONS = 1, 2, 2  # this agent has so many observations and actions, of 4 each


@pytest.fixture
def of_two_sizes(random_episodes):
    """Random episodes in which the second agent sees zeros, and may do nothing, beyond its own."""
    batch = random_episodes(envs=4, obs=4, actions=4)
    obs, avail, actions = batch.obs.copy(), batch.avail.copy(), batch.actions.copy()
    obs[..., AGENT, OBS:] = 0.0
    actions[..., AGENT] %= ACTIONS
    avail[..., AGENT, ACTIONS:] = False
    avail |= actions[..., None] == np.arange(4)
    return batch._replace(obs=obs, avail=avail, actions=actions)


def is_dead(path, leaf):
    """Which entries of a leaf only padding reads: rows and columns of the second agent's tables."""
    dead = np.zeros(leaf.shape, bool)
    if "table" in jax.tree_util.keystr(path):
        dead[AGENT, OBS:] = True
        dead[AGENT, :, ACTIONS:4] = True
    return dead


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_what_a_network_says_of_dead_padding_changes_nothing(name, of_two_sizes, state_for):
    """Values of a thousand there, in all networks, change no metric and no living parameter, and do not move."""
    learner = small(name, td_lambda=0.6)
    state = state_for(learner, of_two_sizes)
    noise = np.random.default_rng(5)

    def disturbed(path, leaf):
        return np.where(is_dead(path, leaf), 1e3 * noise.normal(size=leaf.shape), leaf).astype(leaf.dtype)

    other = state._replace(
        **{
            field: jax.tree_util.tree_map_with_path(disturbed, getattr(state, field))
            for field in ("params", "target_params")
        }
    )
    assert any(np.abs(leaf).max() > 100 for leaf in jax.tree.leaves(other.params))
    (after, metrics), (other_after, other_metrics) = (update(learner, each, of_two_sizes) for each in (state, other))
    for key, value in metrics.items():
        np.testing.assert_allclose(other_metrics[key], value, rtol=1e-4, atol=1e-5, err_msg=key)
    trees = (state.params, other.params, after.params, other_after.params)
    moved = False
    for (path, before), *leaves in zip(
        jax.tree_util.tree_leaves_with_path(trees[0]), *map(jax.tree.leaves, trees[1:]), strict=True
    ):
        dead = is_dead(path, before)
        other_before, now, other_now = (np.asarray(leaf) for leaf in leaves)
        np.testing.assert_array_equal(now[dead], before[dead])
        np.testing.assert_array_equal(other_now[dead], other_before[dead])
        np.testing.assert_allclose(other_now[~dead], now[~dead], rtol=1e-4, atol=1e-6, err_msg=str(path))
        moved |= not np.array_equal(now, before)
    assert moved
