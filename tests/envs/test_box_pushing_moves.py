"""Box Pushing: how robots and boxes move, and what robots see of it."""

import numpy as np
import pytest
from box_pushing_cases import KEY, play, scene

from jaxvf.envs import BoxPushing
from jaxvf.envs.box_pushing import DOWN, LEFT, RIGHT, UP

ENV = BoxPushing(6)  # small boxes in columns 0 and 5, the big box in 2 and 3; all start in row 3
START_ROWS = (3, 3, 3)


@pytest.mark.parametrize(
    ("size", "robots", "small"),
    [
        (4, [[0, 0], [3, 0]], (0, 3)),
        (6, [[0, 1], [5, 1]], (0, 5)),
        (8, [[1, 1], [6, 1]], (1, 6)),
        (30, [[1, 1], [28, 1]], (1, 28)),
    ],
)
def test_layout(size, robots, small):
    env = BoxPushing(size)
    state = env.init(KEY, env.default_params())
    assert state.robots.tolist() == robots
    assert state.facing.tolist() == [RIGHT, LEFT]
    boxes = env.observe(state, env.default_params()).state[12:].reshape(3, 2) * size
    half = size / 2
    np.testing.assert_allclose(boxes, [[small[0] + 0.5, half + 0.5], [small[1] + 0.5, half + 0.5], [half, half + 0.5]])


def test_turns_and_moves():
    turned = play(ENV, "LR LR LR LR")
    assert turned.states.facing.tolist() == [[UP, UP], [LEFT, RIGHT], [DOWN, DOWN], [RIGHT, LEFT]]
    for facing, reached in ((UP, (1, 2)), (RIGHT, (2, 1)), (DOWN, (1, 0)), (LEFT, (0, 1))):
        moved = play(ENV, "FS", scene([(1, 1, facing), (5, 0, UP)], START_ROWS))
        assert moved.robots() == [(*reached, facing), (5, 0, UP)]


def test_robots_share_cells_and_swap():
    assert play(ENV, "FF", scene([(1, 1, RIGHT), (2, 1, LEFT)], START_ROWS)).robots() == [(2, 1, RIGHT), (1, 1, LEFT)]
    shared = play(ENV, "FF", scene([(1, 1, RIGHT), (3, 1, LEFT)], START_ROWS))
    assert shared.robots() == [(2, 1, RIGHT), (2, 1, LEFT)]
    assert shared.rewards.tolist() == pytest.approx([-0.1])


def test_small_boxes_move_up_only():
    """From the side and from above they stop a robot; from below they go with it."""
    from_side = play(ENV, "FF", scene([(1, 3, LEFT), (5, 4, DOWN)], START_ROWS))
    assert from_side.robots() == [(1, 3, LEFT), (5, 4, DOWN)]
    assert from_side.states.box_rows[-1].tolist() == [3, 3, 3]
    pushed = play(ENV, "FS", scene([(0, 2, UP), (5, 0, UP)], START_ROWS))
    assert pushed.robots()[0] == (0, 3, UP)
    assert pushed.states.box_rows[-1].tolist() == [4, 3, 3]


def test_two_bumps_of_two_robots_cost_twice():
    played = play(ENV, "FF", scene([(0, 0, LEFT), (2, 2, UP)], START_ROWS))
    assert played.rewards.tolist() == pytest.approx([-10.1])
    assert played.outcome.metrics["bumps"].tolist() == [2]


def test_one_robot_may_bump_twice_and_is_set_back():
    """Only where a box was pushed onto it: the wall, then the box in its own cell."""
    played = play(ENV, "FS", scene([(0, 3, LEFT), (5, 0, UP)], START_ROWS))
    assert played.rewards.tolist() == pytest.approx([-10.1])
    assert played.robots()[0] == (1, 3, LEFT)


def test_a_robot_in_the_big_box_may_bump_into_two_boxes():
    """L = 4: left into small box 0, back onto the big box, back once more."""
    played = play(BoxPushing(4), "FS", scene([(1, 2, LEFT), (3, 0, UP)], (2, 1, 2)))
    assert played.rewards.tolist() == pytest.approx([-10.1])
    assert played.robots()[0] == (2, 2, LEFT)


def test_robot_1_sees_the_box_that_robot_0_moved():
    """Robot 0 pushes the box onto robot 1, which runs into the wall and then into the box."""
    state = scene([(0, 2, UP), (0, 4, LEFT)], START_ROWS)
    assert play(BoxPushing(8), "SF", scene([(1, 2, UP), (2, 4, LEFT)], START_ROWS)).rewards[0] == pytest.approx(-0.1)
    assert play(BoxPushing(8), "FF", scene([(1, 2, UP), (2, 4, LEFT)], START_ROWS)).rewards[0] == pytest.approx(-5.1)
    assert play(ENV, "SF", state).rewards[0] == pytest.approx(-5.1)
    assert play(ENV, "FF", state).rewards[0] == pytest.approx(-10.1)


def test_robot_0_does_not_see_the_box_that_robot_1_moves():
    played = play(ENV, "FF", scene([(1, 4, LEFT), (0, 2, UP)], START_ROWS))
    assert played.rewards.tolist() == pytest.approx([-0.1])
    assert played.robots() == [(0, 4, LEFT), (0, 3, UP)]
    assert played.states.box_rows[-1].tolist() == [4, 3, 3]


@pytest.mark.parametrize(
    ("robots", "script"),
    [
        ([(2, 2, UP), (2, 2, UP)], "FF"),  # the same half
        ([(2, 2, UP), (3, 1, UP)], "FF"),  # one too low
        ([(2, 2, UP), (3, 2, LEFT)], "FF"),  # one faces elsewhere
        ([(2, 2, UP), (3, 2, UP)], "FS"),  # one stays
        ([(2, 2, UP), (1, 2, UP)], "FF"),  # one beside the box
        ([(2, 4, DOWN), (3, 4, DOWN)], "FF"),  # from above
    ],
)
def test_the_big_box_needs_both_below_it(robots, script):
    played = play(ENV, script, scene(robots, START_ROWS))
    assert played.states.box_rows[-1].tolist() == [3, 3, 3]
    assert played.rewards[0] <= -5.0


def test_no_push_is_remembered():
    """Right after a joint push one robot alone bumps again."""
    played = play(ENV, "FF SF", scene([(3, 2, UP), (2, 2, UP)], START_ROWS))
    assert played.rewards.tolist() == pytest.approx([-0.1, -5.1])
    assert played.robots() == [(3, 3, UP), (2, 3, UP)]


# --- what is seen ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("robots", "flags"),
    [
        ([(0, 2, UP), (5, 2, UP)], ([0], [0])),
        ([(2, 2, UP), (4, 3, LEFT)], ([1], [1])),
        ([(0, 1, RIGHT), (5, 1, LEFT)], ([2], [2])),
        ([(0, 0, DOWN), (5, 0, RIGHT)], ([3], [3])),
        ([(1, 1, RIGHT), (2, 1, LEFT)], ([4], [4])),
        ([(1, 1, RIGHT), (2, 1, UP)], ([4], [2])),
        ([(1, 1, RIGHT), (1, 1, LEFT)], ([2], [2])),  # a robot in its own cell is not in front
        ([(0, 2, UP), (0, 3, UP)], ([0, 4], [2])),  # a box and a robot in one cell
        ([(2, 2, UP), (2, 3, LEFT)], ([1, 4], [2])),
    ],
)
def test_observation_flags(robots, flags):
    obs = play(ENV, "SS", scene(robots, START_ROWS)).first.obs
    assert [np.flatnonzero(row).tolist() for row in obs] == list(flags)
    assert set(np.unique(obs)) <= {0.0, 1.0}


@pytest.mark.parametrize("size", [4, 6, 8, 10])
def test_both_robots_first_see_nothing(size):
    assert play(BoxPushing(size), "SS").first.obs.tolist() == [[0, 0, 1, 0, 0]] * 2


def test_state_vector_by_hand():
    first = play(BoxPushing(4), "SS").first.state
    corner = [0.125, 0.125, 0, 1, 0, 0, 0.875, 0.125, 0, 0, 0, 1]
    np.testing.assert_array_equal(first, [*corner, 0.125, 0.625, 0.875, 0.625, 0.5, 0.625])
    later = play(ENV, "SS", scene([(2, 4, UP), (5, 0, DOWN)], (4, 3, 5))).first.state
    robots = [2.5 / 6, 4.5 / 6, 1, 0, 0, 0, 5.5 / 6, 0.5 / 6, 0, 0, 1, 0]
    np.testing.assert_allclose(later, [*robots, 0.5 / 6, 4.5 / 6, 5.5 / 6, 3.5 / 6, 3 / 6, 5.5 / 6], rtol=1e-6)
