"""Rollouts: first frames, ends, padding, final views, restarts and sums, on a counting environment."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from counting import Counting, CountingParams

from jaxvf.envs.wrappers import EpisodeStatistics
from jaxvf.training.evaluation import evaluate
from jaxvf.training.rollout import Collector, Player


def count_frames(carry, view, states, key):
    """A policy that never ends the episode and counts its frames."""
    return jnp.zeros(view.obs.shape[:-1], jnp.int32), carry + 1, carry


def collector(*, restart, steps=5):
    """Three environments, rollouts of so many steps and a final view."""
    return Collector(Player(EpisodeStatistics(Counting()), 3, restart), steps, final_view=True)


@pytest.fixture(scope="module")
def play():
    """One compiled rollout of whole episodes for all tests; arguments are (end, limit)."""
    plays = collector(restart=False)

    @jax.jit
    def run(end, limit, key):
        params = CountingParams(end=end, limit=limit)
        stage = plays.player.begin(params, jnp.zeros((3, 2, 1)), key)
        rollout, _, sums = plays.play(params, count_frames, stage, key)
        return rollout, sums

    return lambda end, limit: run(jnp.int32(end), jnp.int32(limit), jax.random.key(0))


@pytest.fixture(scope="module")
def play_on():
    """Two compiled rollouts one after the other, in which episodes make room for the next."""
    plays = collector(restart=True)

    @jax.jit
    def run(end, limit, key):
        params = CountingParams(end=end, limit=limit)
        stage = plays.player.begin(params, jnp.zeros((3, 2, 1)), key)
        first, stage, sums = plays.play(params, count_frames, stage, key)
        second, _, _ = plays.play(params, count_frames, stage, jax.random.fold_in(key, 1))
        return first, second, sums

    return lambda end, limit: run(jnp.int32(end), jnp.int32(limit), jax.random.key(0))


def test_termination_pads_the_rest_and_shows_the_final_view(play):
    """Ended after 3 of 5 steps: rewards 1, 2, 3, then nothing; frames 3, 4, 5 all show the final view."""
    episodes, sums = play(3, 5)
    np.testing.assert_array_equal(episodes.reward[:, 0], [1, 2, 3, 0, 0])
    np.testing.assert_array_equal(episodes.filled[:, 0], [True, True, True, False, False])
    np.testing.assert_array_equal(episodes.terminated[:, 0], [False, False, True, False, False])
    assert not episodes.truncated.any()
    np.testing.assert_array_equal(episodes.obs[:, 0, 0, 0], [0, 1, 2, 3, 3, 3])
    expected = {"episode_return": 18, "episode_length": 9, "steps": 9, "episodes": 3}
    assert {name: float(sums[name]) for name in expected} == expected


def test_limit_truncates_after_exactly_that_many_steps(play):
    """A limit below the longest: the step is cut, not terminated, and the frame after it is the view it led to."""
    episodes, _ = play(99, 4)
    np.testing.assert_array_equal(episodes.truncated[:, 0], [False, False, False, True, False])
    assert not episodes.terminated.any()
    np.testing.assert_array_equal(episodes.obs[:, 0, 0, 0], [0, 1, 2, 3, 4, 4])


def test_the_whole_limit_is_used_and_ends_truncated(play):
    """Never ending by itself: exactly `limit_max` steps, the last one cut, one more frame than steps."""
    episodes, sums = play(99, 5)
    assert episodes.obs.shape[0] == 6 and episodes.reward.shape[0] == 5
    np.testing.assert_array_equal(episodes.truncated[:, 1], [False] * 4 + [True])
    assert float(sums["episode_length"]) == 15


def test_environments_are_independent(play):
    """Each of B environments starts from a key of its own."""
    episodes, _ = play(3, 5)
    assert len(np.unique(episodes.obs[0, :, 0, 1])) > 1


def test_a_terminated_episode_makes_room_at_once(play_on):
    """Episodes of 3: no frame is padding, the sixth frame is the third of the second episode and was not acted in."""
    first, second, sums = play_on(3, 5)
    np.testing.assert_array_equal(first.obs[:, 0, 0, 0], [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(first.started[:, 0], [True, False, False, True, False, False])
    np.testing.assert_array_equal(first.reward[:, 0], [1, 2, 3, 1, 2])
    np.testing.assert_array_equal(first.terminated[:, 0], [False, False, True, False, False])
    assert first.filled.all() and float(sums["steps"]) == 15 and float(sums["episodes"]) == 3
    # The next rollout goes on where this one stood, in the same episode.
    np.testing.assert_array_equal(second.obs[:, 0, 0, 0], [2, 0, 1, 2, 0, 1])
    np.testing.assert_array_equal(second.obs[0, 0, 0, 1], first.obs[5, 0, 0, 1])
    assert not second.started[0].any()


def test_a_cut_off_episode_shows_its_final_view_first(play_on):
    """Cut after 3: frame 3 shows where the third step led and no step is taken in it; then the next episode begins."""
    first, second, sums = play_on(99, 3)
    np.testing.assert_array_equal(first.obs[:, 0, 0, 0], [0, 1, 2, 3, 0, 1])
    np.testing.assert_array_equal(first.truncated[:, 0], [False, False, True, False, False])
    np.testing.assert_array_equal(first.filled[:, 0], [True, True, True, False, True])
    np.testing.assert_array_equal(first.started[:, 0], [True, False, False, False, True, False])
    np.testing.assert_array_equal(first.reward[:, 0], [1, 2, 3, 0, 1])
    assert float(sums["steps"]) == 12 and float(sums["episode_return"]) == 18
    np.testing.assert_array_equal(second.obs[:, 0, 0, 0], [1, 2, 3, 0, 1, 2])


def test_memory_is_zero_where_an_episode_begins_and_goes_on_elsewhere(play_on):
    """The carry counts an episode's frames; the rollout stores what it was before its first."""
    first, second, _ = play_on(3, 5)
    np.testing.assert_array_equal(first.extras[:, 0, 0, 0], [0, 1, 2, 0, 1, 2])
    assert first.carry.shape == (1, 3, 2, 1) and not first.carry.any()
    np.testing.assert_array_equal(second.carry[0, :, :, 0], np.full((3, 2), 2))
    np.testing.assert_array_equal(second.extras[:, 0, 0, 0], [2, 0, 1, 2, 0, 1])


class Mixed:
    """A greedy learner in whose first environment agent 0 ends the episode at its second step."""

    def initial_carry(self, batch):
        return jnp.zeros((*batch, 1))

    def greedy(self, params, carry, view):
        ends = (jnp.arange(3) == 0) & (view.obs[:, 0, 0] == 1)
        return jnp.stack([ends.astype(jnp.int32), jnp.zeros(3, jnp.int32)], axis=-1), carry


def test_evaluation_averages_whole_episodes_and_ends_with_the_last():
    """Lengths 2, 4, 4: each episode counts once, however long; returns 3, 10, 10."""
    jax.tree_util.register_static(Mixed)
    params = CountingParams(end=jnp.full(2, 4), limit=jnp.full(2, 5))
    keys = jax.random.split(jax.random.key(0), 2)
    text = str(jax.make_jaxpr(lambda: evaluate(Mixed(), {}, Counting(), params, keys, 3))())
    tested = jax.jit(lambda: evaluate(Mixed(), {}, Counting(), params, keys, 3))()
    np.testing.assert_allclose(tested["test_length"], [10 / 3] * 2, rtol=1e-6)
    np.testing.assert_allclose(tested["test_return"], [23 / 3] * 2, rtol=1e-6)
    # One loop for both runs, whose condition is one number.
    assert text.count(" while[") == 1
