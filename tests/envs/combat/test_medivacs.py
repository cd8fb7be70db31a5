"""Medivacs of both sides, and what else one quiet step shows: who is healed, who regenerates, and who is how strong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import Combat, terrain
from jaxvf.envs.combat.dynamics import FIRST_TARGET, Forces
from jaxvf.envs.combat.healing import Side, aim_of, heal
from jaxvf.envs.combat.maps import HOLD, Map
from jaxvf.envs.combat.outcome import outcome_of
from jaxvf.envs.combat.units import Stats

QUICK = {"xla_backend_optimization_level": 0}
STOP = 1
# Allies are far from everything; each of the enemies' two medivacs is where one rule decides what it does.
ALLIES = (
    ("zergling", 1, 5.0, 2.0),
    ("marine", 1, 5.0, 4.0),
    ("hydralisk", 1, 7.0, 2.0),
    ("medivac", 1, 8.0, 4.0),
    ("medivac", 1, 10.0, 4.0),
)
ENEMIES = (
    ("marine", 1, 20.0, 16.0),
    ("marine", 1, 21.0, 16.0),
    ("hydralisk", 1, 20.5, 10.0),
    ("medivac", 1, 20.5, 18.0),
    ("medivac", 1, 20.5, 26.0),
)
N = len(ALLIES)
HURT = {0: 20.0, 1: 20.0, N: 30.0, N + 1: 40.0}
ENV = Combat(Map("wards", ALLIES, ENEMIES, 50, terrain.EVERYWHERE, HOLD))


@pytest.fixture(scope="module")
def step():
    """First state as it is drawn, the same with the hurt, its view, and the state after a step in which allies stop."""
    params = ENV.default_params()

    def play(key):
        drawn = ENV.init_batch(key, params, 1)
        health = drawn.health
        for unit, left in HURT.items():
            health = health.at[:, unit].set(left)
        places = (jnp.array([[unit[axis] for unit in (*ALLIES, *ENEMIES)]]) for axis in (2, 3))
        first = drawn._replace(health=health, **dict(zip("xy", places, strict=True)))
        actions = jnp.full((1, N), STOP)
        after, _ = ENV.transition_with_noise(jnp.zeros((8, 2 * N, 1)), first, actions, params)
        return drawn, first, ENV.observe_batch(first, params), after

    played = jax.jit(play, compiler_options=QUICK)(jax.random.key(0))
    return jax.tree.map(lambda leaf: np.asarray(leaf)[0], played)


def test_a_medivac_may_heal_whoever_lives_and_does_not_fly(step):
    """The zergling, the marine and the hydralisk, hurt or not; neither the other medivac nor itself."""
    heals = step[2].avail[3:N, FIRST_TARGET:]
    np.testing.assert_array_equal(heals, [[True, True, True, False, False]] * 2)


def test_an_enemy_medivac_heals_the_most_hurt_near_it(step):
    """Two cells from both it gives the one with 30 of 45 health 9 a second, and the one with 40 nothing."""
    np.testing.assert_allclose(step[3].health[N : N + 2], [30 + 4.5, 40], atol=1e-4)


def test_an_enemy_medivac_with_nobody_to_heal_goes_to_the_mean_of_the_others(step):
    """The others, told to hold, are at (20.5, 14) in the mean: it flies 1.375 south, and they stay where they are."""
    np.testing.assert_allclose([step[3].x[N + 4], step[3].y[N + 4]], [20.5, 26 - 2.75 / 2], atol=1e-4)
    np.testing.assert_allclose(step[3].y[N : N + 4], step[1].y[N : N + 4], atol=1e-6)


@pytest.mark.parametrize(
    ("energy", "healing", "given"),
    [(5.0, False, 9 / 16), (4.9, False, 0.0), (4.9, True, 9 / 16), (0.1, True, 0.3), (0.0, True, 0.0)],
)
def test_to_begin_takes_5_energy_and_to_go_on_any(energy, healing, given):
    """Of 9 health a second a tick gives 9/16, or what the energy is good for, at 3 health for each."""
    params = ENV.default_params()
    state = ENV.init(jax.random.key(0), params)
    stats = Stats(*(leaf[:N] for leaf in ENV._stats(jnp.asarray(state.kind)[:, None], params)))
    units = jnp.ones((N, 1))
    x, y = (jnp.array([[unit[axis]] for unit in ALLIES]) for axis in (2, 3))
    side = Side(x, y, 20 * units, energy * units, healing * units > 0, stats)
    ordered = jnp.full((N, 1), -1).at[3].set(1)  # the first medivac heals the marine, 3 cells away
    health, left, at_work = heal(side, *aim_of(side, ordered), params)
    np.testing.assert_allclose(health[1, 0], 20 + given, rtol=1e-6)
    np.testing.assert_allclose(left[3, 0], energy - given / 3 + 0.5625 / 16, rtol=1e-5)
    assert bool(at_work[3, 0]) == (given > 0)


def test_only_zerg_units_regain_health(step):
    """A hurt zergling 0.2734 a second, a marine as hurt nothing."""
    np.testing.assert_allclose(step[3].health[:2], [20 + 0.2734 / 2, 20], atol=1e-4)


def test_an_enemy_hydralisk_has_90_health_and_an_ally_80(step):
    assert (step[0].health[2], step[0].health[N + 2]) == (80, 90)


@pytest.mark.parametrize(("left", "won"), [(("medivac", "marine"), 0), (("marine", "medivac"), 1)])
def test_a_side_of_medivacs_alone_has_lost(left, won):
    """Of allies and enemies, only these kinds live."""
    params = ENV.default_params()
    stats = ENV._stats(jnp.asarray(ENV.init(jax.random.key(0), params).kind)[:, None], params)
    lives = [unit[0] == kind for side, kind in zip((ALLIES, ENEMIES), left, strict=True) for unit in side]
    nothing = jnp.zeros((2 * N, 1))
    forces = Forces(nothing, nothing, jnp.array(lives)[:, None] * 10.0, *(nothing,) * 4, jnp.full((N, 1), -1))
    told = (stats, forces, forces, jnp.zeros(1), jnp.array([1]))
    outcome = outcome_of(ENV.battle, "damage", params, *told)
    assert outcome.terminated[0] and outcome.metrics["won"][0] == won
