"""Agents of different sizes: what an actor says of actions that it does not have changes nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import SMALL, played, start, table_of, update

from jaxvf.algorithms import make

KINDS = ("ippo", "happo", "hatrpo", "coppo", "a2po")


@pytest.mark.parametrize("name", KINDS)
def test_logits_of_dead_padding_change_nothing(name):
    """The second of two agents lacks the last of three actions, whose logits are 50 higher in one of two learners."""
    config = dataclasses.replace(make(name), **SMALL, entropy_weight=0.01)
    state = start(config, 2)
    rollout = played(config, state, 2)
    avail = rollout.avail.at[:, :, 1, 2].set(False)
    actions = rollout.actions.at[:, :, 1].set(jnp.minimum(rollout.actions[:, :, 1], 1))
    rollout = rollout._replace(avail=avail, actions=actions)
    table = table_of(state)
    network = jax.tree.map(lambda leaf: leaf, state.params.actor.network)
    network["params"]["table"] = table.at[1, :, 2].add(50.0)
    actor = state.params.actor._replace(network=network)
    other = state._replace(params=state.params._replace(actor=actor))
    (after, facts), (other_after, other_facts) = (
        update(config, each, rollout, jax.random.key(7)) for each in (state, other)
    )
    dead = np.zeros(table.shape, bool)
    dead[1, :, 2] = True
    now, other_now = np.asarray(table_of(after)), np.asarray(table_of(other_after))
    np.testing.assert_array_equal(now[dead], np.asarray(table)[dead])
    np.testing.assert_array_equal(other_now[dead], np.asarray(table_of(other))[dead])
    np.testing.assert_allclose(other_now[~dead], now[~dead], rtol=1e-4, atol=1e-6)
    assert np.abs(now - np.asarray(table))[~dead].max() > 1e-3
    for key, value in facts.items():
        np.testing.assert_allclose(other_facts[key], value, rtol=1e-3, atol=1e-5, err_msg=key)
