"""The plan: which runs share a program, how many run at once, and what they will hold in memory."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import MatrixGame
from jaxvf.errors import InputError
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.sweeps import Sweep, devices
from jaxvf.value import QLearning

SMALL = QLearning(
    mixer=VdnMixer(), agent=TabularAgent(), num_envs=2, buffer_size=16, batch_size=4, last_action=False, agent_id=False
)


def plan(chunk=None, **described):
    return Sweep(**{"env": "matrix_game/A", "algorithms": SMALL, "env_steps": 100, **described}).plan(chunk=chunk)


def test_a_grid_of_traced_fields_is_one_program():
    made = plan(grid={"learning_rate": [1e-4, 1e-3, 1e-2, 1e-1]}, seeds=64)
    assert len(made.groups) == 1
    assert (made.runs, len(made.groups[0].runs)) == (256, 256)


def test_games_of_one_shape_are_one_program():
    games = [f"matrix_game/{letter}" for letter in "ABCDEFG"]
    payoffs = np.random.default_rng(0).normal(size=(5, 3, 3))
    assert len(plan(env=games).groups) == 1
    assert len(plan(grid={"env.payoff": payoffs}).groups) == 1
    assert len(plan(env=[*games, MatrixGame(np.eye(2)), MatrixGame(np.zeros((3, 3, 3)))]).groups) == 3


def test_every_static_value_is_a_program():
    made = plan(grid={"batch_size": [2, 4, 8], "learning_rate": [1e-3, 1e-2]}, seeds=2)
    assert [len(group.runs) for group in made.groups] == [4, 4, 4]
    assert [{run.algorithm.batch_size for run in group.runs} for group in made.groups] == [{2}, {4}, {8}]
    assert len(plan(algorithms=("vdn", "iql")).groups) == 2
    assert len(plan(env="predator_prey", grid={"env.grid_size": [5, 6], "env.penalty": [-1, -2]}, algorithms="vdn",
                    env_steps=10_000).groups) == 2  # fmt: skip


def test_all_runs_are_in_the_plan_once():
    made = plan(grid={"batch_size": [2, 4], "learning_rate": [1e-3, 1e-2]}, seeds=3, chunk=2)
    chunked = [run.index for group in made.groups for chunk in group.chunks for run in chunk]
    assert sorted(chunked) == list(range(12))


@pytest.mark.parametrize(("runs", "sizes"), [(64, [64]), (65, [33, 32]), (100, [50, 50]), (130, [44, 44, 42])])
def test_chunks_are_equal(monkeypatch, runs, sizes):
    """100 runs where 64 fit are two chunks of 50, not 64 and 36 padded to 64."""
    monkeypatch.setattr(devices, "largest_chunk", lambda _: 64)
    assert [len(chunk) for chunk in plan(seeds=runs).groups[0].chunks] == sizes


def test_a_given_chunk_is_kept_and_never_larger_than_the_runs():
    assert plan(seeds=10, chunk=4).groups[0].chunk == 4
    assert plan(seeds=3, chunk=4).groups[0].chunk == 3
    with pytest.raises(InputError, match="chunk=0 must be at least 1"):
        plan(chunk=0)


def test_a_short_chunk_is_filled_with_copies_of_its_first_run():
    (group,) = plan(grid={"learning_rate": [0.1, 0.2, 0.3]}, seeds=[7], chunk=2).groups
    algorithm, env_params, seeds = group.stack(group.chunks[1])
    np.testing.assert_allclose(algorithm.learning_rate, [0.3, 0.3], rtol=1e-6)
    assert algorithm.learning_rate.dtype == jnp.float32
    assert env_params.payoff.shape == (2, 3, 3)
    np.testing.assert_array_equal(seeds, [7, 7])


def test_memory_grows_with_replay():
    small, large = (plan(env="predator_prey", algorithms="vdn", env_steps=10_000, grid={"buffer_size": [size]})
                    .groups[0].bytes_per_run for size in (80, 8000))  # fmt: skip
    # 7920 sequences of 65 frames of (8 agents x (75 features and 6 of the last action), 300 of the state), a byte each
    assert large - small > 7920 * 65 * (8 * 81 + 300)


def test_the_chunk_is_what_memory_holds(monkeypatch):
    needed = plan(seeds=10).groups[0].bytes_per_run
    monkeypatch.setattr(devices, "memory_budget", lambda: 7 * needed + 1)
    assert plan(seeds=10).groups[0].chunk == 5  # two of 5, each filled up to 6: three a device
    assert plan(seeds=13).groups[0].chunk == 5  # three of 5, 5 and 3: two devices share 6 of the 7 that fit evenly
    with pytest.raises(InputError, match="chunk=8 does not fit into the device's memory; at most 7 runs do"):
        plan(seeds=10, chunk=8)


def test_a_stored_plan_does_not_ask_this_device(monkeypatch):
    """Results of a large machine can be read on a small one."""
    monkeypatch.setattr(devices, "memory_budget", lambda: 0)
    assert plan(seeds=10, chunk=[7]).groups[0].chunk == 7
    with pytest.raises(InputError, match="the stored plan has 2 groups, this version of jaxvf makes 1"):
        plan(chunk=[1, 1])


def test_memory_that_no_device_has_is_one_line(monkeypatch):
    monkeypatch.setattr(devices, "memory_budget", lambda: 2**30)
    with pytest.raises(InputError, match=r"GiB and the device has .*; lower num_envs, buffer_size") as caught:
        plan(grid={"buffer_size": [10**9]})
    assert "\n" not in str(caught.value)


def test_free_memory_is_found():
    assert 2**20 < devices.memory_budget() < 2**50


@pytest.mark.parametrize(
    ("env_steps", "interval", "segments", "segment_steps"),
    [(100, 10, 10, 10), (101, 10, 11, 10), (100, 9, 13, 8), (3, 100, 1, 4), (1, 1, 1, 2), (100, None, 25, 4)],
)
def test_a_budget_is_rounded_up_to_whole_segments(env_steps, interval, segments, segment_steps):
    """One iteration is 2 environments x 1 step, so intervals are even."""
    (group,) = plan(env_steps=env_steps, test_interval=interval).groups
    assert (group.segments, group.program.segment_steps) == (segments, segment_steps)
    assert group.env_steps[-1] >= env_steps > group.env_steps[-1] - segment_steps
    np.testing.assert_array_equal(np.diff(group.env_steps), segment_steps)


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ({"buffer_size": [15]}, "buffer_size=15 is not a multiple of num_envs=2; the nearest valid one is 16"),
        ({"buffer_size": [1]}, "buffer_size=1 is not a multiple of num_envs=2; the nearest valid one is 2"),
        ({"buffer_size": [10**12]}, "buffer_size=1000000000000 is above its largest valid value"),
        ({"batch_size": [17]}, "batch_size=17 exceeds buffer_size=16"),
        ({"updates_per_episode": [0.75]}, "updates_per_episode=0.75 with num_envs=2 gives 3/2 updates an iteration"),
        ({"updates_per_episode": [0]}, "updates_per_episode=0 with num_envs=2 gives 0 updates an iteration"),
    ],
)
def test_fields_that_contradict_each_other(grid, line):
    with pytest.raises(InputError) as caught:
        plan(grid=grid)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("rate", [0.25, 0.5, 1, 3, 1 / 6])
def test_updates_that_come_out_even_are_valid(rate):
    pace = plan(grid={"updates_per_episode": [rate]}).groups[0].program.experience.pace
    assert pace.updates / (pace.every * pace.rollouts) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("described", "line"),
    [
        ({"env_steps": 0}, "env_steps=0 must be at least 1"),
        ({"env_steps": -5}, "env_steps=-5 must be at least 1"),
        ({"env_steps": 10.5}, "env_steps=10.5 is not a whole number"),
        ({"env_steps": float("nan")}, "env_steps=nan is not a whole number"),
        ({"env_steps": float("inf")}, "env_steps=inf is not a whole number"),
        ({"env_steps": "many"}, "env_steps='many' is not a whole number"),
        ({"env_steps": 2**31}, "env_steps=2147483648 exceeds 2147483647, the largest that a counter holds"),
        (
            {"env_steps": 2**31 - 1, "test_interval": 2**30},
            "env_steps=2147483647 is 2147483648 in whole evaluations, more than 2147483647, the largest that a counter "
            "holds; take fewer, or a shorter test_interval",
        ),
        ({"test_interval": 0}, "test_interval=0 must be at least 1"),
        ({"test_episodes": 0}, "test_episodes=0 must be at least 1"),
        ({"root_seed": -1}, "root_seed=-1 must be at least 0"),
        ({"root_seed": 2**33}, "root_seed=8589934592 exceeds 2147483647, the largest that a counter holds"),
    ],
)
def test_wrong_numbers_of_the_sweep_itself(described, line):
    with pytest.raises(InputError) as caught:
        plan(**described)
    assert str(caught.value) == line


def test_the_plan_as_json():
    made = plan(grid={"batch_size": [2, 4]}, seeds=5, chunk=2, env_steps=1e3)
    assert made.steps == 10_000
    (first, _) = made.to_json()
    assert (first["runs"], first["chunk"], first["chunks"], first["segments"]) == (5, 2, 3, 20)
    assert first["labels"] == ["vdn on matrix_game/A"]


def test_the_hash_of_a_unit_is_of_all_that_its_numbers_depend_on(monkeypatch):
    def digests(**described):
        (group,) = plan(chunk=2, **{"seeds": 4, "test_interval": 50, **described}).groups
        return group.digests

    quiet = digests()
    assert digests() == quiet and len(set(quiet)) == len(quiet) == 2
    others = (
        {"root_seed": 1}, {"test_episodes": 2}, {"env_steps": 200}, {"seeds": [1, 0, 2, 3]}, {"env": "matrix_game/B"},
        {"grid": {"learning_rate": [0.5]}}, {"grid": {"batch_size": [8]}},
    )  # fmt: skip
    for other in others:
        assert digests(**other)[0] != quiet[0], other
    monkeypatch.setattr("jaxvf.sweeps.plan.__version__", "another")
    assert not set(digests()) & set(quiet)
