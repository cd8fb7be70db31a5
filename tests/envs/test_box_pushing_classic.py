"""Classic Box Pushing: its rules, each in the configuration where a breach shows."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import BoxPushingClassic
from jaxvf.envs.box_pushing_classic import (
    BIG,
    BOTH_SMALL,
    EAST,
    LEFT_SMALL,
    N_STATES,
    NORTH,
    RIGHT_SMALL,
    RUNNING,
    SOUTH,
    WEST,
    BoxPushingClassicState,
)
from jaxvf.errors import InputError

ENV = BoxPushingClassic()
PARAMS = ENV.default_params()
SAMPLES = 4096
KEYS = jax.random.split(jax.random.key(0), SAMPLES)
LETTERS = "LRFS"
START = ((1, EAST), (4, WEST))

_transitions = jax.jit(jax.vmap(ENV.transition, in_axes=(0, None, None, None)))
_observe_all = jax.jit(jax.vmap(ENV.observe, in_axes=(0, None)))


def at(agents, goal=RUNNING, t=0):
    """The state with both agents at these (column, facing)."""
    columns, facing = np.array(agents, np.int32).T
    return BoxPushingClassicState(jnp.array(columns), jnp.array(facing), jnp.int32(goal), jnp.int32(t))


def step(state, pair, success=None):
    """State and outcome of "FF" (first letter agent 0), once per key."""
    params = PARAMS if success is None else dataclasses.replace(PARAMS, success=jnp.float32(success))
    actions = np.array([LETTERS.index(letter) for letter in pair], np.int32)
    return jax.tree.map(np.asarray, _transitions(KEYS, state, actions, params))


def surely(agents, pair):
    """((column, facing), (column, facing)) and the end state after a step in which everything succeeds."""
    state, _ = step(at(agents), pair, success=1.0)
    assert all((leaf == leaf[:1]).all() for leaf in state)
    return tuple(zip(state.columns[0].tolist(), state.facing[0].tolist(), strict=True)), state.goal[0].item()


def reward(agents, pair):
    """The reward, which must not depend on what succeeds."""
    _, outcome = step(at(agents), pair)
    assert (outcome.reward == outcome.reward[0]).all()
    return pytest.approx(outcome.reward[0].item(), abs=1e-4)


def shares(state):
    """How often each next state occurs: {((column, facing), (column, facing), goal): share}."""
    rows = np.concatenate([state.columns, state.facing, state.goal[:, None]], axis=1)
    found, counts = np.unique(rows, axis=0, return_counts=True)
    names = [((c0, f0), (c1, f1), goal) for c0, c1, f0, f1, goal in found.tolist()]
    return dict(zip(names, counts / len(rows), strict=True))


def assert_shares(state, expected):
    found = shares(state)
    assert set(found) == set(expected)
    for name, share in expected.items():
        assert abs(found[name] - share) < 4 * np.sqrt(share * (1 - share) / SAMPLES)


# --- rewards -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agents", "pair", "expected"),
    [
        (START, "FF", -0.2),
        (START, "SS", -0.2),
        (((1, NORTH), (4, NORTH)), "FF", 19.8),
        (((1, NORTH), (4, NORTH)), "FS", 9.8),
        (((1, NORTH), (4, NORTH)), "LR", -0.2),
        (((2, NORTH), (3, NORTH)), "FF", 99.8),
        (((2, NORTH), (3, NORTH)), "FS", -5.2),
        (((2, NORTH), (4, WEST)), "FF", -5.2),  # agent 1 moves freely
        (((2, NORTH), (4, NORTH)), "FF", 4.8),  # one bumps, one pushes a small box
        (((1, WEST), (4, EAST)), "FF", -10.2),  # two walls
        (((1, SOUTH), (4, SOUTH)), "FS", -5.2),
        (((2, EAST), (3, WEST)), "FF", -10.2),  # into each other
        (((1, EAST), (2, EAST)), "FF", -5.2),  # the cell that agent 1 is leaving
        (((1, EAST), (3, WEST)), "FF", -10.2),  # both aim at column 2
        (((1, EAST), (3, WEST)), "FS", -0.2),
    ],
)
def test_rewards_follow_the_chosen_actions(agents, pair, expected):
    assert reward(agents, pair) == expected


def test_bumps_are_counted():
    _, outcome = step(at(((1, EAST), (3, WEST))), "FF")
    assert (outcome.metrics["bumps"] == 2).all()
    _, outcome = step(at(((1, EAST), (3, WEST))), "FS")
    assert (outcome.metrics["bumps"] == 0).all()


# --- effects -----------------------------------------------------------------------------------------------------


def test_turns():
    assert surely(((1, NORTH), (4, NORTH)), "LR") == (((1, WEST), (4, EAST)), RUNNING)
    assert surely(((1, WEST), (4, EAST)), "LR") == (((1, SOUTH), (4, SOUTH)), RUNNING)
    assert surely(((1, SOUTH), (4, SOUTH)), "LR") == (((1, EAST), (4, WEST)), RUNNING)
    assert surely(((1, EAST), (4, WEST)), "LR") == (((1, NORTH), (4, NORTH)), RUNNING)


@pytest.mark.parametrize(
    ("agents", "pair", "reached"),
    [
        (START, "FF", ((2, EAST), (3, WEST))),
        (((1, WEST), (4, EAST)), "FF", ((1, WEST), (4, EAST))),
        (((1, SOUTH), (4, WEST)), "FF", ((1, SOUTH), (3, WEST))),
        (((2, EAST), (3, WEST)), "FF", ((2, EAST), (3, WEST))),
        (((1, EAST), (2, EAST)), "FF", ((1, EAST), (3, EAST))),  # occupied before the move
        (((1, EAST), (3, WEST)), "FF", ((1, EAST), (3, WEST))),  # the same free cell
        (((2, NORTH), (3, NORTH)), "FS", ((2, NORTH), (3, NORTH))),  # the big box needs two
        (((2, NORTH), (4, WEST)), "FF", ((2, NORTH), (3, WEST))),
    ],
)
def test_moves(agents, pair, reached):
    assert surely(agents, pair) == (reached, RUNNING)


@pytest.mark.parametrize(
    ("agents", "pair", "goal"),
    [
        (((1, NORTH), (4, NORTH)), "FF", BOTH_SMALL),
        (((1, NORTH), (4, NORTH)), "FS", LEFT_SMALL),
        (((1, NORTH), (4, NORTH)), "SF", RIGHT_SMALL),
        (((3, WEST), (4, NORTH)), "FF", RIGHT_SMALL),  # whatever the other does
        (((2, NORTH), (3, NORTH)), "FF", BIG),
    ],
)
def test_boxes_reach_the_goal(agents, pair, goal):
    assert surely(agents, pair)[1] == goal


def test_every_action_succeeds_nine_times_in_ten_independently():
    state, _ = step(at(START), "LF")
    assert_shares(
        state,
        {
            ((1, NORTH), (3, WEST), RUNNING): 0.81,
            ((1, NORTH), (4, WEST), RUNNING): 0.09,
            ((1, EAST), (3, WEST), RUNNING): 0.09,
            ((1, EAST), (4, WEST), RUNNING): 0.01,
        },
    )


def test_the_big_box_needs_both_to_succeed():
    agents = ((2, NORTH), (3, NORTH))
    state, outcome = step(at(agents), "FF")
    moved = state.goal == BIG
    np.testing.assert_array_equal(outcome.metrics["big_boxes"], moved)
    assert abs(moved.mean() - 0.81) < 4 * np.sqrt(0.81 * 0.19 / SAMPLES)
    assert (state.columns[~moved] == (2, 3)).all()
    assert np.allclose(outcome.reward, 99.8)  # also where it did not move


def test_small_boxes_succeed_one_by_one():
    state, outcome = step(at(((1, NORTH), (4, NORTH))), "FF")
    shares_by_goal = np.bincount(state.goal, minlength=5) / SAMPLES
    expected = np.array([0.01, 0.09, 0.09, 0.81, 0.0])  # running, left, right, both, big
    assert (np.abs(shares_by_goal - expected) < 4 * np.sqrt(expected * (1 - expected) / SAMPLES) + 1e-9).all()
    np.testing.assert_array_equal(outcome.metrics["small_boxes"], np.array([0, 1, 1, 2, 0])[state.goal])


def test_of_two_who_aim_at_one_cell_one_gets_it_if_the_other_fails():
    state, _ = step(at(((1, EAST), (3, WEST))), "FF")
    assert_shares(
        state,
        {
            ((1, EAST), (3, WEST), RUNNING): 0.82,
            ((2, EAST), (3, WEST), RUNNING): 0.09,
            ((1, EAST), (2, WEST), RUNNING): 0.09,
        },
    )


@pytest.mark.parametrize("goal", [LEFT_SMALL, RIGHT_SMALL, BOTH_SMALL, BIG])
def test_an_end_state_leads_back_to_the_start_for_nothing(goal):
    state, outcome = step(at(((2, NORTH), (3, NORTH)), goal=goal, t=4), "FF")
    assert shares(state) == {(*START, RUNNING): 1.0}
    assert (state.t == 5).all()
    assert not outcome.reward.any() and not any(metric.any() for metric in outcome.metrics.values())
    assert not (outcome.terminated | outcome.truncated).any()


def test_only_the_limit_ends_an_episode():
    for t, cut in ((18, False), (19, True)):
        _, outcome = step(at(((2, NORTH), (3, NORTH)), t=t), "FF")
        assert (outcome.truncated == cut).all()
        assert not outcome.terminated.any()


def test_agent_0_is_always_on_the_left():
    """From all 96 configurations, by all pairs of actions."""
    states = configurations()
    pairs = np.array(list(itertools.product(range(4), repeat=2)), np.int32)
    every = jax.vmap(jax.vmap(ENV.transition, in_axes=(0, None, None, None)), in_axes=(None, 0, None, None))
    alone = jax.jit(jax.vmap(every, in_axes=(None, None, 0, None)))
    moved, _ = alone(KEYS[:32], states, pairs, PARAMS)  # [pair, configuration, key]
    assert moved.goal.shape == (16, 96, 32)
    assert (moved.columns[..., 0] < moved.columns[..., 1]).all()
    assert moved.columns.min() == 1 and moved.columns.max() == 4


# --- views -------------------------------------------------------------------------------------------------------


def configurations():
    """All 96, in the order of the state vector."""
    every = [
        (*columns, *facing)
        for columns in itertools.combinations((1, 2, 3, 4), 2)
        for facing in itertools.product(range(4), repeat=2)
    ]
    numbers = np.array(every, np.int32)
    zeros = np.zeros(len(numbers), np.int32)
    return BoxPushingClassicState(numbers[:, :2], numbers[:, 2:], zeros, zeros)


def test_the_state_is_one_of_100():
    running = np.asarray(_observe_all(configurations(), PARAMS).state)
    np.testing.assert_array_equal(running, np.eye(N_STATES)[:96])
    ended = [at(START, goal=goal) for goal in (LEFT_SMALL, RIGHT_SMALL, BOTH_SMALL, BIG)]
    view = _observe_all(jax.tree.map(lambda *leaves: jnp.stack(leaves), *ended), PARAMS)
    np.testing.assert_array_equal(view.state, np.eye(N_STATES)[96:])
    assert (view.obs == np.array([1, 0, 0, 0, 0])).all()  # empty


@pytest.mark.parametrize(
    ("agents", "symbols"),
    [
        (START, ("empty", "empty")),
        (((1, NORTH), (2, NORTH)), ("small", "big")),
        (((3, NORTH), (4, NORTH)), ("big", "small")),
        (((1, WEST), (4, EAST)), ("wall", "wall")),
        (((2, SOUTH), (3, SOUTH)), ("wall", "wall")),
        (((2, EAST), (3, WEST)), ("agent", "agent")),
        (((2, EAST), (3, EAST)), ("agent", "empty")),
        (((2, WEST), (4, WEST)), ("empty", "empty")),
    ],
)
def test_symbols(agents, symbols):
    view = _observe_all(jax.tree.map(lambda leaf: leaf[None], at(agents)), PARAMS)
    names = ("empty", "wall", "agent", "small", "big")
    np.testing.assert_array_equal(view.obs[0], np.eye(5)[[names.index(symbol) for symbol in symbols]])


def test_the_start():
    state = ENV.init(KEYS[0], PARAMS)
    assert shares(jax.tree.map(lambda leaf: np.asarray(leaf)[None], state)) == {(*START, RUNNING): 1.0}


def test_an_impossible_limit_is_refused():
    with pytest.raises(InputError, match="limit_max=0 is below"):
        BoxPushingClassic(limit_max=0)


def test_the_default_limit_never_exceeds_the_largest():
    assert BoxPushingClassic(limit_max=10).default_params().limit == 10
    assert BoxPushingClassic(limit_max=50).default_params().limit == 20
