"""Large battles are played a tile at a time on a CPU: the same battles, up to rounding."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs import Smax
from jaxvf.envs.combat import tiles


def test_a_step_in_tiles_is_the_step_of_all_battles_at_once(monkeypatch):
    """Eight battles of 2s3z, of which two at a time fit into what a tile may take."""
    env, battles, units = Smax("2s3z"), 8, 10
    params = env.default_params()
    states = env.init_batch(jax.random.key(0), params, battles)
    # In the midst of the other side, so that shots and pushes happen.
    states = states._replace(x=states.x * 0.3 + 10.0, y=states.y * 0.3 + 10.0)
    actions = jax.random.randint(jax.random.key(1), (battles, env.n_allies), 0, env.spec.n_actions)

    def played(pair_bytes):
        monkeypatch.setattr(tiles, "PAIR_BYTES", pair_bytes)
        step = jax.jit(lambda states: env.transition_batch(jax.random.key(2), states, actions, params))
        return tiles.tile_size(battles, units), step(states)

    (whole, together), (part, apart) = played(1 << 20), played(2 * 4 * units**2)
    assert (whole, part) == (8, 2)
    assert (together[0].health < states.health).any() and jnp.abs(together[0].x - states.x).max() > 0.1
    for one, other in zip(jax.tree.leaves(together), jax.tree.leaves(apart), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
