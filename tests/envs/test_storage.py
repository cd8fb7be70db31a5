"""What a byte keeps of a feature."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs.combat import Combat
from jaxvf.envs.storage import FRACTION, SIGNED, Span, Storage


def kept(storage, *features):
    features = jnp.array([features], jnp.float32)
    stored = storage.stored(features)
    assert stored.dtype == storage.dtype
    return np.asarray(storage.read(stored))[0]


def test_zero_and_the_ends_of_a_span_are_exact():
    spans = (FRACTION, FRACTION, SIGNED, SIGNED, SIGNED, Span(0.0, 2.0), Span(-0.5, 0.5))
    for ends in ([0, 1, -1, 0, 1, 2, -0.5], [1, 0, 1, 0, -1, 0, 0]):
        np.testing.assert_array_equal(kept(Storage("uint8", spans), *ends), ends)


def test_what_is_between_is_rounded_to_a_step():
    """0.3 is 76.5 steps of 1/255 from 0, kept as 76; 38.1 of 1/127, kept as 38. What is outside is clipped."""
    storage = Storage("uint8", (FRACTION, SIGNED, FRACTION, SIGNED))
    np.testing.assert_allclose(kept(storage, 0.3, 0.3, 1.5, -3.0), [76 / 255, 38 / 127, 1, -1], rtol=1e-6)


def test_without_spans_whole_numbers_are_kept_and_after_them_too():
    np.testing.assert_array_equal(kept(Storage("uint8"), 0, 7, 255), [0, 7, 255])
    np.testing.assert_array_equal(kept(Storage("uint8", (SIGNED,)), -1, 7, 255), [-1, 7, 255])
    np.testing.assert_allclose(kept(Storage("float32", (SIGNED,)), 0.123), [0.123])


def test_loss_is_what_rounding_does_not_explain():
    storage = Storage("uint8", (SIGNED, SIGNED))
    lost = storage.lost(jnp.array([[0.3, 1.5, 0.25]]))
    np.testing.assert_allclose(lost[0], [0, 0.5, 0.25], atol=1e-6)


def test_no_feature_of_a_battle_leaves_its_span():
    """Random play of a drawn battle with everything switched on: nothing is lost but rounding; bits are exact."""
    flags = dict.fromkeys(("obs_last_action", "obs_timestep_number", "obs_pathing_grid", "obs_terrain_height"), True)
    more = {"state_timestep_number": True, "state_kind": "agent_specific", "partial_sight": True, "conic_fov": True}
    env = Combat("terran_5_vs_5", storage="uint8", **flags, **more)
    params, spec = env.default_params(), env.spec
    assert spec.obs_spans and len(spec.obs_spans) == spec.obs_dim and len(spec.state_spans) == spec.state_dim

    def play(key):
        def step(states, key):
            view = env.observe_batch(states, params)
            chance = jnp.where(view.avail, jax.random.uniform(key, view.avail.shape), -1.0)
            moved, _ = env.transition_batch(key, states, chance.argmax(axis=-1).astype(jnp.int32), params)
            return moved, (view.obs, view.state)

        return jax.lax.scan(step, env.init_batch(key, params, 4), jax.random.split(key, 30))[1]

    obs, state = jax.jit(play)(jax.random.key(0))
    for features, storage in ((obs, spec.obs_storage), (state, spec.state_storage)):
        assert not storage.lost(features).any()
        step = 1 / np.array([span.scale for span in storage.spans])
        error = np.abs(storage.read(storage.stored(features)) - features)
        assert (error <= 0.5001 * step + 1e-6).all() and error.max() > 0
