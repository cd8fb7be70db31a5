"""Who is dead does not learn, and a step that is not finite is left out and counted."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import B, T, adam_counts, learner, played, start, table_of, trained, update


def dying(living, **fields):
    """State after one update in which all three agents lived, the state after one more, and its metrics.

    In the second update agents below `living` are alive; Adam's moments are not zero then.
    """
    config = learner(**fields)
    state = start(config, 3)
    rollout = played(config, state, 3)
    born = rollout._replace(alive=jnp.ones_like(rollout.alive))
    before, _ = update(config, state, born, jax.random.key(7))
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(before.opt_state[0])) > 1e-4
    dead = rollout._replace(alive=rollout.alive & False | (jnp.arange(3) < living))
    return before, *update(config, before, dead, jax.random.key(8))


@pytest.mark.parametrize("updates", ["sequential", "joint"])
def test_who_is_dead_throughout_does_not_move(updates):
    """Neither parameters nor Adam's moments, which an earlier update has filled; nothing counts as skipped."""
    before, after, facts = dying(2, updates=updates)
    assert np.abs(table_of(after)[:2] - table_of(before)[:2]).max() > 0.01
    third = [jax.tree.map(lambda leaf: leaf[2], (state.params.actor, state.opt_state[0])) for state in (before, after)]
    chex.assert_trees_all_equal(*third)
    assert all(np.isfinite(value).all() for value in facts.values()) and facts["skipped"] == 0


def test_dead_agents_take_no_step_of_a_shared_network():
    """In turn, two epochs in which two of three agents live are four steps; where nobody lives there is none."""
    before, after, _ = dying(2, parameters="shared")
    assert [adam_counts(state.opt_state[0]) for state in (before, after)] == [[6], [10]]
    for updates in ("sequential", "joint"):
        before, after, facts = dying(0, parameters="shared", updates=updates)
        chex.assert_trees_all_equal(before.params.actor, after.params.actor)
        assert facts["skipped"] == 0 and facts["kl_p99_by_agent"].tolist() == [0, 0, 0]


def test_a_mini_batch_of_the_dead_moves_nobody():
    """The living sample lies in one of T · B mini-batches of one sample: two epochs are two steps."""
    config = learner(minibatches=T * B)
    state = start(config, 2)
    rollout = played(config, state, 2)
    alone = rollout._replace(alive=jnp.zeros_like(rollout.alive).at[1, 2].set(True))
    after, facts = update(config, state, alone, jax.random.key(7))
    assert adam_counts(after.opt_state[0]) == [[2, 2]] and facts["skipped"] == 0


def test_an_overflowing_weight_skips_steps_and_counts_them():
    """Huge advantages times huge weights give no finite gradient: the actor stays, the skip is counted."""
    config = learner(normalization="none", order="fixed", weight_low=1e38, weight_high=1e38)
    before, after, facts = trained(config)
    assert facts["skipped"] > 0
    chex.assert_trees_all_equal(before.params.actor, after.params.actor)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after, facts)))


def test_a_joint_update_counts_every_skipped_step_once():
    """Two agents with gradients of their own and two epochs are four steps; one network for both takes two."""
    fields = {"normalization": "none", "weight_low": 1e38, "weight_high": 1e38, "updates": "joint"}
    assert trained(learner(**fields))[2]["skipped"] == 4
    assert trained(learner(parameters="shared", **fields))[2]["skipped"] == 2
