"""A final view, in which nobody steps: its value counts, what it holds beside it does not."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import B, T, learner, played, start, update

from jaxvf.trust_region import Recurrent, Table

RECURRENT = Recurrent(hidden=4, layers=0, layer_norm=False)


def cut_off(config, state):
    """A rollout whose second environment is cut off at step 1; frame 2 shows its final view, frame 3 begins anew."""
    rollout = played(config, state, 2)
    return rollout._replace(
        terminated=jnp.zeros((T, B), bool),
        truncated=jnp.zeros((T, B), bool).at[1, 1].set(True),
        filled=jnp.ones((T, B), bool).at[2, 1].set(False),
        started=rollout.started.at[2, 1].set(False).at[3, 1].set(True),
        extras=rollout.extras._replace(carry=rollout.extras.carry.at[3, 1].set(0.0)),
    )


def with_nonsense(rollout):
    """The same with another observation, action, probability and reward where nobody steps."""
    return rollout._replace(
        obs=rollout.obs.at[2, 1].set(1 - rollout.obs[2, 1]),
        actions=rollout.actions.at[2, 1].set((rollout.actions[2, 1] + 1) % 3),
        reward=rollout.reward.at[2, 1].set(1e3),
        extras=rollout.extras._replace(log_prob=rollout.extras.log_prob.at[2, 1].set(-3.0)),
    )


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
    rollout = cut_off(config, state)
    pair = rollout, with_nonsense(rollout)
    chex.assert_trees_all_close(*(update(config, state, each, jax.random.key(7)) for each in pair), rtol=0, atol=1e-6)
    counted = [each._replace(filled=jnp.ones((T, B), bool)) for each in pair]
    first, second = (update(config, state, each, jax.random.key(7))[0] for each in counted)
    # Adam's steps have one size: its moments tell the critics apart.
    for one, other in ((first.params.actor, second.params.actor), (first.opt_state[1], second.opt_state[1])):
        assert max(jax.tree.leaves(jax.tree.map(lambda a, b: np.abs(a - b).max(), one, other))) > 1e-4


def test_the_value_of_a_final_view_is_bootstrapped_from():
    """Another final view changes the advantage of the step before it, and of the one before that; no other."""
    config = learner()
    state = start(config, 2)
    rollout = cut_off(config, state)
    other = rollout._replace(state=rollout.state.at[2, 1].set(1 - rollout.state[2, 1]))
    first, second = (np.asarray(config.estimate(state, each).advantage[..., 0]) for each in (rollout, other))
    changed = np.abs(first - second) > 1e-6
    np.testing.assert_array_equal(changed[:, 1], [True, True, True, False])  # in step 2 nobody steps
    assert not np.delete(changed, 1, axis=1).any()
