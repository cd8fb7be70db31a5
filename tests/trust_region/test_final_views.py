"""A final view, in which nobody steps: its value counts, what it holds beside it does not."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import CUT_OFF, B, T, cut_off, learner, played, start, update, with_nonsense

from jaxvf.trust_region import Recurrent, Table

RECURRENT = Recurrent(hidden=4, layers=0, layer_norm=False)


@pytest.mark.parametrize(
    ("network", "fields"),
    [(Table(), {}), (RECURRENT, {}), (Table(), {"step": "natural"}), (Table(), {"updates": "joint"})],
    ids=["table", "recurrent", "natural", "joint"],
)
def test_what_a_final_view_holds_changes_nothing(network, fields):
    """Neither a parameter, nor a moment of an optimizer, nor a statistic of returns, nor a metric.

    `filled` is what keeps the frame out: counted as a step, it changes actors and critic.
    """
    config = learner(actor=network, critic=network, chunk_length=2, **fields)
    state = start(config, 2)
    rollout = cut_off(played(config, state, 2))
    pair = rollout, with_nonsense(rollout)
    chex.assert_trees_all_equal(*(update(config, state, each, jax.random.key(7)) for each in pair))
    counted = [each._replace(filled=jnp.ones((T, B), bool)) for each in pair]
    first, second = (update(config, state, each, jax.random.key(7))[0] for each in counted)
    # Adam's steps have one size: its moments tell the critics apart.
    for one, other in ((first.params.actor, second.params.actor), (first.opt_state[1], second.opt_state[1])):
        assert max(jax.tree.leaves(jax.tree.map(lambda a, b: np.abs(a - b).max(), one, other))) > 1e-4


def test_the_value_of_a_final_view_is_bootstrapped_from():
    """Another final view changes the advantage of the step before it, and of the one before that; no other."""
    config = learner()
    state = start(config, 2)
    rollout = cut_off(played(config, state, 2))
    other = rollout._replace(state=rollout.state.at[2, CUT_OFF].set(1 - rollout.state[2, CUT_OFF]))
    first, second = (np.asarray(config.estimate(state, each).advantage[..., 0]) for each in (rollout, other))
    changed = np.abs(first - second) > 1e-6
    assert (changed[:, CUT_OFF] == np.array([[True], [True], [True], [False]])).all()  # in step 2 nobody steps
    assert not np.delete(changed, CUT_OFF, axis=1).any()
