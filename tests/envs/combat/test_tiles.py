"""Battles a tile at a time are the battles all at once, number by number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import Combat
from jaxvf.envs.check_play import random_actions
from jaxvf.envs.combat import tiles
from jaxvf.envs.combat.tiles import in_tiles, tile_size

STEPS = 30


def test_a_tile_divides_the_battles_and_its_pairs_fit():
    assert tile_size(1024, 57) == 64  # 57 x 57 x 4 bytes x 80 battles are 1 MiB, and 64 divides 1,024
    assert tile_size(1024, 6) == 1024  # 3m: all at once
    assert tile_size(81, 57) == 27
    assert tile_size(83, 57) == 83  # a prime: tiles of one battle would be too small
    assert tile_size(7, 1000) == 1  # not even one fits


def test_what_all_battles_share_is_not_cut():
    shared, own = jnp.asarray([[10.0]]), jnp.arange(6.0).reshape(1, 6)
    seen = []

    def play(shared, own):
        seen.append((shared.shape, own.shape))
        return {"sum": shared + own, "largest": own.max(axis=0)}

    played = in_tiles(play, 2, shared, own)
    assert seen == [((1, 1), (1, 2))]
    np.testing.assert_array_equal(played["sum"], [[10, 11, 12, 13, 14, 15]])
    np.testing.assert_array_equal(played["largest"], own[0])


@pytest.mark.parametrize("name", ["2s3z", "protoss_5_vs_5"])  # kinds that all battles share, and drawn ones
def test_a_step_in_tiles_is_the_step(monkeypatch, name):
    env, battles = Combat(name), 6
    params = env.default_params()

    def step(states, key):
        acting, stepping = jax.random.split(key)
        actions = random_actions(env.spec, acting, env.observe_batch(states, params).avail)
        return env.transition_batch(stepping, states, actions, params)

    start, *keys = jax.random.split(jax.random.key(0), STEPS + 1)
    play = jax.jit(lambda: jax.lax.scan(step, env.init_batch(start, params, battles), jnp.stack(keys)))
    states, before = play()
    assert (before.reward != 0).mean() > 0.2  # they fight
    whole = jax.jit(step)(states, start)
    n_units = states.x.shape[1]
    monkeypatch.setattr(tiles, "PAIR_BYTES", 2 * 4 * n_units**2)
    assert tile_size(battles, n_units) == 2
    tiled = jax.jit(lambda states, key: step(states, key))(states, start)
    # Not to the last bit: the compiler vectorizes other lengths otherwise.
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=1e-5), whole, tiled)
    assert not np.allclose(whole[0].x, states.x, atol=1e-3)
