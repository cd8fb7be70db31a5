"""Sequential deaths: who dies before its turn does not shoot."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import Combat, terrain
from jaxvf.envs.combat.maps import HOLD, Map

ATTACK = 6


def duel(allies, enemies, chance, actions, health, *, sequential=True):
    """Health after the first step, [B, U], of battles whose units act in the order of `chance`, [U] or [U, B]."""
    sides = ([(kind, 1, x, 16) for kind, x in side] for side in (allies, enemies))
    env = Combat(Map("duel", *sides, 60, terrain.EVERYWHERE, HOLD), sequential_deaths=sequential)
    params = dataclasses.replace(env.default_params(), spawn_jitter=jnp.float32(0), regeneration=jnp.float32(0))
    chance = jnp.atleast_2d(jnp.asarray(chance, jnp.float32).T).T
    n_units, battles = chance.shape
    states = env.init_batch(jax.random.key(0), params, battles)
    states = states._replace(health=jnp.broadcast_to(jnp.array(health, jnp.float32), states.health.shape))
    noise = jnp.zeros((8, n_units, battles))
    if sequential:
        noise = jnp.concatenate([noise, jnp.broadcast_to(chance, noise.shape)], axis=1)
    orders = jnp.broadcast_to(jnp.array(actions), (battles, len(actions)))
    return np.asarray(env.transition_with_noise(noise, states, orders, params)[0].health)


MARINES = ([("marine", 9)], [("marine", 13)])


@pytest.mark.parametrize(("chance", "left"), [([0, 1], [6, 0]), ([1, 0], [0, 6])])
def test_of_two_marines_with_6_health_the_first_kills_the_second(chance, left):
    np.testing.assert_allclose(duel(*MARINES, chance, [ATTACK], [6, 6]), [left])


def test_all_at_once_both_die():
    np.testing.assert_allclose(duel(*MARINES, [0, 1], [ATTACK], [6, 6], sequential=False), [[0, 0]])


def test_a_shot_at_who_has_just_died_is_lost():
    """Two marines on one with 6 health, which acts last: it dies of the first shot and hurts nobody."""
    allies = [("marine", 9), ("marine", 9.8)]
    left = duel(allies, [("marine", 13)], [0, 1, 2], [ATTACK, ATTACK], [45, 45, 6])
    np.testing.assert_allclose(left, [[45, 45, 0]])
    # Acting second it hits the nearer of the two first.
    left = duel(allies, [("marine", 13)], [0, 2, 1], [ATTACK, ATTACK], [45, 45, 12])
    np.testing.assert_allclose(left, [[45, 39, 0]])


def test_a_baneling_that_is_killed_bursts_all_the_same():
    """A zealot kills it first, 16 against 6; its blast of 20 and 15 more on light takes the zealot's shield of 50."""
    allies, enemies = [("baneling", 9)], [("zealot", 9.9)]
    for chance in ([0, 1], [1, 0]):
        np.testing.assert_allclose(duel(allies, enemies, chance, [ATTACK], [6, 10]), [[0, 10]])


def test_orders_are_drawn_anew_in_every_battle():
    """Fair duels of the environment itself: never a draw, and each side wins about half of 400."""
    sides = ([("marine", 1, 9, 16)], [("marine", 1, 13, 16)])
    env = Combat(Map("duel", *sides, 60, terrain.EVERYWHERE, HOLD), sequential_deaths=True)
    params = dataclasses.replace(env.default_params(), spawn_jitter=jnp.float32(0))
    states = env.init_batch(jax.random.key(0), params, 400)._replace(health=jnp.full((400, 2), 6.0))
    after, _ = env.transition_batch(jax.random.key(1), states, jnp.full((400, 1), ATTACK), params)
    alive = np.asarray(after.health > 0)
    np.testing.assert_array_equal(alive.sum(axis=1), 1)
    assert abs(alive[:, 0].mean() - 0.5) < 3 * np.sqrt(0.25 / 400)
