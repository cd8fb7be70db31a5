"""Replay stores less than learners read, and gives all of it back."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Rollout
from jaxvf.algorithms import make
from jaxvf.envs import AgentId, Combat, LastAction
from jaxvf.training import make_program
from jaxvf.value.replay import Replay


def rollout_of(spec, key):
    keys = jax.random.split(key, 3)
    frames, batch = 3, 4
    obs = jax.random.normal(keys[0], (frames, batch, spec.n_agents, spec.obs_dim))
    obs = obs.at[..., -spec.n_agents :].set(jnp.eye(spec.n_agents))
    avail = jax.random.bernoulli(keys[1], 0.5, (frames, batch, spec.n_agents, spec.n_actions))
    blank = jnp.zeros((frames - 1, batch))
    return Rollout(obs, blank, avail, blank, blank, blank, blank, blank)


def test_what_was_packed_comes_back():
    """27m_vs_30m: 36 actions in 5 bytes, 27 index features gone; exact."""
    spec = AgentId(Combat("27m_vs_30m")).spec
    assert spec.n_actions == 36
    replay, rollout = Replay(spec, 4, 2), rollout_of(spec, jax.random.key(0))
    stored = replay.packed(rollout)
    assert stored.avail.shape[-1] == 5 and stored.avail.dtype == jnp.uint8
    assert stored.obs.shape[-1] == spec.obs_dim - 27
    chex.assert_trees_all_equal(replay.unpacked(stored), rollout)


def test_indices_below_another_feature_are_stored():
    """Only at the end of an observation are they known to be."""
    assert AgentId(Combat("3m")).spec.agent_ids and not LastAction(AgentId(Combat("3m"))).spec.agent_ids


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2), ("uint8", 1)])
def test_the_ring_has_the_predicted_bytes(dtype, size):
    """8m, 121 frames, 14 actions, last action appended: shapes alone, nothing is run."""
    algorithm = dataclasses.replace(make("qmix"), buffer_size=16, batch_size=8, replay="episodes")
    env = Combat("8m", storage=dtype)
    program = make_program(env, algorithm, env_steps=1, test_interval=1, test_episodes=1, root=0)
    ring = jax.eval_shape(program.init_run, algorithm, env.default_params(), jnp.int32(0)).memory.ring
    frame = 8 * ((80 + 14) * size + 2) + 168 * size
    views = sum(np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in (ring.obs, ring.state, ring.avail))
    assert views == 16 * 121 * frame


def test_features_in_bytes_come_back_within_half_a_step():
    """What the ring holds in uint8 is read as float32, index and last action included."""
    spec = AgentId(LastAction(Combat("3m", storage="uint8"))).spec
    replay, rollout = Replay(spec, 4, 2), rollout_of(spec, jax.random.key(0))
    rollout = rollout._replace(
        obs=jnp.clip(rollout.obs, 0.0, 1.0).at[..., spec.n_actions :].set(rollout.obs[..., spec.n_actions :] > 0),
        state=jnp.full((*rollout.obs.shape[:2], spec.state_dim), 0.25),
    )
    kept = rollout._replace(obs=spec.obs_storage.stored(rollout.obs), state=spec.state_storage.stored(rollout.state))
    stored = replay.packed(kept)
    assert stored.obs.dtype == stored.state.dtype == jnp.uint8
    back = replay.unpacked(stored)
    assert back.obs.dtype == back.state.dtype == jnp.float32
    chex.assert_trees_all_close(back.obs, rollout.obs, atol=0.5 / 127)
    chex.assert_trees_all_close(back.state, rollout.state, atol=1.0 / 255)
