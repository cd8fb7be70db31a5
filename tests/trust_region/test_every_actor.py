"""What holds for every trust-region learner while it learns what pays at once."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import SMALL, A, B, T, acted, cut_off, learner, start, update, with_nonsense

from jaxvf.algorithms import ALGORITHMS, make
from jaxvf.trust_region import TrustRegion

ACTORS = [name for name, made in ALGORITHMS.items() if isinstance(made(), TrustRegion)]
UPDATES = 40
KEY = jax.random.key(7)


@pytest.mark.invariant("actors")
@pytest.mark.parametrize("name", ACTORS)
def test_where_nobody_steps_nothing_is_learned(name):
    """Bitwise, though half of the environments show nonsense; counted as steps, it changes parameters or moments."""
    config = small(name)
    state = start(config, 2)
    rollout = cut_off(acted(learner(actor=config.actor, parameters=config.parameters), 2, state.params.actor, KEY))
    nonsense = with_nonsense(rollout)
    if config.critic_inputs == "observation":  # the value of a final view does count
        nonsense = nonsense._replace(obs=rollout.obs)
    pair = rollout, nonsense
    chex.assert_trees_all_equal(*(update(config, state, each, KEY) for each in pair))
    counted = [each._replace(filled=jnp.ones((T, B), bool)) for each in pair]
    made = [jax.tree.leaves(update(config, state, each, KEY)[0]) for each in counted]
    assert any(not np.array_equal(*leaves) for leaves in zip(*made, strict=True))


def small(name: str) -> TrustRegion:
    """Over tables, without the index that they cannot read, and with steps that 40 updates suffice for."""
    fields = {**SMALL, "agent_id": False, "learning_rate": 0.1, "kl_radius": 0.05, "minibatches": 1}
    return dataclasses.replace(make(name), **fields)


@pytest.mark.learning
@pytest.mark.learns("actors")
@pytest.mark.parametrize("name", ACTORS)
def test_a_team_learns_what_pays_at_once(name):
    """Each agent adds 1 where its action is the number of its observation, 0 or 1: all learn it, from 1/3 of the time.

    On the way every update's divergence and weights are finite, and an unavailable action is never taken.
    """
    config = small(name)
    acting = learner(actor=config.actor, parameters=config.parameters)
    state = start(config, 2)
    for number in range(UPDATES):
        rollout = acted(acting, 2, state.params.actor, jax.random.key(number))
        right = np.asarray(rollout.actions) == np.asarray(rollout.obs).argmax(axis=-1)
        rollout = rollout._replace(reward=jnp.asarray(right[:-1].sum(axis=-1), jnp.float32))
        state, facts = update(config, state, rollout, jax.random.key(number))
        assert all(np.isfinite(value).all() for value in facts.values())
    share = right.mean(axis=(0, 1))
    assert (share > 0.75).all(), share
    assert not (np.asarray(rollout.actions)[0, :, 0] == A - 1).any()  # of whom it is masked
