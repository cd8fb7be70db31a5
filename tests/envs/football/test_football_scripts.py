"""Whole episodes of scripts: alone one loses, with passes one scores."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.football import SCRIPTS, Football

EPISODES = 2048
STEPS = {"solo": 90}  # after which every episode is over; the other scripts may reach the limit
ENV = Football()
GOAL_RATES = {"random": 0.022, "solo": 0.052, "passing": 0.613}  # 1,024 episodes of a prototype of these rules
ENDS = {"random": (0.31, 0.67), "solo": (0.93, 0.01), "passing": (0.33, 0.06)}  # lost and out, as the page tells


def statistics(env, name, params):
    """Of each episode whether it ends with a goal, a lost ball, a ball out of play, at the limit; and its return."""
    script = SCRIPTS[name]
    init_key, play_key = jax.random.split(jax.random.key(0))

    def step(carry, key):
        states, running, sums = carry
        act_key, step_key = jax.random.split(key)
        actions = jax.vmap(script)(jax.random.split(act_key, EPISODES), states)
        moved, outcome = env.transition_batch(step_key, states, actions, params)
        told = jnp.stack(
            [*(outcome.metrics[name] for name in ("won", "lost", "out")), outcome.truncated, outcome.reward]
        )
        return (moved, running & ~outcome.done, sums + jnp.where(running, told, 0.0)), None

    first = env.init_batch(init_key, params, EPISODES), jnp.ones(EPISODES, bool), jnp.zeros((5, EPISODES))
    return jax.lax.scan(step, first, jax.random.split(play_key, STEPS.get(name, env.limit_max)))[0][2]


@pytest.fixture(scope="module")
def measured():
    """What became of a script's episodes, for any numbers; each is played once."""
    programs = {name: jax.jit(functools.partial(statistics, ENV, name)) for name in SCRIPTS}

    @functools.cache
    def told(name, **numbers):
        changed = {key: jnp.float32(to) for key, to in numbers.items()}
        return np.asarray(programs[name](dataclasses.replace(ENV.default_params(), **changed)))

    return told


@pytest.mark.parametrize("script", SCRIPTS)
def test_goal_rates_are_those_of_the_prototype_within_3_points(measured, script):
    told = measured(script)
    assert abs(told[0].mean() - GOAL_RATES[script]) < 0.03 and told[0].any()
    np.testing.assert_allclose(told[1:3].mean(axis=1), ENDS[script], atol=0.03)
    assert set(told[4].tolist()) == {-1.0, 100.0}  # the return of every episode of CDS
    np.testing.assert_array_equal(told[4] == 100, told[0] == 1)


def test_solo_runs_lose_the_ball_and_passes_keep_it(measured):
    alone, together = measured("solo").mean(axis=1), measured("passing").mean(axis=1)
    assert alone[1] > 0.85 and together[1] < 0.4
    assert alone[0] < 0.1 < 0.5 < together[0]


def test_more_tackles_and_more_saves_mean_fewer_goals(measured):
    by_tackles = [measured("solo", tackle_hazard=rate)[0].mean() for rate in (0.0, 2.2, 8.0)]
    assert by_tackles[0] > by_tackles[1] > by_tackles[2]
    by_saves = [measured("passing", save_chance=chance)[0].mean() for chance in (0.0, 0.4, 1.0)]
    assert by_saves[0] > by_saves[1] > by_saves[2]


def test_a_counterattack_is_not_won_alone():
    env = Football("academy_counterattack_hard")
    told = np.asarray(jax.jit(lambda: statistics(env, "solo", env.default_params()))()).mean(axis=1)
    assert told[0] < 0.15 and told[1] > 0.6
