"""Open-loop control: an observation of the step and the index alone."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_wrappers import ENVS, KEY, RandomClock, played

from jaxvf.envs import AutoReset, Combat, MatrixGame, OpenLoop, TwoStepGame, check_env
from jaxvf.serialize import from_json, to_json


def test_the_observation_is_the_step_and_the_index_and_begins_anew_with_every_episode():
    """Episodes of three steps: after seven of them steps 1, 2, 0, 1, 2, 0, 1 are next, whatever the clock shows."""
    first, _, view = played(OpenLoop(RandomClock(limit_max=3)), steps=7)
    np.testing.assert_array_equal(first.obs, [[[1, 0, 0, 1, 0], [1, 0, 0, 0, 1]]] * ENVS)
    wanted = np.eye(3)[[1, 2, 0, 1, 2, 0, 1]]
    np.testing.assert_array_equal(view.obs[..., :3], np.broadcast_to(wanted[:, None, None], (7, ENVS, 2, 3)))
    np.testing.assert_array_equal(view.obs[..., 3:], np.broadcast_to(np.eye(2), (7, ENVS, 2, 2)))


def test_nothing_else_changes():
    """State, masks, who lives, and what a step did are those of the environment inside."""
    inner, wrapped = played(RandomClock()), played(OpenLoop(RandomClock()))
    chex.assert_trees_all_equal(inner[1], wrapped[1])
    for before, after in ((inner[0], wrapped[0]), (inner[2], wrapped[2])):
        chex.assert_trees_all_equal(before._replace(obs=0), after._replace(obs=0))


def test_the_view_after_the_last_step_shows_no_step():
    env = OpenLoop(RandomClock(limit_max=1))
    actions = jnp.zeros((ENVS, 2), jnp.int32)
    _, _, view, final = AutoReset(env, keep_final=True).step(KEY, env.init_batch(KEY, (), ENVS), actions, ())
    assert not final.obs[..., 0].any() and view.obs[..., 0].all()


def test_a_view_that_all_share_stays_shared():
    """Matrix games look alike in all environments; so do two plans of theirs at the same step."""
    env = OpenLoop(MatrixGame(np.eye(2)))
    params = env.default_params()
    states = env.init_batch(KEY, params, ENVS)
    assert env.spec.fixed_view
    assert env.observe_batch(states, params).obs.tolist() == [[[1, 1, 0], [1, 0, 1]]]


@pytest.mark.parametrize("inner", [TwoStepGame(), RandomClock(), MatrixGame(np.eye(3))])
def test_it_keeps_the_contract(inner):
    check_env(OpenLoop(inner))


def test_a_battle_shows_nothing_of_itself_and_survives_run_json():
    """Two battles that began differently look alike; one environment is a batch of one."""
    env = OpenLoop(Combat("3m"))
    params = env.default_params()
    one, other = (env.init(jax.random.key(seed), params) for seed in (1, 2))
    assert (one.inner.x != other.inner.x).any()
    chex.assert_trees_all_equal(env.observe(one, params).obs, env.observe(other, params).obs)
    assert env.spec.obs_dim == 60 + 3 and env.spec.agent_ids
    assert from_json(to_json(env)) == env
