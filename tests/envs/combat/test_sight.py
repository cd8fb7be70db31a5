"""SMACv2's extended partial observability."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs.combat import Combat, sight

KEY = jax.random.key(0)


def test_the_first_ally_sees_and_the_others_draw_once():
    """Enemy 0 meets allies 1 and 2 in one step: 1 is the first. Later 0 comes too; at probability 0 it stays blind."""
    known = sight.nobody_met(1, 3, 1)
    near = jnp.array([[[False], [True], [True]]])
    known = sight.met(known, near, KEY, jnp.float32(0))
    np.testing.assert_array_equal(known[0, :, 0], [sight.UNMET, sight.SEES, sight.BLIND])
    known = sight.met(known, ~near | near, KEY, jnp.float32(0))
    np.testing.assert_array_equal(known[0, :, 0], [sight.BLIND, sight.SEES, sight.BLIND])
    # Nothing is drawn twice, whatever the chance is now.
    again = sight.met(known, ~near | near, KEY, jnp.float32(1))
    np.testing.assert_array_equal(again, known)


def test_draws_have_their_probability():
    known = sight.met(sight.nobody_met(2_000, 6, 1), jnp.ones((2_000, 6, 1), bool), KEY, jnp.float32(0.3))
    np.testing.assert_array_equal(known[:, 0], sight.SEES)
    share = (np.asarray(known[:, 1:]) == sight.SEES).mean()
    assert abs(share - 0.3) < 3 * np.sqrt(0.21 / 10_000)


def test_a_blind_ally_observes_zeros_where_the_enemy_is():
    """In 3m at the start nobody is in sight; put side by side, only ally 0 sees, and everybody may still attack."""
    env = Combat("3m", partial_sight=True)
    params = dataclasses.replace(env.default_params(), prob_obs_enemy=jnp.float32(0))
    state = env.init(KEY, params)
    assert (state.known == sight.UNMET).all()
    near = state._replace(x=jnp.array([15.0, 15, 15, 18, 18, 18]))
    batch = jax.tree.map(lambda leaf: leaf[None], near)
    seen = env._look(KEY, batch, params)
    view = env.observe_batch(seen, params)
    enemies = np.asarray(view.obs[0, :, 4 : 4 + 15]).reshape(3, 3, 5)
    assert (enemies[0] != 0).any(axis=-1).all() and not enemies[1:].any()
    assert np.asarray(view.avail[0, :, 6:]).all()
    # With probability 1 it is the plain environment.
    whole = env.observe_batch(env._look(KEY, batch, env.default_params()), params)
    plain = Combat("3m").observe_batch(batch, params)
    np.testing.assert_array_equal(whole.obs, plain.obs)
