"""Replay stores less than learners read, and gives all of it back."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithms import make
from jaxvf.envs import AgentId, Combat, LastAction
from jaxvf.training import Program, for_algorithm, make_pace
from jaxvf.value import storage
from jaxvf.value.replay import Episodes


def episodes_of(spec, key):
    keys = jax.random.split(key, 3)
    frames, batch = 3, 4
    obs = jax.random.normal(keys[0], (frames, batch, spec.n_agents, spec.obs_dim))
    obs = obs.at[..., -spec.n_agents :].set(jnp.eye(spec.n_agents))
    avail = jax.random.bernoulli(keys[1], 0.5, (frames, batch, spec.n_agents, spec.n_actions))
    blank = jnp.zeros((frames - 1, batch))
    return Episodes(obs, blank, avail, blank, blank, blank, blank, blank)


def test_what_was_packed_comes_back():
    """27m_vs_30m: 36 actions in 5 bytes, 27 index features gone; exact."""
    spec = AgentId(Combat("27m_vs_30m")).spec
    assert spec.n_actions == 36
    episodes = episodes_of(spec, jax.random.key(0))
    stored = storage.packed(episodes, spec)
    assert stored.avail.shape[-1] == 5 and stored.avail.dtype == jnp.uint8
    assert stored.obs.shape[-1] == spec.obs_dim - 27
    back = storage.unpacked(stored, spec)
    np.testing.assert_array_equal(back.obs, episodes.obs)
    np.testing.assert_array_equal(back.avail, episodes.avail)


def test_indices_below_another_feature_are_stored():
    """Only at the end of an observation are they known to be."""
    assert AgentId(Combat("3m")).spec.agent_ids and not LastAction(AgentId(Combat("3m"))).spec.agent_ids


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2)])
def test_the_ring_has_the_predicted_bytes(dtype, size):
    """8m, 121 frames, 14 actions, last action appended: shapes alone, nothing is run."""
    algorithm = dataclasses.replace(make("qmix"), buffer_size=16, batch_size=8)
    env = for_algorithm(Combat("8m", storage=dtype), algorithm)
    program = Program(env, make_pace(algorithm, env.spec), 1, test_episodes=1, root=0)
    one = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], (algorithm, env.default_params()))
    replay = jax.eval_shape(program.init, *one, jnp.arange(1)).replay
    frame = 8 * ((80 + 14) * size + 2) + 168 * size
    views = sum(np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in (replay.obs, replay.state, replay.avail))
    assert views == 16 * 121 * frame
