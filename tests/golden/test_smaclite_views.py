"""What SMAClite's agents see: its recorded states, loaded, give its observations, states and masks."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.smaclite import Smaclite

QUICK = {"xla_backend_optimization_level": 0}
RECORDED = np.load(Path(__file__).with_name("smaclite_views.npz"))
FIELDS = ("x", "y", "health", "shield", "cooldown", "energy", "delay")


@pytest.fixture(scope="module", params=["2s3z", "3s_vs_5z", "corridor"])
def battle(request):
    """The environment, and the recording of play 0 by name."""
    names = ("units", "actions", "obs", "state", "avail")
    found = {name: RECORDED[f"{request.param}/0/{name}"] for name in names}
    return Smaclite(request.param), found | {"walkable": np.unpackbits(RECORDED[f"{request.param}/walkable"])}


def test_views_of_recorded_states_are_equal(battle):
    env, recorded = battle
    params = env.default_params()
    units, actions = recorded["units"], recorded["actions"].astype(np.int32)
    before = np.concatenate([np.full_like(actions[:1], -1), actions])
    states = env.init_batch(jax.random.key(0), params, len(units))._replace(
        last_action=jnp.asarray(before), **{name: jnp.asarray(units[..., i]) for i, name in enumerate(FIELDS)}
    )
    view = jax.jit(env.observe_batch, compiler_options=QUICK)(states, params)
    assert (units[-1, :, 2] <= 0).any()  # somebody is dead
    np.testing.assert_allclose(view.obs, recorded["obs"], atol=1e-5)
    np.testing.assert_allclose(view.state, recorded["state"], atol=1e-5)
    np.testing.assert_array_equal(view.avail, recorded["avail"])


def test_battles_start_where_they_were_recorded_to(battle):
    env, recorded = battle
    state = env.init_batch(jax.random.key(0), env.default_params(), 1)
    for name, values in zip(FIELDS, recorded["units"][0].T, strict=True):  # to the last bit
        np.testing.assert_array_equal(getattr(state, name)[0], values, err_msg=name)
    np.testing.assert_array_equal(env.battle.ground.table.ravel() > 0, recorded["walkable"])
