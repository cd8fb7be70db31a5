"""The intersection is highway-env 1.12.1, step by step, over whole episodes."""

import jax
import numpy as np
import pytest
from highway_cases import LIMIT, play_all, recorded, scripts
from intersection_cases import exact, play, start

from jaxvf.envs import Intersection

ENV = Intersection()


@pytest.fixture(scope="module")
def episodes():
    return recorded()


def ours(episodes, number, params, dtype):
    first = start(episodes.way[number], episodes.along[number], params, dtype)
    states, outcome, _ = play(ENV, first, episodes.actions[number], params)
    length = episodes.length[number]
    pose = np.concatenate([states.position, states.heading[..., None], states.speed[..., None]], axis=-1)
    return pose[:length], states.crashed[:length], jax.tree.map(lambda leaf: leaf[:length], outcome)


def test_recorded_episodes_end_in_every_way(episodes):
    crashes = episodes.crashed.any(axis=(1, 2))
    arrivals = episodes.arrived.all(axis=2).any(axis=1)
    assert crashes.sum() >= 3 and (arrivals & ~crashes).sum() >= 3 and episodes.truncated.sum() >= 1
    assert episodes.length.sum() > 400 and episodes.length.max() == LIMIT


def test_whole_episodes_equal_those_of_highway_env_to_a_micrometre(episodes):
    """In float64, as highway-env computes: float32 cannot tell places 4 micrometres apart where cars start."""
    with jax.enable_x64(True):
        params = exact(ENV.default_params())
        for number, length in enumerate(episodes.length):
            pose, crashed, outcome = ours(episodes, number, params, np.float64)
            np.testing.assert_allclose(pose, episodes.pose[number, :length], rtol=0, atol=1e-6)
            np.testing.assert_array_equal(crashed, episodes.crashed[number, :length])
            check_ends(episodes, number, outcome)


def test_in_float32_they_stay_within_a_tenth_of_a_millimetre(episodes):
    for number, length in enumerate(episodes.length):
        pose, crashed, outcome = ours(episodes, number, ENV.default_params(), np.float32)
        np.testing.assert_allclose(pose, episodes.pose[number, :length], rtol=0, atol=1e-4)
        np.testing.assert_array_equal(crashed, episodes.crashed[number, :length])
        check_ends(episodes, number, outcome)


def check_ends(episodes, number, outcome):
    """Episodes end when and as highway-env's do; the reward is POW's."""
    length, crash = episodes.length[number], episodes.crashed[number].any()
    assert not outcome.terminated[: length - 1].any() and not outcome.truncated[: length - 1].any()
    assert outcome.terminated[-1] == episodes.terminated[number]
    assert outcome.truncated[-1] == (episodes.truncated[number] and not episodes.terminated[number])
    won = episodes.arrived[number, length - 1].all() and not crash
    assert (outcome.metrics["won"][-1], outcome.metrics["crashed"][-1]) == (won, crash)
    assert outcome.reward.tolist() == [-1.0] * (length - 1) + [-100.0 if crash else 99.0 if won else -1.0]


def test_the_record_is_what_the_package_does(episodes):
    pytest.importorskip("highway_env", reason="highway-env is not installed")
    some = slice(0, None, 4)  # the package takes seconds for an episode
    again = play_all(list(scripts())[some])
    for name, value in again._asdict().items():
        np.testing.assert_allclose(value, getattr(episodes, name)[some], rtol=0, atol=1e-9, err_msg=name)


def test_random_play_equals_the_package(episodes):
    pytest.importorskip("highway_env", reason="highway-env is not installed")
    rng = np.random.default_rng(7)
    actions = rng.choice(3, (3, LIMIT, 4), p=(0.2, 0.3, 0.5)).astype(np.int8)
    cases = [(rng.integers(0, 3, 4), rng.normal(65, 5, 4), script) for script in actions]
    fresh = play_all(cases)
    with jax.enable_x64(True):
        params = exact(ENV.default_params())
        for number, length in enumerate(fresh.length):
            pose, crashed, _ = ours(fresh, number, params, np.float64)
            np.testing.assert_allclose(pose, fresh.pose[number, :length], rtol=0, atol=1e-6)
            np.testing.assert_array_equal(crashed, fresh.crashed[number, :length])
