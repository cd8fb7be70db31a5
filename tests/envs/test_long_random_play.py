"""Real-valued games stay finite over 100,000 steps of random play."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import make
from jaxvf.envs.check_play import random_actions
from jaxvf.envs.protocol import where_done

NAMES = (
    "football/academy_3_vs_1_with_keeper", "football/academy_counterattack_easy", "football/academy_counterattack_hard",
    "intersection",
)  # fmt: skip
ENVS, STEPS = 400, 250


@pytest.mark.parametrize("name", NAMES)
def test_100_000_steps_of_random_play_are_finite(name):
    env = make(name)
    params = env.default_params()

    def step(states, key):
        act_key, step_key, init_key = jax.random.split(key, 3)
        view = env.observe_batch(states, params)
        states, outcome = env.transition_batch(step_key, states, random_actions(env.spec, act_key, view.avail), params)
        numbers = [*view[:2], outcome.reward, *outcome.metrics.values(), *jax.tree.leaves(states)]
        finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in numbers]).all()
        return where_done(outcome.done, env.init_batch(init_key, params, ENVS), states), (finite, outcome.done.sum())

    def played(key):
        first_key, play_key = jax.random.split(key)
        return jax.lax.scan(step, env.init_batch(first_key, params, ENVS), jax.random.split(play_key, STEPS))[1]

    finite, ends = jax.tree.map(np.asarray, jax.jit(played)(jax.random.key(0)))
    assert finite.all() and finite.size * ENVS == 100_000
    assert ends.sum() >= ENVS  # episodes do end
