"""SMAClite's rules: how long a side that stands still lasts, what random play earns, and each rule on its own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import make
from jaxvf.envs.check_play import random_actions
from jaxvf.envs.combat import Map
from jaxvf.envs.smaclite import SMACLITE_MAPS, Smaclite
from jaxvf.errors import InputError

# map: actions, observation, state, agents, enemies, largest reward of a battle before scaling
SIZES = {
    "2s3z": (11, 80, 120, 5, 5, 1020),
    "3s5z": (14, 128, 216, 8, 8, 1510),
    "3s5z_vs_3s6z": (15, 136, 230, 8, 9, 1670),
    "3s_vs_5z": (11, 48, 68, 3, 5, 1000),
    "2s_vs_1sc": (7, 17, 27, 2, 1, 510),
    "10m_vs_11m": (17, 105, 243, 10, 11, 805),
    "27m_vs_30m": (36, 285, 1170, 27, 30, 1850),
    "MMM": (16, 160, 290, 10, 10, 1015),
    "MMM2": (18, 176, 322, 10, 12, 1205),
    "bane_vs_bane": (30, 336, 984, 24, 24, 1260),
    "corridor": (30, 156, 282, 6, 24, 1280),
    "2c_vs_64zg": (70, 332, 342, 2, 64, 3080),
}
# Steps until the last of a still side falls in SMAClite: means of 40 starts within 0.00001.
STOP = {"3s_vs_5z": 27, "3s5z_vs_3s6z": 38, "MMM": 34.9, "corridor": 30.3}


@pytest.mark.parametrize("name", SIZES)
def test_all_twelve_maps_have_smaclites_sizes(name):
    assert len(SMACLITE_MAPS) == 12
    env = make(f"smaclite/{name}")
    spec, params = env.spec, env.default_params()
    enemies = env.rules.kind[spec.n_agents :]
    most = float(params.health[enemies].sum() + params.shield[enemies].sum()) + 10 * len(enemies) + 200
    assert (spec.n_actions, spec.obs_dim, spec.state_dim, spec.n_agents, len(enemies), most) == SIZES[name]
    view = jax.eval_shape(lambda key: env.observe_batch(env.init_batch(key, params, 2), params), jax.random.key(0))
    assert view.obs.shape == (2, spec.n_agents, spec.obs_dim) and view.state.shape == (2, spec.state_dim)


def test_a_map_of_ones_own_has_no_order_of_lists_by_its_name():
    own = dataclasses.replace(SMACLITE_MAPS["corridor"], limit=7)
    assert Smaclite("corridor").rules.enemies_first and Smaclite(SMACLITE_MAPS["corridor"]).rules.enemies_first
    assert not Smaclite(own).rules.enemies_first and not Smaclite("3s_vs_5z").rules.enemies_first
    rules = Smaclite(own, enemies_first=True).rules
    np.testing.assert_array_equal(rules.place, [*range(24, 30), *range(24)])


def test_enemies_first_is_a_truth_value(unchecked):
    with pytest.raises(InputError, match="enemies_first='yes' is neither"):
        Smaclite("corridor", enemies_first="yes")


@pytest.mark.parametrize("order", ["hold", "closest"])
def test_an_order_that_smaclite_does_not_know_is_refused(order):
    with pytest.raises(
        InputError, match=f"order='{order}' of map 3s_vs_5z: SMAClite's enemies know order='point' alone"
    ):
        Smaclite(dataclasses.replace(SMACLITE_MAPS["3s_vs_5z"], order=order))


@pytest.mark.parametrize("name", STOP)
def test_who_stands_still_lasts_as_long_as_in_smaclite(name):
    """In the mean over starts within 0.00001, for in a crowd a length is rounding's."""
    env, episodes = Smaclite(name), 16
    params, n = env.default_params(), env.spec.n_agents

    def step(states, key):
        states, outcome = env.transition_batch(key, states, (states.health[:, :n] > 0).astype(jnp.int32), params)
        return states, (outcome.terminated, outcome.reward)

    def play():
        first_key, off_key, *keys = jax.random.split(jax.random.key(0), 50)
        first = env.init_batch(first_key, params, episodes)
        off = 1e-5 * jax.random.uniform(off_key, (2, *first.x.shape), minval=-1.0)
        return jax.lax.scan(step, first._replace(x=first.x + off[0], y=first.y + off[1]), jnp.stack(keys))[1]

    over, reward = jax.jit(play)()
    length = np.where(over.any(axis=0), over.argmax(axis=0) + 1, 999)
    assert abs(length.mean() - STOP[name]) <= 1, length
    assert not np.asarray(reward).any()


def test_the_radius_sets_the_places_at_the_start():
    """A block of three marines: two rows, of which the first is two radii and a gap wide, less the gap."""
    env = battle((("marine", 3, 10.0, 16.0),), (("spine_crawler", 1, 30.0, 16.0),))
    params = env.default_params()
    wide = dataclasses.replace(params, radius=params.radius.at[0].set(0.5))
    for numbers, radius in ((params, 0.375), (wide, 0.5)):
        env.check_params(numbers)
        first = env.init_batch(jax.random.key(0), numbers, 1)
        x, y = 10 + np.array([-radius, radius + 0.05, -radius]), 16 + np.array([-1, -1, 1]) * (radius + 0.025)
        np.testing.assert_allclose(first.x[0, :3], x, rtol=1e-6)
        np.testing.assert_allclose(first.y[0, :3], y, rtol=1e-6)


def test_radii_that_no_start_or_no_neighbours_fit_are_refused(unchecked):
    """Seven marines' discs fit round one of them, but more small ones do round a large one."""
    env = battle((("marine", 12, 10.0, 16.0),), (("stalker", 3, 23.0, 16.0),))
    params = env.default_params()
    assert env.rules.most_neighbours == 14  # all others; of marines alone 7
    assert battle((("marine", 12, 10.0, 16.0),), (("marine", 3, 23.0, 16.0),)).rules.most_neighbours == 7
    huge = dataclasses.replace(params, radius=params.radius.at[0].set(4.0))
    with pytest.raises(InputError, match=r"env.radius: units of map own would start on blocked ground"):
        env.check_params(huge)
    marines = battle((("marine", 12, 10.0, 16.0), ("zealot", 2, 10.0, 20.0)), (("marine", 3, 23.0, 16.0),))
    small = dataclasses.replace(params, radius=params.radius.at[0].set(0.2))
    most = marines.rules.most_neighbours
    with pytest.raises(InputError, match=rf"env.radius: 16 units fit round one, and {most} are heeded; set env"):
        marines.check_params(small)
    dataclasses.replace(marines, most_neighbours=16).check_params(small)


@pytest.mark.parametrize("most", [-1, 2.0, True])
def test_most_neighbours_is_a_number_of_units(unchecked, most):
    with pytest.raises(InputError, match=f"most_neighbours={most!r} is neither a whole number from 0 on nor None"):
        Smaclite("3s_vs_5z", most_neighbours=most)


def test_random_play_is_finite_and_earns_what_it_earns_in_smaclite():
    """3.4 in the mean of 3s_vs_5z's episodes. `benchmarks/smaclite.py` plays 100,000 steps of every map."""
    env, battles, steps = Smaclite("3s_vs_5z"), 200, 100
    params = env.default_params()

    def step(carry, key):
        states, live = carry
        act_key, step_key = jax.random.split(key)
        view = env.observe_batch(states, params)
        actions = random_actions(env.spec, act_key, view.avail)
        states, outcome = env.transition_batch(step_key, states, actions, params)
        numbers = [view.obs, view.state, outcome.reward, *jax.tree.leaves(states)]
        finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in numbers]).all()
        return (states, live & ~outcome.done), (outcome.reward * live, finite)

    def play(key):
        first = env.init_batch(key, params, battles)
        return jax.lax.scan(step, (first, jnp.ones(battles, bool)), jax.random.split(key, steps))

    rewards, finite = jax.jit(play)(jax.random.key(0))[1]
    assert finite.all()
    assert abs(rewards.sum(axis=0).mean() - 3.4) < 0.4


def battle(allies, enemies, **fields):
    """A battle of (kind, number, x, y) groups on the strip, enemies told to attack (9, 16)."""
    return Smaclite(Map("own", allies, enemies, limit=50, ground=SMACLITE_MAPS["2s3z"].ground, **fields))


def after(env, actions, steps, change=lambda states: states):
    """The state after some steps of the same actions."""
    params = env.default_params()

    def play():
        first = change(env.init_batch(jax.random.key(0), params, 1))
        keys = jax.random.split(jax.random.key(1), steps)
        return jax.lax.scan(
            lambda s, k: (env.transition_batch(k, s, jnp.array([actions]), params)[0], None), first, keys
        )

    return jax.tree.map(lambda leaf: np.asarray(leaf)[0], jax.jit(play)()[0])


def test_two_that_meet_head_on_stop_where_they_touch():
    """Marines 3 apart each come 1.125 nearer, up to the sum of their radii; each gives way by half."""
    env = battle((("marine", 1, 10.0, 16.0), ("marine", 1, 13.0, 16.0)), (("spine_crawler", 1, 31.0, 16.0),))
    east, west = 4, 5
    state = after(env, [east, west], 3)
    np.testing.assert_allclose(state.x[:2], [11.125, 11.875], atol=1e-3)
    np.testing.assert_allclose(state.y[:2], 16.0, atol=1e-3)


def test_who_stands_does_not_move_and_is_not_run_into():
    """The marine that comes stops at its edge, where it would otherwise have come to 13.15."""
    env = battle((("marine", 1, 10.0, 16.0), ("marine", 1, 11.5, 16.0)), (("spine_crawler", 1, 31.0, 16.0),))
    state = after(env, [4, 1], 2)
    np.testing.assert_allclose(state.x[:2], [10.75, 11.5], atol=1e-3)
    assert state.y[1] == 16.0


def test_a_medivac_brings_back_45_health_in_ten_steps():
    """9 a second: 4.5 a step, of the 35 that are missing, and an energy pays for 3."""
    env = battle((("medivac", 1, 10.0, 16.0), ("marine", 1, 12.0, 16.0)), (("spine_crawler", 1, 31.0, 16.0),))

    def hurt(states):
        return states._replace(health=states.health.at[:, 1].set(10.0))

    state = after(env, [7, 1], 4, hurt)
    np.testing.assert_allclose(state.health[1], 10 + 4 * 4.5, atol=1e-4)
    np.testing.assert_allclose(state.energy[0], 50 + 4 * 0.28125 - 6, atol=1e-3)


def test_a_medivac_begins_with_5_energy_and_goes_on_with_less():
    """Of two with 4 energy the second one was healing before: in a step it gives 4.5 health for 2, the first none."""
    env = battle(
        (("medivac", 1, 10.0, 16.0), ("marine", 1, 12.0, 16.0), ("medivac", 1, 14.0, 16.0), ("marine", 1, 16.0, 16.0)),
        (("spine_crawler", 1, 31.0, 16.0),),
    )

    def tired(states):
        energy = states.energy.at[:, [0, 2]].set(4.0)
        return states._replace(
            energy=energy, health=states.health.at[:, [1, 3]].set(10.0), target=states.target.at[:, 2].set(3)
        )

    state = after(env, [7, 1, 9, 1], 1, tired)
    np.testing.assert_allclose(state.health[[1, 3]], [10, 14.5], atol=1e-4)
    np.testing.assert_allclose(state.energy[[0, 2]], [4 + 0.28125, 2 + 0.28125], atol=1e-4)


def test_a_corpse_is_shot_at_until_the_step_ends():
    """The zergling dies of the first shot, and a second one leaves the stalker's cooldown at its start again."""
    env = battle((("stalker", 1, 16.0, 16.0),), (("zergling", 1, 20.0, 16.0), ("spine_crawler", 1, 31.0, 8.5)))
    params = dataclasses.replace(env.default_params(), period=jnp.full(10, 0.25))

    def weak(states):
        return states._replace(health=states.health.at[:, 1].set(5.0))

    first = weak(env.init_batch(jax.random.key(0), params, 1))
    state, outcome = jax.jit(env.transition_batch)(jax.random.key(0), first, jnp.array([[6]]), params)
    assert state.health[0, 1] == 0
    # Shots at ticks 0 and 4, a cooldown of 4 ticks: after 8, one tick is left. Without the second shot none is.
    np.testing.assert_allclose(state.cooldown[0, 0], 1 / 16)
    np.testing.assert_allclose(outcome.reward[0] * (335 + 20 + 200) / 20, 5 + 10, rtol=1e-5)


def test_wrong_maps_are_named(unchecked):
    with pytest.raises(InputError, match="did you mean '3s_vs_5z'"):
        Smaclite("3s_vs_5")
    with pytest.raises(InputError, match="draws its units"):
        Smaclite(dataclasses.replace(SMACLITE_MAPS["2s3z"], race="terran"))
    with pytest.raises(InputError, match="blocked ground"):
        Smaclite(dataclasses.replace(SMACLITE_MAPS["2s3z"], allies=(("marine", 1, 9.0, 2.0),)))
