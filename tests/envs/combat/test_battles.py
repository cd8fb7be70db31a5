"""Whole battles: what a won one returns, what the dead see and do, and where the ground stops units."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import AutoReset
from jaxvf.envs.check_play import random_actions
from jaxvf.envs.combat import MAPS, Combat, terrain, units
from jaxvf.envs.combat.dynamics import FIRST_TARGET

QUICK = {"xla_backend_optimization_level": 0}


def play(env, params, policy, steps, num_envs, start=lambda states: states):
    """States, views, actions and outcomes of a policy (view -> actions), [steps, B, ...]; nothing is ever reset."""

    def run(key):
        def step(states, key):
            view = env.observe_batch(states, params)
            actions = policy(view)
            after, outcome = env.transition_batch(key, states, actions, params)
            return after, (states, view, actions, outcome)

        start_key, play_key = jax.random.split(key)
        first = start(env.init_batch(start_key, params, num_envs))
        return jax.lax.scan(step, first, jax.random.split(play_key, steps))[1]

    return jax.tree.map(np.asarray, jax.jit(run, compiler_options=QUICK)(jax.random.key(0)))


def attack_or_east(view):
    """The first target that may be attacked; else east, where the enemies are; else the first thing allowed."""
    targets = view.avail[..., FIRST_TARGET:]
    walk = jnp.where(view.avail[..., 4], 4, view.avail.argmax(axis=-1))
    return jnp.where(targets.any(axis=-1), targets.argmax(axis=-1) + FIRST_TARGET, walk)


def harmless(env, **changes):
    """Parameters of a side that cannot hurt: enemies lose nothing of what they have by luck."""
    return dataclasses.replace(env.default_params(), **{name: jnp.asarray(value) for name, value in changes.items()})


def up_to_the_end(outcome):
    """Which steps belong to the first episode."""
    done = outcome.terminated | outcome.truncated
    return np.cumsum(done, axis=0) - done == 0


def test_a_won_battle_returns_20_and_the_dead_are_silent():
    """Four battles of 3m, focused fire: all damage, three kills and the victory together earn 20."""
    env = Combat("3m")
    states, view, _, outcome = play(env, env.default_params(), attack_or_east, 60, 4)
    mine = up_to_the_end(outcome)
    returns = np.where(mine, outcome.reward, 0).sum(axis=0)
    won = np.where(mine, outcome.metrics["won"], 0).sum(axis=0) > 0
    assert won.any()  # focused fire wins most of them
    np.testing.assert_allclose(returns[won], 20.0, atol=1e-4)
    assert (returns[~won] < 20).all()
    dead = (states.health[..., :3] <= 0) & mine[..., None]
    assert dead.any()
    np.testing.assert_array_equal(view.avail[dead], np.eye(env.spec.n_actions, dtype=bool)[[0] * dead.sum()])
    assert not view.obs[dead].any() and not view.alive[dead].any()
    np.testing.assert_array_equal(view.avail[~dead & mine[..., None]][:, 0], False)  # no-op is for the dead


def test_the_limit_cuts_and_does_not_terminate():
    env = Combat("3m")
    params = dataclasses.replace(env.default_params(), limit=jnp.int32(5))
    _, _, _, outcome = play(env, params, lambda view: view.avail.argmax(axis=-1), 5, 2)
    np.testing.assert_array_equal(outcome.truncated[:, 0], [0, 0, 0, 0, 1])
    assert not outcome.terminated.any()


@pytest.fixture(scope="module")
def march():
    """Corridor with nobody to meet but a zealot at the goal: 24 zerglings on their way, [T, units]."""
    battle = dataclasses.replace(MAPS["corridor"], allies=(("zealot", 1, 4.47, 4.33),))
    env = Combat(battle)
    params = dataclasses.replace(env.default_params(), damage=jnp.zeros(10))
    states, *_ = play(env, params, lambda view: jnp.ones(view.alive.shape, jnp.int32), 45, 1)
    return battle.ground, states.x[:, 0, 1:], states.y[:, 0, 1:]


def test_nobody_is_ever_in_a_blocked_cell(march):
    ground, x, y = march
    assert np.asarray(terrain.is_walkable(ground, x, y)).all()


def test_the_corridors_zerglings_all_pass_the_neck(march):
    """Rows 12 and 13 share columns 10 to 15 alone."""
    _, x, y = march
    assert (y[0] > 20).all() and (y[-1] < 12).all()
    crosses = (y[:-1] >= 13) & (y[1:] < 13)
    assert (crosses.sum(axis=0) >= 1).all()
    assert (x[:-1][crosses] > 9).all() and (x[1:][crosses] < 16).all()


def test_zerglings_reach_the_plateau_by_the_ramps_alone():
    """They start below the cliff and come up in the west or in the east, never over the cliff north or south.

    Slowed down to 0.3 cells a step, so that a step leads from one cell to the next.
    """
    battle = dataclasses.replace(MAPS["2c_vs_64zg"], enemies=(("zergling", 6, 16.0, 9.0),))
    env = Combat(battle)
    params = dataclasses.replace(env.default_params(), damage=jnp.zeros(10), speed=jnp.full(10, 0.6))
    states, *_ = play(env, params, lambda view: jnp.ones(view.alive.shape, jnp.int32), 160, 1)
    x, y = states.x[:, 0, 2:], states.y[:, 0, 2:]
    level = np.asarray(terrain.level_at(battle.ground, x, y))
    assert (level[0] == terrain.LOW).all() and (level[-1] == terrain.HIGH).all()
    comes = (level[:-1] != terrain.HIGH) & (level[1:] == terrain.HIGH)
    beside = (x[:-1] < 7.3) | (x[:-1] >= 24.7)  # the plateau's columns are 7 to 24
    assert comes.any(axis=0).all() and beside[comes].all()


def test_a_step_across_a_cliff_is_for_colossi():
    """From (16, 12.9), low, to (16, 13.1), high: blocked, and slid along, but for who climbs or flies."""
    ground = MAPS["2c_vs_64zg"].ground
    start, goal = ((jnp.full(3, 16.0), jnp.full(3, 12.9)), (jnp.full(3, 16.1), jnp.full(3, 13.1)))
    walker = terrain.Walker(flies=jnp.array([False, True, False]), climbs=jnp.array([False, False, True]))
    x, y = terrain.moved(ground, walker, start, goal)
    np.testing.assert_allclose(x, 16.1, rtol=1e-6)
    np.testing.assert_allclose(y, [12.9, 13.1, 13.1], rtol=1e-6)


@pytest.mark.parametrize("name", ["MMM2", "protoss_5_vs_5", "zerg_5_vs_5"])
def test_the_dead_stay_where_they_are_and_everything_is_finite(name):
    """Maps with medivacs, drawn kinds, splash and blasts, with forces so near that many die."""
    env = Combat(name)

    def together(states):
        return states._replace(x=16 + (states.x - 16) * 0.3, y=16 + (states.y - 16) * 0.3)

    states, view, _, outcome = play(env, env.default_params(), attack_or_east, 16, 8, start=together)
    alive = states.health > 0
    assert (alive[0] & ~alive[-1]).any()
    assert not (~alive[:-1] & alive[1:]).any()
    for axis in (states.x, states.y):
        np.testing.assert_array_equal(axis[1:][~alive[:-1]], axis[:-1][~alive[:-1]])
    for leaf in (*view[:2], outcome.reward, states.shield, states.energy):
        assert np.isfinite(leaf).all()
    full = np.asarray(env._stats(jnp.asarray(states.kind[0]).T, env.default_params()).health).T
    assert (states.health <= full + 1e-4).all()


def test_cooldowns_vary_by_minus_one_to_two_ticks():
    """After the first shot at tick 0 a marine's cooldown is 0.861 s less 8 ticks, and the noise."""
    env = Combat("3m")

    def together(states):
        return states._replace(x=jnp.where(jnp.arange(6) < 3, 15.0, 18.0) + 0.0 * states.x)

    states, *_ = play(env, env.default_params(), attack_or_east, 2, 512, start=together)
    noise = (states.cooldown[1] - 0.861) * 16 + 8
    assert noise.min() >= -1 - 1e-4 and noise.max() <= 2 + 1e-4
    assert abs(noise.mean() - 0.5) < 0.05 and abs(noise.std() - 3 / np.sqrt(12)) < 0.05


@pytest.mark.parametrize(
    ("name", "battles"),
    [("2m_vs_1z", 400), ("3s_vs_3z", 200), ("3s_vs_4z", 200), ("MMM", 120), ("so_many_baneling", 80)],
)
def test_random_play_stays_finite_and_on_the_ground(name, battles):
    """100 steps of a thousand battles in all, side by side, starting anew where they end."""
    env = AutoReset(Combat(name))
    params, ground = env.env.default_params(), MAPS[name].ground

    def run(key):
        def step(carry, key):
            states, view = carry
            act_key, step_key = jax.random.split(key)
            actions = random_actions(env.env.spec, act_key, view.avail)
            states, outcome, view, _ = env.step(step_key, states, actions, params)
            alive, flies = states.health > 0, jnp.asarray(units.AIR)[states.kind]
            stands = terrain.is_walkable(ground, states.x, states.y) | flies | ~alive
            finite = [jnp.isfinite(leaf).all() for leaf in (view.obs, view.state, outcome.reward, *states[:7])]
            return (states, view), (jnp.stack(finite).all(), stands.all(), outcome.done.sum())

        return jax.lax.scan(step, env.init(key, params, battles), jax.random.split(key, 100))[1]

    finite, stands, ends = jax.tree.map(np.asarray, jax.jit(run)(jax.random.key(0)))
    assert finite.all() and stands.all() and ends.sum() > 0
