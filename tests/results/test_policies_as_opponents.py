"""Trained policies play the other side of a battle, and come back from a file."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf import algorithms
from jaxvf.envs.combat import Combat
from jaxvf.errors import InputError
from jaxvf.results import learned_opponent
from jaxvf.results.policy import Policy
from jaxvf.serialize import from_json, to_json
from jaxvf.training import observed_by


@pytest.fixture(scope="module")
def policies():
    """Two untrained policies of 3m."""
    env, algorithm = Combat("3m"), algorithms.make("vdn")
    spec = observed_by(algorithm, env).spec
    return [Policy(env, algorithm, algorithm.init(jax.random.key(seed), spec).params) for seed in (0, 1)]


def test_a_policy_chooses_for_the_other_side_what_it_would_choose_itself(policies):
    """On the first state of 3m, which looks alike from both sides, its members do what they would do on this one."""
    env = Combat("3m", opponent=learned_opponent(policies))
    params = env.default_params()
    states = env.init_batch(jax.random.key(0), params, 1)
    x, y = states.x[:, :3], states.y[:, :3]
    states = states._replace(x=jnp.concatenate([x, 32 - x], axis=1), y=jnp.concatenate([y, 32 - y], axis=1))
    view = env.observe_batch(states, params)
    player = env.opponent.player
    scene = env._scene(states, params)
    for policy in policies:
        mine, memory = policy.act(view.obs[0], view.avail[0], policy.start())
        theirs, remembered = player.act(policy.params, view.obs, view.avail, player.start(1))
        np.testing.assert_array_equal(theirs[0], mine)
        np.testing.assert_allclose(remembered.last_action[0], memory.last_action)
        weights = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], policy.params)
        numbers = type(params)(opponent_weights=weights)
        kept, _ = env.opponent.decide(player.start(1), env.battle, scene, numbers)
        np.testing.assert_allclose(kept.last_action[0], memory.last_action)


def test_an_environment_with_learned_opponents_survives_run_json(policies):
    env = Combat("3m", opponent=learned_opponent(policies))
    back = from_json(json.loads(json.dumps(to_json(env))))
    for ours, theirs in zip(
        *(jax.tree.leaves(one.default_params().opponent_weights) for one in (env, back)), strict=True
    ):
        assert ours.shape[0] == 2
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_policies_of_different_shapes_make_no_population(policies):
    other = Policy(policies[0].env, policies[0].algorithm, jax.tree.map(lambda leaf: leaf[..., :1], policies[0].params))
    with pytest.raises(InputError, match="networks of one shape"):
        learned_opponent([policies[0], other])
    with pytest.raises(InputError, match="names no policy"):
        learned_opponent([])
    with pytest.raises(InputError, match="the other side of map 8m takes 8 agents"):
        Combat("8m", opponent=learned_opponent(policies))
