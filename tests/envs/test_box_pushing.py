"""Box Pushing: its rules, by scripts whose rewards can be checked by hand."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from box_pushing_cases import KEY, play

from jaxvf.envs import BoxPushing
from jaxvf.envs.box_pushing import DOWN, LEFT, RIGHT, UP, BoxPushingState
from jaxvf.errors import InputError

# L: steps and return of the big box, of both small boxes, of one small box
REFERENCE = {
    4: ((4, 99.6), (3, 19.7), (3, 9.7)),
    6: ((6, 99.4), (4, 19.6), (4, 9.6)),
    8: ((8, 99.2), (6, 19.4), (6, 9.4)),
    10: ((11, 98.9), (8, 19.2), (8, 9.2)),
    12: ((14, 98.6), (10, 19.0), (10, 9.0)),
    14: ((17, 98.3), (12, 18.8), (12, 8.8)),
    20: ((26, 97.4), (18, 18.2), (18, 8.2)),
    30: ((41, 95.9), (28, 17.2), (28, 7.2)),
}


def repeated(pair, times):
    return " ".join([pair] * times)


def big_box_script(size):
    """Below the big box, turn up, push together to the top; straight there, however the start lies to it."""
    inwards = size // 2 - 1 - (0 if size < 8 else 1)
    upwards = size - 2 - (0 if size == 4 else 1)
    return " ".join([repeated("FF", inwards), "LR", repeated("FF", upwards)])


def small_boxes_script(size, other):
    """Turn up, push to the top; robot 1 does the same, or stays (`other` "FR" or "SS")."""
    forward, turn = other
    upwards = size - 2 - (0 if size == 4 else 1)
    return " ".join(["L" + turn, repeated("F" + forward, upwards)])


# --- shortest ways and scripted episodes, with rewards counted by hand -------------------------------------------


@pytest.mark.parametrize("size", REFERENCE)
def test_reference_returns(size):
    env = BoxPushing(size)
    scripts = {
        "big_box": big_box_script(size),
        "two_small": small_boxes_script(size, "FR"),
        "one_small": small_boxes_script(size, "SS"),
    }
    for (end, script), (steps, total) in zip(scripts.items(), REFERENCE[size], strict=True):
        played = play(env, script)
        assert played.ends == [steps] and len(played.rewards) == steps
        np.testing.assert_allclose(played.rewards.sum(), total, rtol=1e-5)
        counted = {name: metric.sum() for name, metric in played.outcome.metrics.items()}
        assert counted == {"big_box": 0, "two_small": 0, "one_small": 0, "bumps": 0} | {end: 1}


SCRIPTS = {
    "big box": (4, "FF LR FF FF", [-0.1, -0.1, -0.1, 99.9], [4]),
    "both small boxes": (4, "LR FF FF", [-0.1, -0.1, 19.9], [3]),
    "alone at the big box": (4, "FS LS FS FS FS", [-0.1, -0.1, -0.1, -5.1, -5.1], []),
    "wall": (4, "RS FS FS", [-0.1, -5.1, -5.1], []),
    "columns swapped": (4, "FF FF LR FF FF", [-0.1, -0.1, -0.1, -0.1, 99.9], [5]),
    "bump on the way": (8, "FF FF LR FF FF FF FF SF FF", [-0.1] * 7 + [-5.1, 99.9], [9]),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripted_checks(name):
    size, script, rewards, ends = SCRIPTS[name]
    played = play(BoxPushing(size), script)
    np.testing.assert_allclose(played.rewards, rewards, rtol=1e-6)
    assert played.ends == ends
    assert played.outcome.metrics["bumps"].sum() == sum(reward == -5.1 for reward in rewards)


def test_where_the_scripts_leave_robots_and_what_they_see():
    played = play(BoxPushing(4), SCRIPTS["alone at the big box"][1])
    assert played.robots() == [(1, 1, UP), (3, 0, LEFT)]
    assert played.views.obs[-1].tolist() == [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]
    played = play(BoxPushing(4), SCRIPTS["wall"][1])
    assert played.robots() == [(0, 0, DOWN), (3, 0, LEFT)]
    assert played.views.obs[-1].tolist() == [[0, 0, 0, 1, 0], [0, 0, 1, 0, 0]]
    swapped = play(BoxPushing(4), SCRIPTS["columns swapped"][1])
    assert swapped.robots(2) == [(2, 0, UP), (1, 0, UP)]
    assert swapped.robots() == [(2, 2, UP), (1, 2, UP)]
    assert play(BoxPushing(8), SCRIPTS["bump on the way"][1]).rewards.sum() == pytest.approx(94.1)


# --- ends and options ------------------------------------------------------------------------------------------


def test_the_limit_truncates_and_the_goal_comes_first():
    env = dataclasses.replace(BoxPushing(4), limit_max=5)
    assert env.default_params().limit == 5
    outcome = play(env, "SS SS SS SS SS").outcome
    assert outcome.truncated.tolist() == [False] * 4 + [True]
    assert not outcome.terminated.any()
    shorter = dataclasses.replace(env.default_params(), limit=jnp.int32(3))
    assert play(env, "LR FF FF", params=shorter).outcome.terminated.tolist() == [False, False, True]
    assert not play(env, "LR FF FF", params=shorter).outcome.truncated.any()
    assert play(env, "LR FF SS", params=shorter).outcome.truncated.tolist() == [False, False, True]


def test_terminal_reward_only():
    env = BoxPushing(4, terminal_reward_only=True)
    bumping = play(env, "RS FS LS FF LR FF FF")
    assert bumping.rewards.tolist() == [0, 0, 0, 0, 0, 0, 100]
    assert bumping.outcome.metrics["bumps"].sum() == 1
    assert play(env, "LR FF FF").rewards.tolist() == [0, 0, 20]


def test_every_reward_is_a_parameter():
    numbers = dataclasses.replace(
        BoxPushing(4).default_params(),
        big_reward=jnp.float32(300),
        small_reward=jnp.float32(7),
        bump_penalty=jnp.float32(-2),
        step_cost=jnp.float32(-1),
    )
    rewards = {name: play(BoxPushing(4), SCRIPTS[name][1], params=numbers).rewards.tolist() for name in SCRIPTS}
    assert rewards["big box"] == [-1, -1, -1, 299]
    assert rewards["both small boxes"] == [-1, -1, 13]
    assert rewards["wall"] == [-1, -3, -3]


def test_random_start_is_uniform_below_the_boxes():
    env = BoxPushing(8, random_start=True)
    draws = 4096
    states = jax.jit(lambda key: env.init_batch(key, env.default_params(), draws))(jax.random.key(1))
    places = np.concatenate([states.robots, states.facing[..., None]], axis=-1)  # [draws, robot, (c, r, o)]
    for robot, (axis, values) in itertools.product((0, 1), enumerate((8, 3, 4))):
        counts = np.bincount(places[:, robot, axis], minlength=values)
        assert len(counts) == values
        error = np.sqrt(draws * (1 / values) * (1 - 1 / values))
        assert (np.abs(counts - draws / values) < 4 * error).all()
    correlations = np.corrcoef(places.reshape(draws, -1).T) - np.eye(6)
    assert np.abs(correlations).max() < 4 / np.sqrt(draws)
    assert (states.box_rows == 4).all()


def test_random_start_on_the_smallest_grid_stays_in_the_lowest_row():
    env = BoxPushing(4, random_start=True)
    states = jax.jit(lambda key: env.init_batch(key, env.default_params(), 64))(jax.random.key(1))
    assert not states.robots[..., 1].any()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"grid_size": 2}, "grid_size=2 is not an even number from 4 on"),
        ({"grid_size": 7}, "grid_size=7 is not an even number"),
        ({"limit_max": 0}, "limit_max=0 is below"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(InputError, match=message):
        BoxPushing(**sizes)


# --- the best there is -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smallest_game():
    """Every reachable state of L = 4, and where each joint action leads from it: [states, 16]."""
    env = BoxPushing(4)
    params = env.default_params()
    joint = np.array(list(itertools.product(range(4), repeat=2)), np.int32)
    alone = jax.vmap(env.transition, in_axes=(None, None, 0, None))
    everywhere = jax.jit(jax.vmap(alone, in_axes=(None, 0, None, None)))

    # Robots anywhere, facing anywhere, boxes in row 2: a box that moved has ended the game.
    cells = np.array(list(itertools.product(range(4), range(4), range(4))), np.int32)  # (column, row, facing)
    pairs = np.stack(np.broadcast_arrays(cells[:, None], cells[None]), axis=2).reshape(-1, 2, 3)
    states = BoxPushingState(
        robots=pairs[..., :2],
        facing=pairs[..., 2],
        box_rows=np.full((len(pairs), 3), 2, np.int32),
        t=np.zeros(len(pairs), np.int32),
    )
    moved, outcome = jax.tree.map(np.asarray, everywhere(KEY, states, joint, params))
    codes = np.concatenate([moved.robots, moved.facing[..., None]], axis=-1) @ np.array([16, 4, 1])
    following = codes @ np.array([64, 1])
    start = (0 * 16 + 0 * 4 + RIGHT) * 64 + (3 * 16 + 0 * 4 + LEFT)
    return start, following, outcome.reward, outcome.terminated


def test_the_smallest_game_has_1024_reachable_states(smallest_game):
    start, following, _, terminated = smallest_game
    reached, frontier = {start}, [start]
    while frontier:
        state = frontier.pop()
        fresh = set(following[state][~terminated[state]].tolist()) - reached
        reached |= fresh
        frontier += fresh
    assert len(reached) == 1024


def test_the_optimum_of_the_smallest_game_is_the_big_box(smallest_game):
    start, following, reward, terminated = smallest_game
    value = np.zeros(len(following))
    for _ in range(100):
        value = np.where(terminated, reward, reward + value[following]).max(axis=1)
    assert value[start] == pytest.approx(99.6, abs=1e-4)
