"""Whole episodes: first frames, ends, padding, final views and totals, on a counting environment."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View, cut_at_limit
from jaxvf.hyperparameters import hyperparameters, traced
from jaxvf.training.rollout import rollout


@hyperparameters
class CountingParams:
    """When the episode ends by itself, and when the limit cuts it."""

    end: int = traced(np.int32(3), "steps after which the episode terminates")
    limit: int = traced(np.int32(5), "steps after which it is cut")


class CountingState(NamedTuple):
    """Steps so far."""

    t: jax.Array
    offset: jax.Array


@dataclasses.dataclass(frozen=True)
class Counting(Environment):
    """Two agents see the step count; reward is t + 1 at step t. Action 1 of agent 1 ends the episode early."""

    @property
    def spec(self):
        return EnvSpec("counting", 1, 2, 2, 2, 1, 5, ("steps",))

    def default_params(self):
        return jax.tree.map(jnp.asarray, CountingParams())

    def init(self, key, params):
        return CountingState(jnp.int32(0), jax.random.randint(key, (), 0, 100))

    def transition(self, key, state, actions, params):
        t = state.t + 1
        terminated = (t >= params.end) | (actions[0] == 1)
        outcome = Outcome(
            reward=t.astype(jnp.float32),
            terminated=terminated,
            truncated=cut_at_limit(terminated, t, params.limit),
            metrics={"steps": jnp.float32(1)},
        )
        return CountingState(t, state.offset), outcome

    def observe(self, state, params):
        seen = jnp.stack([state.t, state.offset]).astype(jnp.float32)
        return View(jnp.broadcast_to(seen, (2, 2)), seen[:1], jnp.ones((2, 2), bool), jnp.ones(2, bool))


def count_frames(carry, view, key):
    """A policy that never ends the episode and counts the frames it has seen."""
    return jnp.zeros(view.obs.shape[:-1], jnp.int32), carry + 1


@pytest.fixture(scope="module")
def play():
    """One compiled rollout of three environments for all tests; arguments are (end, limit)."""
    env = Counting()

    @jax.jit
    def run(end, limit, key):
        params = CountingParams(end=end, limit=limit)
        return rollout(env, params, count_frames, jnp.zeros((3, 2)), key, 3)

    return lambda end, limit: run(jnp.int32(end), jnp.int32(limit), jax.random.key(0))


def test_termination_pads_the_rest_and_shows_the_final_view(play):
    """Ended after 3 of 5 steps: rewards 1, 2, 3, then nothing; frames 3, 4, 5 all show the final view."""
    episodes, totals = play(3, 5)
    np.testing.assert_array_equal(episodes.reward[:, 0], [1, 2, 3, 0, 0])
    np.testing.assert_array_equal(episodes.filled[:, 0], [True, True, True, False, False])
    np.testing.assert_array_equal(episodes.terminated[:, 0], [False, False, True, False, False])
    assert not episodes.truncated.any()
    np.testing.assert_array_equal(episodes.obs[:, 0, 0, 0], [0, 1, 2, 3, 3, 3])
    np.testing.assert_array_equal(totals.episode_return, [6, 6, 6])
    np.testing.assert_array_equal(totals.episode_length, [3, 3, 3])
    np.testing.assert_array_equal(totals.metrics["steps"], [3, 3, 3])


def test_limit_truncates_after_exactly_that_many_steps(play):
    """A limit below the longest: the step is cut, not terminated, and the frame behind it is the view it led to."""
    episodes, _ = play(99, 4)
    np.testing.assert_array_equal(episodes.truncated[:, 0], [False, False, False, True, False])
    assert not episodes.terminated.any()
    np.testing.assert_array_equal(episodes.obs[:, 0, 0, 0], [0, 1, 2, 3, 4, 4])


def test_the_whole_limit_is_used_and_ends_truncated(play):
    """Never ending by itself: exactly `limit_max` steps, the last one cut, one more frame than steps."""
    episodes, totals = play(99, 5)
    assert episodes.obs.shape[0] == 6 and episodes.reward.shape[0] == 5
    np.testing.assert_array_equal(episodes.truncated[:, 1], [False] * 4 + [True])
    np.testing.assert_array_equal(totals.episode_length, [5, 5, 5])


def test_environments_are_independent(play):
    """Each of B environments starts from a key of its own."""
    episodes, _ = play(3, 5)
    assert len(np.unique(episodes.obs[0, :, 0, 1])) > 1


def test_totals_without_recording_are_the_same():
    """Evaluation plays the same episodes as collection, it only keeps less."""
    env, params, key = Counting(), Counting().default_params(), jax.random.key(1)
    carry = jnp.zeros((3, 2))
    _, recorded = rollout(env, params, count_frames, carry, key, 3)
    nothing, totals = rollout(env, params, count_frames, carry, key, 3, record=False)
    assert nothing is None
    jax.tree.map(np.testing.assert_array_equal, recorded, totals)


def test_a_policy_may_end_some_episodes_and_not_others():
    """Environment 1 ends at its first step; its neighbours go on, and it counts once with its own length."""

    def policy(carry, view, key):
        first = jnp.array([0, 1, 0])
        return jnp.stack([first, jnp.zeros(3, jnp.int32)], axis=-1), carry

    env = Counting()
    _, totals = rollout(env, env.default_params(), policy, None, jax.random.key(0), 3)
    np.testing.assert_array_equal(totals.episode_length, [3, 1, 3])
    means = totals.means("test")
    assert float(means["test_length"]) == pytest.approx(7 / 3)  # each episode once, however long
    assert float(means["test_return"]) == pytest.approx((6 + 1 + 6) / 3)
