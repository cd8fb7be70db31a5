"""SMACv2's extended partial observability, and its viewing cone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs.combat import Combat, sight

KEY = jax.random.key(0)
EVERYBODY = jnp.ones((1, 3), bool)
UNMET, SEES, BLIND, FOUND = sight.UNMET, sight.SEES, sight.BLIND, sight.DISCOVERED


def near(*allies):
    """Which of three allies have the one enemy in sight."""
    return jnp.array([[[number in allies] for number in range(3)]])


def meet(known, in_sight, alive=EVERYBODY, probability=0.0):
    return sight.met(known, in_sight, alive, KEY, jnp.float32(probability))


def test_the_first_ally_sees_and_the_others_draw_once():
    """Ally 1 comes first; at probability 0 the others stay blind, whatever the chance is later."""
    known = meet(sight.nobody_met(1, 3, 1), near(1))
    np.testing.assert_array_equal(known[0, :, 0], [UNMET, FOUND, UNMET])
    known = meet(known, near(0, 1, 2))
    np.testing.assert_array_equal(known[0, :, 0], [BLIND, FOUND, BLIND])
    np.testing.assert_array_equal(meet(known, near(0, 1, 2), probability=1.0), known)
    np.testing.assert_array_equal(sight.may_see(known)[0, :, 0], [False, True, False])


def test_when_the_discoverer_dies_the_enemy_can_be_discovered_again():
    """Ally 1 found it, 0 is blind to it. After 1 has died 0 has it in sight, and finds it; 2, out of sight, waits."""
    known = jnp.array([[[BLIND], [FOUND], [BLIND]]], jnp.int8)
    alive = jnp.array([[True, False, True]])
    np.testing.assert_array_equal(meet(known, near(0), alive)[0, :, 0], [FOUND, UNMET, UNMET])
    np.testing.assert_array_equal(meet(known, near(), alive)[0, :, 0], [UNMET, UNMET, UNMET])
    # The death of one who did not find it changes nothing.
    other = jnp.array([[False, True, True]])
    np.testing.assert_array_equal(meet(known, near(1, 2), other), known)


def test_any_of_those_that_meet_an_enemy_at_once_discovers_it():
    """SMACv2 asks agents in a random order."""
    crowd = jnp.ones((3_000, 3, 1), bool)
    known = sight.met(sight.nobody_met(3_000, 3, 1), crowd, crowd[..., 0], KEY, jnp.float32(0))
    found = np.asarray(known[..., 0]) == FOUND
    np.testing.assert_array_equal(found.sum(axis=1), 1)
    np.testing.assert_allclose(found.mean(axis=0), 1 / 3, atol=3 * np.sqrt(2 / 9 / 3_000))


def test_draws_have_their_probability():
    crowd = jnp.ones((2_000, 6, 1), bool)
    known = sight.met(sight.nobody_met(2_000, 6, 1), crowd, crowd[..., 0], KEY, jnp.float32(0.3))
    others = np.asarray(known)[np.asarray(known) != FOUND]
    assert len(others) == 10_000
    assert abs((others == SEES).mean() - 0.3) < 3 * np.sqrt(0.21 / 10_000)


def batch_of(state, **changes):
    changed = state._replace(
        **{name: jnp.asarray(value, getattr(state, name).dtype) for name, value in changes.items()}
    )
    return jax.tree.map(lambda leaf: leaf[None], changed)


def enemies_seen(env, states, params):
    """Which ally sees which of 3m's enemies, [3, 3]."""
    obs = env.observe_batch(states, params).obs[0, :, 4 : 4 + 15].reshape(3, 3, 5)
    return np.asarray((obs != 0).any(axis=-1))


def test_a_blind_ally_observes_zeros_where_the_enemy_is():
    """In 3m at the start nobody is in sight; put side by side, one ally sees each enemy, and everybody may attack."""
    env = Combat("3m", partial_sight=True)
    params = dataclasses.replace(env.default_params(), prob_obs_enemy=jnp.float32(0))
    state = env.init(KEY, params)
    assert (state.known == sight.UNMET).all()
    states = env._look(KEY, batch_of(state, x=[15, 15, 15, 18, 18, 18]), params)
    found = np.asarray(states.known[0]) == FOUND
    assert (found.sum(axis=0) == 1).all()
    np.testing.assert_array_equal(enemies_seen(env, states, params), found)
    assert np.asarray(env.observe_batch(states, params).avail[0, :, 6:]).all()
    # When who found enemy 0 dies, in the next step another one finds it, and who found others goes on seeing them.
    finder = int(found[:, 0].argmax())
    widowed = states._replace(health=states.health.at[0, finder].set(0.0))
    again = enemies_seen(env, env._look(KEY, widowed, params), params)
    assert again[:, 0].sum() == 1 and not again[finder].any()
    # With probability 1 it is the plain environment.
    whole = env.observe_batch(env._look(KEY, batch_of(state, x=[15, 15, 15, 18, 18, 18]), env.default_params()), params)
    plain = Combat("3m").observe_batch(batch_of(Combat("3m").init(KEY, params), x=[15, 15, 15, 18, 18, 18]), params)
    np.testing.assert_array_equal(whole.obs, plain.obs)


CONE = Combat("3m", partial_sight=True, conic_fov=True)
ATTACK = 6 + 12  # after twelve directions


def looking(facing):
    """Allies at (10, 16), enemies 5 away at 14° and 16° off the east, and straight in the north."""
    state = CONE.init(KEY, CONE.default_params())
    angle = np.deg2rad([14, 16, 90])
    x, y = 10 + 5 * np.cos(angle), 16 + 5 * np.sin(angle)
    places = {"x": [10, 10, 10, *x], "y": [16, 16, 16, *y]}
    return CONE._look(KEY, batch_of(state, facing=facing, **places), CONE.default_params())


def test_a_cone_of_30_degrees_shows_what_is_in_front():
    """Facing east, 30° and north: 14° is within 15° of the east, 16° of 30°; attacks need the cone, too."""
    states = looking([0, 1, 3])
    params = CONE.default_params()
    view = CONE.observe_batch(states, params)
    expected = [[True, False, False], [False, True, False], [False, False, True]]
    enemies = np.asarray(view.obs[0, :, 4 : 4 + 15].reshape(3, 3, 5))
    np.testing.assert_array_equal((enemies != 0).any(axis=-1), expected)
    np.testing.assert_array_equal(view.avail[0, :, ATTACK:], expected)
    assert np.asarray(view.avail[0, :, 6:ATTACK]).all()  # everyone may turn
    # The unit vector of the direction is known to the agent, after its health, and to the state, before its kind.
    way = [[1, 0], [np.cos(np.pi / 6), 0.5], [0, 1]]
    np.testing.assert_allclose(view.obs[0, :, -2:], way, atol=1e-6)
    np.testing.assert_allclose(view.state[0, :18].reshape(3, 6)[:, 4:], way, atol=1e-6)


def test_turning_is_no_order_and_takes_a_step():
    """Ally 0 attacks and turns north: it shoots on at tick 14. Ally 1 walks and turns: it stands. Ally 2 only turns."""
    params = dataclasses.replace(CONE.default_params(), speed=jnp.zeros(10), separation=jnp.zeros(10))
    noise = jnp.zeros((8, 6, 1))
    states = looking([0, 1, 3])
    first, _ = CONE.transition_with_noise(noise, states, jnp.array([[ATTACK, 4, 6]]), params)
    second, _ = CONE.transition_with_noise(noise, first, jnp.array([[6 + 3, 6 + 3, 1]]), params)
    np.testing.assert_array_equal(first.facing[0], [0, 1, 0])
    np.testing.assert_array_equal(second.facing[0], [3, 3, 0])
    np.testing.assert_allclose(second.health[0, 3:], [45 - 12, 45, 45])
    np.testing.assert_array_equal(second.order[0], [6, 1, 1])
    np.testing.assert_array_equal(second.last_action[0], [9, 9, 1])
