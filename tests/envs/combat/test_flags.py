"""SMAC's switches: what each adds to observations and states, in numbers worked out by hand, and what contradicts."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import AgentId
from jaxvf.envs.combat import Combat
from jaxvf.errors import InputError
from jaxvf.serialize import from_json, to_json
from jaxvf.sweeps.space import expand

KEY = jax.random.key(0)


def seen(env, **changes):
    """A first state with changes, and its view, without noise in places."""
    quiet = dataclasses.replace(env.default_params(), spawn_jitter=jnp.float32(0))
    state = env.init(KEY, quiet)
    changes = {name: jnp.asarray(value, getattr(state, name).dtype) for name, value in changes.items()}
    return jax.tree.map(np.asarray, env.observe(state._replace(**changes), quiet))


# 3m: allies 0 and 1 see each other, ally 2 is alone in a corner. A quarter of the 60 steps is over.
PLACES = {"x": [10, 12, 30, 14, 25, 30], "y": [16, 16, 24, 16, 16, 8], "last_action": [4, 6, 1], "t": 15}


def test_mates_in_sight_show_their_last_action():
    """Ally 1, 2 cells east, did action 6 of 9; ally 2 is out of sight, and so is what it did."""
    obs = seen(Combat("3m", obs_last_action=True), **PLACES).obs
    assert obs.shape == (3, 30 + 2 * 9)
    mates = obs[0, 4 + 15 : -1].reshape(2, 14)
    np.testing.assert_allclose(mates[0], [1, 2 / 9, 2 / 9, 0, 1, *np.eye(9)[6]], rtol=1e-6)
    assert not mates[1].any()


def test_the_step_over_the_limit_comes_last_also_for_the_dead():
    health = [45, 45, 0, 45, 45, 45]
    view = seen(Combat("3m", obs_timestep_number=True, state_timestep_number=True), **PLACES, health=health)
    plain = seen(Combat("3m"), **PLACES, health=health)
    np.testing.assert_array_equal(view.obs, np.concatenate([plain.obs, np.full((3, 1), 0.25)], axis=1))
    np.testing.assert_array_equal(view.state, [*plain.state, 0.25])
    assert not view.obs[2, :-1].any()


def test_the_pathing_grid_knows_blocked_cells_and_the_edge():
    """In cell (0, 8) of 3m, whose rows 7 to 24 are open: south and south-east are blocked, what is off the map is 1."""
    obs = seen(Combat("3m", obs_pathing_grid=True), x=[0.5, 12, 13, 20, 21, 22], y=[8.5, 16, 16, 16, 16, 16]).obs
    assert obs.shape == (3, 38)
    # North, south, east, west, north-east, south-west, south-east, north-west.
    np.testing.assert_array_equal(obs[0, 4:12], [1, 0, 1, 1, 1, 1, 0, 1])


def test_terrain_heights_are_starcrafts():
    """On a ramp of 2c_vs_64zg, cell (6, 13): 1 blocked, 8 low, 9 ramp, 10 high, from -16 to 16; 1 off the map."""
    env = Combat("2c_vs_64zg", obs_pathing_grid=True, obs_terrain_height=True)
    first = env.init(KEY, env.default_params())
    obs = seen(env, x=first.x.at[:2].set(jnp.array([6.5, 0.5])), y=first.y.at[:2].set(jnp.array([13.5, 9.5]))).obs
    blocked, low, ramp, high = 17 / 32, 24 / 32, 25 / 32, 26 / 32
    np.testing.assert_array_equal(obs[0, 12:21], [ramp, low, high, low, high, low, low, ramp, ramp])
    np.testing.assert_array_equal(obs[1, 12:21], [low, blocked, low, 1, low, 1, low, 1, low])
    assert obs.shape == (2, 332 + 8 + 9)


def test_an_agents_own_state_holds_everybody():
    """3m as HARL's state type FP: 2 mates of 17 numbers, 3 enemies of 8, 4 moves, 16 of its own, 3 of its index."""
    env = Combat("3m", state_kind="agent_specific")
    assert env.spec.state_dim == 3 * 81 and env.spec.agent_states
    state = seen(env, **PLACES, health=[45, 9, 45, 45, 45, 0], cooldown=[0, 7.5 / 16, 0, 0, 0, 0]).state.reshape(3, 81)
    mates, enemies, rest = state[0, :34].reshape(2, 17), state[0, 34:58].reshape(3, 8), state[0, 58:]
    # Ally 1: seen, 2 cells east, 7.5 of 15 ticks to its next shot, a fifth of its health, 4 cells west of the centre.
    np.testing.assert_allclose(mates[0], [1, 2 / 9, 2 / 9, 0, 0.5, 0.2, -4 / 32, 0, *np.eye(9)[6]], rtol=1e-6)
    # Ally 2, 20 east and 8 north: out of sight, and in the state.
    far = [0, np.hypot(20, 8) / 9, 20 / 9, 8 / 9, 0, 1, 14 / 32, 8 / 32, *np.eye(9)[1]]
    np.testing.assert_allclose(mates[1], far, rtol=1e-6)
    np.testing.assert_allclose(enemies[0], [1, 4 / 9, 4 / 9, 0, 1, 1, -2 / 32, 0], rtol=1e-6)
    np.testing.assert_allclose(enemies[1], [0, 15 / 9, 15 / 9, 0, 0, 1, 9 / 32, 0], rtol=1e-6)
    assert not enemies[2].any()  # dead
    np.testing.assert_allclose(rest, [1, 1, 1, 1, 1, 0, 0, 0, 1, -6 / 32, 0, *np.eye(9)[4], 1, 0, 0], rtol=1e-6)


def test_of_a_dead_agents_state_index_and_clock_are_left():
    env = Combat("3m", state_kind="agent_specific", state_timestep_number=True)
    state = seen(env, **PLACES, health=[45, 45, 0, 45, 45, 45]).state.reshape(3, 82)
    np.testing.assert_array_equal(state[2], [*np.zeros(78), 0, 0, 1, 0.25])
    assert not state[0, 17:34].any()  # nor do its mates hold it


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state_kind": "agent"}, "unknown state_kind 'agent'; did you mean 'agent_specific'?"),
        ({"obs_last_action": "yes"}, "obs_last_action='yes' is neither True nor False"),
        ({"partial_sight": "yes"}, "partial_sight='yes' is neither True nor False"),
        ({"sequential_deaths": "no"}, "sequential_deaths='no' is neither True nor False"),
        ({"conic_fov": True}, "conic_fov=True contradicts partial_sight=False"),
        ({"num_fov_actions": 6}, "num_fov_actions=6 without a cone"),
        ({"conic_fov": True, "partial_sight": True, "num_fov_actions": 1}, "num_fov_actions=1 is no number"),
        ({"reward": "spars"}, "unknown reward 'spars'; did you mean 'sparse'?"),
        ({"storage": "uint16"}, "unknown storage 'uint16'; did you mean 'uint8'?"),
    ],
)
def test_what_a_flag_cannot_be_is_said_in_one_line(unchecked, fields, said):
    with pytest.raises(InputError) as raised:
        Combat("3m", **fields)
    assert said in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("number", "switch"), [("prob_obs_enemy", {"partial_sight": True}), ("reward_negative_scale", {"reward": "signed"})]
)
def test_a_number_that_a_switch_gives_its_meaning_is_refused_without_it(number, switch):
    with pytest.raises(InputError, match=f"env.{number}=0.25 means nothing without env."):
        expand(Combat("3m"), "vdn", {f"env.{number}": 0.25}, 1)
    with pytest.raises(InputError, match=f"env.{number}=0.25 means nothing without env."):
        expand(AgentId(Combat("3m")), "vdn", {f"env.{number}": 0.25}, 1)
    assert expand(Combat("3m", **switch), "vdn", {f"env.{number}": 0.25}, 1)


@pytest.mark.parametrize("number", ["reward_kill", "reward_win", "reward_scale"])
def test_a_sparse_reward_has_no_numbers_to_set(number):
    with pytest.raises(InputError, match=f"env.{number}=3 means nothing with env.reward=sparse"):
        expand(Combat("3m", reward="sparse"), "vdn", {f"env.{number}": 3}, 1)
    assert expand(Combat("3m"), "vdn", {f"env.{number}": 3}, 1)


def test_a_sparse_reward_of_a_defeat_is_always_minus_1():
    with pytest.raises(InputError, match=r"env\.reward_defeat=-5 means nothing with env.reward=sparse"):
        expand(Combat("3m", reward="sparse"), "vdn", {"env.reward_defeat": -5}, 1)


@pytest.mark.parametrize("name", ["2s3z", "MMM", "terran_5_vs_5"])
def test_sizes_with_every_flag(name):
    """Shapes of the view are those of the spec, whatever is switched on; nothing is run."""
    flags = dict.fromkeys(("obs_last_action", "obs_timestep_number", "obs_pathing_grid", "obs_terrain_height"), True)
    for kind in ("global", "agent_specific"):
        env = Combat(name, **flags, state_timestep_number=True, state_kind=kind, partial_sight=True, conic_fov=True)
        params, spec = env.default_params(), env.spec
        view = jax.eval_shape(lambda key, env=env, params=params: env.observe(env.init(key, params), params), KEY)
        n, mates = spec.n_agents, spec.n_agents - 1
        assert view.obs.shape == (n, spec.obs_dim) and view.state.shape == (spec.state_dim,)
        assert view.avail.shape == (n, spec.n_actions)
        plain = Combat(name).spec
        assert spec.n_actions == plain.n_actions + 12
        # Last actions of mates, 8 cells, 9 heights, the direction, the clock.
        assert spec.obs_dim == plain.obs_dim + mates * spec.n_actions + 8 + 9 + 2 + 1
        if kind == "global":  # directions, longer last actions, the clock
            assert spec.state_dim == plain.state_dim + n * 2 + n * 12 + 1


def test_flags_survive_run_json():
    env = Combat("3m", obs_last_action=True, state_kind="agent_specific", reward="sparse")
    assert from_json(json.loads(json.dumps(to_json(env)))) == env != Combat("3m")
