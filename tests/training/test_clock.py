"""The pace: when to write, when to update, when to compare."""

import dataclasses

import jax.numpy as jnp
import pytest

from jaxvf.errors import InputError
from jaxvf.training import Clock, Pace
from jaxvf.training.replayed import make_pace
from jaxvf.value import QLearning


def updates_per_iteration(pace: Pace, iterations: int) -> list[int]:
    """How many gradient updates each of the first iterations ends with."""
    return [int(pace.updates_after(Clock(jnp.int32(i), jnp.int32(0)))) for i in range(iterations)]


@pytest.mark.parametrize(("num_envs", "ratio", "expected"), [(2, 1.0, 2), (4, 1.0, 4), (8, 1 / 8, 1), (2, 2.0, 4)])
def test_updates_follow_episodes_not_environments(num_envs, ratio, expected):
    """Updates per collected episode is the hyperparameter: doubling num_envs doubles the updates of an iteration."""
    pace = make_pace(
        QLearning(num_envs=num_envs, updates_per_episode=ratio, batch_size=2, buffer_size=16), 1, sequences=False
    )
    assert updates_per_iteration(pace, 4)[1:] == [expected] * 3


def test_one_update_every_eight_episodes_from_one_environment():
    """1/8 with one environment: an update at iterations 8, 16, ..."""
    pace = make_pace(QLearning(num_envs=1, updates_per_episode=1 / 8, batch_size=2, buffer_size=16), 1, sequences=False)
    assert updates_per_iteration(pace, 17) == [int((i + 1) % 8 == 0) for i in range(17)]


def test_no_update_before_the_batch_is_stored():
    """With 2 environments and a batch of 6, the third iteration is the first that can learn."""
    pace = make_pace(QLearning(num_envs=2, batch_size=6, buffer_size=16), 1, sequences=False)
    assert updates_per_iteration(pace, 4) == [0, 0, 2, 2]


def test_learning_starts_delays_further():
    """`learning_starts` counts stored episodes."""
    pace = make_pace(QLearning(num_envs=2, batch_size=2, buffer_size=16, learning_starts=7), 1, sequences=False)
    assert updates_per_iteration(pace, 5) == [0, 0, 0, 2, 2]


def test_cursor_runs_around_the_ring():
    """Capacity 6, two episodes a write: slots 0, 2, 4, 0, ..."""
    pace = make_pace(QLearning(num_envs=2, batch_size=2, buffer_size=6), 1, sequences=False)
    assert [int(pace.cursor(Clock(jnp.int32(i), jnp.int32(0)))) for i in range(4)] == [0, 2, 4, 0]
    assert [int(pace.stored(Clock(jnp.int32(i), jnp.int32(0)))) for i in range(4)] == [2, 4, 6, 6]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"buffer_size": 5001}, ["buffer_size=5001", "num_envs=8", "5000"]),
        ({"batch_size": 64, "buffer_size": 32}, ["batch_size=64", "buffer_size=32"]),
        ({"learning_starts": 5008}, ["learning_starts=5008", "buffer_size=5000"]),
        ({"updates_per_episode": 0.3}, ["updates_per_episode=0.3", "num_envs=8"]),
        ({"updates_per_episode": 0.0}, ["updates_per_episode=0.0"]),
    ],
)
def test_contradictions_are_said_in_one_line(change, words):
    """The field, the value and a valid choice."""
    with pytest.raises(InputError) as error:
        make_pace(dataclasses.replace(QLearning(), **change), 1, sequences=False)
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in words)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 2),  # an update for every sequence, as PyMARL's for every episode
        ({"updates_per_episode": 0.5}, 1),
        ({"updates_per_step": 4 / 20}, 4),
        ({"updates_per_step": 1 / 40}, [0, 1, 0, 1]),
    ],
)
def test_updates_follow_the_steps_of_sequences(fields, expected):
    """Two environments, sequences of 10 steps: 20 steps an iteration."""
    learner = QLearning(num_envs=2, batch_size=2, buffer_size=16, **fields)
    pace = make_pace(learner, 10, sequences=True)
    expected = [expected] * 4 if isinstance(expected, int) else expected
    assert updates_per_iteration(pace, 4) == expected


def test_a_ratio_of_steps_that_fits_no_iteration_is_named():
    learner = QLearning(num_envs=2, batch_size=2, buffer_size=16, updates_per_step=0.07)
    with pytest.raises(InputError, match=r"updates_per_step=0.07 with num_envs=2 and sequence_length=10 gives 7/5"):
        make_pace(learner, 10, sequences=True)
