"""Box Pushing: the rules of the specification's section 1.1, by scripts whose rewards can be checked by hand."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import BoxPushing
from jaxvf.envs.box_pushing import DOWN, LEFT, RIGHT, UP, BoxPushingState
from jaxvf.errors import InputError

KEY = jax.random.key(0)
LETTERS = "FLRS"
STEPS = 48  # every script is filled up to this length with staying: one program per grid

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


@functools.partial(jax.jit, static_argnums=0)
def _played(env, state, actions, params):
    def step(state, joint):
        moved, outcome = env.transition(KEY, state, joint, params)
        return moved, (moved, outcome, env.observe(moved, params))

    return env.observe(state, params), jax.lax.scan(step, state, actions)[1]


@dataclasses.dataclass
class Played:
    """A script's first view, and what every step of it led to."""

    first: object
    states: object
    outcome: object
    views: object

    @property
    def rewards(self):
        return self.outcome.reward

    @property
    def ends(self):
        """Steps after which the episode was over."""
        return (np.flatnonzero(self.outcome.terminated) + 1).tolist()

    def robots(self, at=-1):
        """(column, row, facing) of both robots after step `at`."""
        return [(*cell, way) for cell, way in zip(self.states.robots[at].tolist(), self.states.facing[at], strict=True)]


def play(env, script, state=None, params=None):
    """Plays "FF LR" (first letter robot 0), from `state` or the fixed start."""
    joint = [[LETTERS.index(letter) for letter in pair] for pair in script.split()]
    filled = np.array(joint + [[3, 3]] * (STEPS - len(joint)), np.int32)
    params = env.default_params() if params is None else params
    state = env.init(KEY, params) if state is None else state
    first, rest = _played(env, state, filled, params)
    return Played(*jax.tree.map(np.asarray, (first, *jax.tree.map(lambda leaf: leaf[: len(joint)], rest))))


def scene(robots, boxes, t=0):
    """Robots as (column, row, facing), boxes as rows of small 0, small 1 and big."""
    robots = np.array(robots, np.int32)
    return BoxPushingState(
        robots=jnp.array(robots[:, :2]),
        facing=jnp.array(robots[:, 2]),
        box_rows=jnp.array(boxes, jnp.int32),
        t=jnp.int32(t),
    )


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


# --- the specification's tables ----------------------------------------------------------------------------------


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


# --- moves and boxes ---------------------------------------------------------------------------------------------

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


# --- what is seen ------------------------------------------------------------------------------------------------


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


# --- ends and options --------------------------------------------------------------------------------------------


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


# --- the best there is -------------------------------------------------------------------------------------------


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
