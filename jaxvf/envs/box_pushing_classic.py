"""Box Pushing in one row of four columns (Seuken & Zilberstein 2007)."""

import dataclasses
import itertools
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

TURN_LEFT, TURN_RIGHT, FORWARD, STAY = range(4)
N_ACTIONS = 4
NORTH, EAST, SOUTH, WEST = range(4)
N_FACINGS = 4
SEES_EMPTY, SEES_WALL, SEES_AGENT, SEES_SMALL, SEES_BIG = range(5)
N_SYMBOLS = 5
RUNNING, LEFT_SMALL, RIGHT_SMALL, BOTH_SMALL, BIG = range(5)  # which boxes are at the goal
N_AGENTS = 2
LAST_COLUMN = 4  # columns are 1 .. 4
PAIRS = np.array(list(itertools.combinations(range(1, LAST_COLUMN + 1), N_AGENTS)), np.int32)  # agent 0 is left
N_CONFIGURATIONS = len(PAIRS) * N_FACINGS**2
N_STATES = N_CONFIGURATIONS + BIG

START_COLUMNS = np.array([1, LAST_COLUMN], np.int32)
START_FACING = np.array([EAST, WEST], np.int32)


@hyperparameters
class BoxPushingClassicParams:
    """Rewards, the chance of success and the time limit."""

    success: Float[Array, ""] = traced(0.9, "probability that an agent's action has its effect", low=0.0, high=1.0)
    big_reward: Float[Array, ""] = traced(100.0, "team reward of both choosing to push the big box")
    small_reward: Float[Array, ""] = traced(10.0, "team reward of each choice to push a small box")
    bump_penalty: Float[Array, ""] = traced(-5.0, "team reward of each choice to go where it is blocked", high=0.0)
    step_cost: Float[Array, ""] = traced(-0.2, "team reward of every step outside an end state", high=0.0)
    limit: Int[Array, ""] = traced(20, "steps until the episode is cut; never more than `limit_max`", low=1)


class BoxPushingClassicState(NamedTuple):
    """One of the 100 states, and the step count."""

    columns: Int[Array, "2"]  # 1 .. 4, agent 0 left of agent 1
    facing: Int[Array, "2"]
    goal: Int[Array, ""]  # RUNNING, or the end state; columns and facing mean nothing there
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class BoxPushingClassic(Environment):
    """Two agents in the row below a small, a big and a small box; the big one needs both, and is worth ten small ones.

    Columns 1 to 4: a small box above 1 and 4, the big box above 2 and 3. Every action succeeds only with probability
    `success`, independently per agent, otherwise that agent does nothing.

    - Observation, per agent, one-hot [5]: the cell in front is empty, wall, the other agent, a small box, the big box;
      empty in an end state.
    - State, one-hot [100]: 96 configurations, then four end states (left small box, right small box, both, big box at
      the goal). A configuration is numbered (pair of columns) * 16 + (facing of agent 0) * 4 + facing of agent 1.
    - Actions: turn left, turn right, forward, stay; always available.
    - Reward, by what the agents choose, not by what succeeds: `step_cost`; `small_reward` per agent that pushes a small
      box; `big_reward` if both push the big box; else `bump_penalty` per agent that goes forward but is blocked.
    - Ends: never by its rules. After an end state the next step leads back to the start, with reward 0,
      whatever is chosen. The episode is cut after `limit` steps.
    - Metrics: `big_boxes` and `small_boxes` that reached the goal, and `bumps`, counts.

    Attributes:
        limit_max: most steps of an episode.
    """

    limit_max: int = 20

    def __post_init__(self):
        if self.limit_max < 1:
            raise InputError(f"limit_max={self.limit_max} is below its smallest valid value 1")

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="box_pushing_classic",
            version=1,
            n_agents=N_AGENTS,
            n_actions=N_ACTIONS,
            obs_dim=N_SYMBOLS,
            state_dim=N_STATES,
            limit_max=self.limit_max,
            metric_names=("big_boxes", "small_boxes", "bumps"),
            fixed_length=True,
            one_hot_obs=True,
            storage="uint8",
        )

    def default_params(self) -> BoxPushingClassicParams:
        default = BoxPushingClassicParams()
        return BoxPushingClassicParams(
            success=jnp.float32(default.success),
            big_reward=jnp.float32(default.big_reward),
            small_reward=jnp.float32(default.small_reward),
            bump_penalty=jnp.float32(default.bump_penalty),
            step_cost=jnp.float32(default.step_cost),
            limit=jnp.minimum(jnp.int32(default.limit), self.limit_max),
        )

    def init(self, key: Key[Array, ""], params: BoxPushingClassicParams) -> BoxPushingClassicState:
        return BoxPushingClassicState(
            columns=jnp.array(START_COLUMNS), facing=jnp.array(START_FACING), goal=jnp.int32(RUNNING), t=jnp.int32(0)
        )

    def transition(
        self,
        key: Key[Array, ""],
        state: BoxPushingClassicState,
        actions: Int[Array, "2"],
        params: BoxPushingClassicParams,
    ) -> tuple[BoxPushingClassicState, Outcome]:
        running = state.goal == RUNNING
        chosen = _effects(state, actions)
        done = _effects(state, jnp.where(jax.random.uniform(key, (N_AGENTS,)) < params.success, actions, STAY))
        goal = jnp.where(running, done.goal, RUNNING)
        t = state.t + 1
        following = BoxPushingClassicState(
            columns=jnp.where(running, done.columns, START_COLUMNS),
            facing=jnp.where(running, done.facing, START_FACING),
            goal=goal,
            t=t,
        )

        reward = params.step_cost + params.bump_penalty * chosen.blocked.sum()
        reward += params.small_reward * chosen.pushes_small.sum() + params.big_reward * (chosen.goal == BIG)
        never = jnp.bool_(False)
        n_small = jnp.where(goal == BOTH_SMALL, 2, (goal == LEFT_SMALL) | (goal == RIGHT_SMALL))
        metrics = {"big_boxes": goal == BIG, "small_boxes": n_small, "bumps": running * chosen.blocked.sum()}
        outcome = Outcome(
            reward=jnp.where(running, reward, 0.0),
            terminated=never,
            truncated=cut_at_limit(never, t, jnp.minimum(params.limit, self.limit_max)),
            metrics={name: count.astype(jnp.float32) for name, count in metrics.items()},
        )
        return following, outcome

    def observe(self, state: BoxPushingClassicState, params: BoxPushingClassicParams) -> View:
        running = state.goal == RUNNING
        pair = (state.columns == PAIRS).all(axis=-1)
        facing = jax.nn.one_hot(state.facing, N_FACINGS)
        configuration = pair[:, None, None] * facing[0][:, None] * facing[1] * running  # [6, 4, 4]
        ended = jax.nn.one_hot(state.goal - LEFT_SMALL, BIG)  # none while running: -1 is out of range
        seen = jnp.where(running, _in_front(state), SEES_EMPTY)
        return View(
            obs=jax.nn.one_hot(seen, N_SYMBOLS),
            state=jnp.concatenate([configuration.reshape(-1), ended]),
            avail=jnp.ones((N_AGENTS, N_ACTIONS), bool),
            alive=jnp.ones(N_AGENTS, bool),
        )

    def picture(self, state: BoxPushingClassicState, params: BoxPushingClassicParams) -> Scene:
        """The row of the agents, the boxes above it, and the goal above those."""
        at_goal = [state.goal in ends for ends in ((LEFT_SMALL, BOTH_SMALL), (RIGHT_SMALL, BOTH_SMALL), (BIG,))]
        boxes = [(covered, 1 + up) for covered, up in zip(((0,), (3,), (1, 2)), at_goal, strict=True)]
        places = zip(state.columns, state.facing, strict=True) if state.goal == RUNNING else ()
        return warehouse(LAST_COLUMN, 3, boxes, [(column - 1, 0, facing) for column, facing in places])

    def names(self, state: BoxPushingClassicState) -> Names:
        """Agents by number, and their actions."""
        return Names.alike(N_AGENTS, ("turn left", "turn right", "forward", "stay"))


class _Effects(NamedTuple):
    """What a pair of actions does in a configuration, if all of it succeeds."""

    columns: Int[Array, "2"]
    facing: Int[Array, "2"]
    goal: Int[Array, ""]
    pushes_small: Bool[Array, "2"]
    blocked: Bool[Array, "2"]


def _in_front(state: BoxPushingClassicState) -> Int[Array, "2"]:
    """The symbol of the cell in front of each agent."""
    target = _target(state)
    outside = (state.facing == SOUTH) | (target < 1) | (target > LAST_COLUMN)
    box = jnp.where(_below_small(state), SEES_SMALL, SEES_BIG)
    beside = jnp.where(outside, SEES_WALL, jnp.where(target == state.columns[::-1], SEES_AGENT, SEES_EMPTY))
    return jnp.where(state.facing == NORTH, box, beside)


def _target(state: BoxPushingClassicState) -> Int[Array, "2"]:
    """The column that each agent faces; its own where it faces north or south."""
    return state.columns + (state.facing == EAST) - (state.facing == WEST)


def _below_small(state: BoxPushingClassicState) -> Bool[Array, "2"]:
    return (state.columns == 1) | (state.columns == LAST_COLUMN)


def _effects(state: BoxPushingClassicState, actions: Int[Array, "2"]) -> _Effects:
    """What `actions` do in a configuration; an action that fails is the same as staying."""
    forward = actions == FORWARD
    seen, target = _in_front(state), _target(state)
    pushes_small = forward & (seen == SEES_SMALL)
    pushes_big = (forward & (seen == SEES_BIG)).all()  # agents never share a column: one is below each half
    enters = forward & (seen == SEES_EMPTY)
    clash = enters.all() & (target[0] == target[1])

    turn = (actions == TURN_RIGHT).astype(jnp.int32) - (actions == TURN_LEFT)
    small_ends = jnp.where(pushes_small.all(), BOTH_SMALL, jnp.where(pushes_small[0], LEFT_SMALL, RIGHT_SMALL))
    return _Effects(
        columns=jnp.where(enters & ~clash, target, state.columns),
        facing=(state.facing + turn) % N_FACINGS,
        goal=jnp.where(pushes_big, BIG, jnp.where(pushes_small.any(), small_ends, RUNNING)).astype(jnp.int32),
        pushes_small=pushes_small,
        blocked=forward & ~pushes_small & ~pushes_big & (~enters | clash),
    )
