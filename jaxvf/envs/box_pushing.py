"""Box Pushing on a grid, with primitive actions, by the rules of github.com/yuchen-x/MacDeepMARL."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.box_pushing_picture import warehouse
from jaxvf.envs.pictures import Names, Scene
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View, cut_at_limit
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, traced

FORWARD, TURN_LEFT, TURN_RIGHT, STAY = range(4)
N_ACTIONS = 4
UP, RIGHT, DOWN, LEFT = range(4)
N_FACINGS = 4
SEES_SMALL, SEES_BIG, SEES_EMPTY, SEES_WALL, SEES_ROBOT = range(5)  # flags of the cell in front
N_FLAGS = 5
SMALL_0, SMALL_1, BIG = range(3)  # in this order the boxes are tested
N_BOXES = 3
N_ROBOTS = 2
STATE_DIM = N_ROBOTS * (2 + N_FACINGS) + N_BOXES * 2
SMALLEST_GRID = 4
ENDINGS = ("big_box", "two_small", "one_small")  # metrics; at most one of them is 1, and none where time ran out


@hyperparameters
class BoxPushingParams:
    """Rewards and the time limit."""

    big_reward: Float[Array, ""] = traced(100.0, "team reward of the big box reaching the goal")
    small_reward: Float[Array, ""] = traced(10.0, "team reward of each small box reaching the goal")
    bump_penalty: Float[Array, ""] = traced(-5.0, "team reward of running into a wall or a box", high=0.0)
    step_cost: Float[Array, ""] = traced(-0.1, "team reward of every step", high=0.0)
    limit: Int[Array, ""] = traced(100, "steps until the episode is cut; never more than `limit_max`", low=1)


class BoxPushingState(NamedTuple):
    """Where everyone is; boxes keep their columns for ever."""

    robots: Int[Array, "2 2"]  # (column, row); row 0 is the lowest
    facing: Int[Array, "2"]
    box_rows: Int[Array, "3"]  # small box 0, small box 1, big box
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class BoxPushing(Environment):
    """Two robots push one of two small boxes each, or together the big box that is worth more, to the top row.

    The small boxes are the trap: each robot can push one alone, while the big box moves only if both robots stand
    below it, face up and go forward in the same step.

    - Observation, per robot, [5]: whether the single cell in front holds a small box, the big box, nothing, the wall,
      the other robot. Several may hold at once, except for nothing. It is the true view at the start too, where the
      public code reports "nothing" without looking; the two differ only under `random_start`.
    - State, [18]: per robot column, row (cell centres, divided by the grid size) and facing one-hot (up, right, down,
      left); then column and row of the centres of small box 0, small box 1 and the big box, likewise.
    - Actions: forward, turn left, turn right, stay; always available. Robot 0 acts first, robot 1 sees the boxes it
      moved; robots never block each other. Going forward into a small box while facing up pushes it; into any other
      box or the wall is a bump.
    - Reward: `step_cost`, `bump_penalty` per bump, and per box in the top row `small_reward` or `big_reward`.
    - Ends: as a termination when any box is in the top row; cut after `limit` steps.
    - Metrics: `big_box`, `two_small`, `one_small`, 1 where the episode ends that way; `bumps`, a count.

    Attributes:
        grid_size: L, rows and columns; even, at least 4.
        limit_max: most steps of an episode.
        random_start: whether robots start anywhere in the lowest L/2 - 1 rows, facing anywhere, independently.
        terminal_reward_only: drop the step cost and the bump penalties.
    """

    grid_size: int = 6
    limit_max: int = 100
    random_start: bool = False
    terminal_reward_only: bool = False

    def __post_init__(self):
        if self.grid_size < SMALLEST_GRID or self.grid_size % 2:
            raise InputError(f"grid_size={self.grid_size} is not an even number from {SMALLEST_GRID} on")
        if self.limit_max < 1:
            raise InputError(f"limit_max={self.limit_max} is below its smallest valid value 1")

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="box_pushing",
            version=1,
            n_agents=N_ROBOTS,
            n_actions=N_ACTIONS,
            obs_dim=N_FLAGS,
            state_dim=STATE_DIM,
            limit_max=self.limit_max,
            metric_names=(*ENDINGS, "bumps"),
        )

    def default_params(self) -> BoxPushingParams:
        default = BoxPushingParams()
        return BoxPushingParams(
            big_reward=jnp.float32(default.big_reward),
            small_reward=jnp.float32(default.small_reward),
            bump_penalty=jnp.float32(default.bump_penalty),
            step_cost=jnp.float32(default.step_cost),
            limit=jnp.minimum(jnp.int32(default.limit), self.limit_max),
        )

    @property
    def _middle(self) -> int:
        """First row of the boxes, and column of the big box's right half."""
        return self.grid_size // 2

    @property
    def _box_columns(self) -> tuple[tuple[int, ...], ...]:
        """Columns that each box covers."""
        margin = 0 if self.grid_size < 8 else 1
        return (margin,), (self.grid_size - 1 - margin,), (self._middle - 1, self._middle)

    def init(self, key: Key[Array, ""], params: BoxPushingParams) -> BoxPushingState:
        if self.random_start:
            column_key, row_key, facing_key = jax.random.split(key, 3)
            columns = jax.random.randint(column_key, (N_ROBOTS,), 0, self.grid_size)
            rows = jax.random.randint(row_key, (N_ROBOTS,), 0, self._middle - 1)
            facing = jax.random.randint(facing_key, (N_ROBOTS,), 0, N_FACINGS)
        else:
            columns = jnp.array([self._box_columns[SMALL_0][0], self._box_columns[SMALL_1][0]], jnp.int32)
            rows = jnp.full(N_ROBOTS, 0 if self.grid_size == SMALLEST_GRID else 1, jnp.int32)
            facing = jnp.array([RIGHT, LEFT], jnp.int32)
        return BoxPushingState(
            robots=jnp.stack([columns, rows], axis=-1),
            facing=facing,
            box_rows=jnp.full(N_BOXES, self._middle, jnp.int32),
            t=jnp.int32(0),
        )

    def transition(
        self, key: Key[Array, ""], state: BoxPushingState, actions: Int[Array, "2"], params: BoxPushingParams
    ) -> tuple[BoxPushingState, Outcome]:
        together = self._push_together(state, actions)
        apart, bumps = self._act_in_turn(state, actions)
        both_up = np.array([0, 1], np.int32)
        big_up = np.array([0, 0, 1], np.int32)
        t = state.t + 1
        following = BoxPushingState(
            robots=jnp.where(together, state.robots + both_up, apart.robots),
            facing=apart.facing,  # who goes forward keeps it
            box_rows=jnp.where(together, state.box_rows + big_up, apart.box_rows),
            t=t,
        )
        bumps = jnp.where(together, 0, bumps).astype(jnp.float32)

        at_goal = following.box_rows == self.grid_size - 1
        n_small = at_goal[:BIG].sum()
        reward = params.small_reward * n_small + params.big_reward * at_goal[BIG]
        if not self.terminal_reward_only:
            reward = reward + params.step_cost + params.bump_penalty * bumps
        terminated = at_goal.any()
        ends = {"big_box": at_goal[BIG], "two_small": n_small == 2, "one_small": n_small == 1}
        outcome = Outcome(
            reward=reward,
            terminated=terminated,
            truncated=cut_at_limit(terminated, t, jnp.minimum(params.limit, self.limit_max)),
            metrics={**{name: end.astype(jnp.float32) for name, end in ends.items()}, "bumps": bumps},
        )
        return following, outcome

    def observe(self, state: BoxPushingState, params: BoxPushingParams) -> View:
        front = state.robots + _ahead(state.facing)  # [2, 2]
        small = self._on_box(front, SMALL_0, state.box_rows[SMALL_0])
        small |= self._on_box(front, SMALL_1, state.box_rows[SMALL_1])
        big = self._on_box(front, BIG, state.box_rows[BIG])
        wall = ~self._inside(front)
        robot = (front == state.robots[::-1]).all(axis=-1)
        empty = ~(small | big | wall | robot)

        robots = jnp.concatenate(
            [(state.robots + 0.5) / self.grid_size, jax.nn.one_hot(state.facing, N_FACINGS)], axis=-1
        )
        box_x = np.array([np.mean(columns) + 0.5 for columns in self._box_columns], np.float32)
        boxes = jnp.stack([box_x, state.box_rows + 0.5], axis=-1) / self.grid_size
        return View(
            obs=jnp.stack([small, big, empty, wall, robot], axis=-1).astype(jnp.float32),
            state=jnp.concatenate([robots.reshape(-1), boxes.reshape(-1)]),
            avail=jnp.ones((N_ROBOTS, N_ACTIONS), bool),
            alive=jnp.ones(N_ROBOTS, bool),
        )

    def picture(self, state: BoxPushingState, params: BoxPushingParams) -> Scene:
        """The grid from above."""
        boxes = list(zip(self._box_columns, state.box_rows, strict=True))
        robots = [(*place, facing) for place, facing in zip(state.robots, state.facing, strict=True)]
        return warehouse(self.grid_size, self.grid_size, boxes, robots)

    def names(self, state: BoxPushingState) -> Names:
        """Robots by number, and their actions."""
        return Names.alike(N_ROBOTS, ("forward", "turn left", "turn right", "stay"))

    def _push_together(self, state: BoxPushingState, actions: Int[Array, "2"]) -> Bool[Array, ""]:
        """Whether both robots push the big box: one below each half, in either order."""
        columns, rows = state.robots[:, 0], state.robots[:, 1]
        left, right = self._box_columns[BIG]
        ready = (actions == FORWARD) & (state.facing == UP) & (rows == state.box_rows[BIG] - 1)
        return ready.all() & (columns == left).any() & (columns == right).any()

    def _act_in_turn(self, state: BoxPushingState, actions: Int[Array, "2"]) -> tuple[BoxPushingState, Int[Array, ""]]:
        """Robot 0 acts, then robot 1; the state they leave, and how often they bumped."""
        turn = (actions == TURN_RIGHT).astype(jnp.int32) - (actions == TURN_LEFT)
        box_rows = [state.box_rows[box] for box in range(N_BOXES)]
        robots, bumps = [], jnp.int32(0)
        for robot in range(N_ROBOTS):
            forward = actions[robot] == FORWARD
            position, box_rows, bumped = self._go(state.robots[robot], state.facing[robot], box_rows, forward=forward)
            robots.append(position)
            bumps += bumped
        left = state._replace(
            robots=jnp.stack(robots), facing=(state.facing + turn) % N_FACINGS, box_rows=jnp.stack(box_rows)
        )
        return left, bumps

    def _go(
        self,
        position: Int[Array, "2"],
        facing: Int[Array, ""],
        box_rows: list[Int[Array, ""]],
        *,
        forward: Bool[Array, ""],
    ) -> tuple[Int[Array, "2"], list[Int[Array, ""]], Int[Array, ""]]:
        """One robot goes forward alone, if it does: where it and the boxes are then, and how often it bumped.

        Every test takes the position that the tests before it left. That matters where a box was pushed onto a robot,
        which can then bump twice in one step and be set back by a cell; the public code does the same.
        """
        move = jnp.where(forward, _ahead(facing), 0)
        bump = ~self._inside(position + move)
        position = jnp.where(bump, position, position + move)
        bumps = bump.astype(jnp.int32)
        for box in range(N_BOXES):
            hit = forward & self._on_box(position, box, box_rows[box])
            pushed = hit & (facing == UP) & (box != BIG)
            bump = hit & ~pushed
            box_rows = [row + pushed if other == box else row for other, row in enumerate(box_rows)]
            position = jnp.where(bump, position - move, position)
            bumps += bump
        return position, box_rows, bumps

    def _inside(self, cells: Int[Array, "*c 2"]) -> Bool[Array, "*c"]:
        return ((cells >= 0) & (cells < self.grid_size)).all(axis=-1)

    def _on_box(self, cells: Int[Array, "*c 2"], box: int, row: Int[Array, ""]) -> Bool[Array, "*c"]:
        columns = self._box_columns[box]
        return (cells[..., 0] >= columns[0]) & (cells[..., 0] <= columns[-1]) & (cells[..., 1] == row)


def _ahead(facing: Int[Array, "*c"]) -> Int[Array, "*c 2"]:
    """The unit move (column, row) of each facing."""
    right = (facing == RIGHT).astype(jnp.int32) - (facing == LEFT)
    up = (facing == UP).astype(jnp.int32) - (facing == DOWN)
    return jnp.stack([right, up], axis=-1)
