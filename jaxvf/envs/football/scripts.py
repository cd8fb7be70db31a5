"""Scripted attackers: how far one comes alone, and how far with passes. Written for one state."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.football.controls import N_DIRECTIONS, RIGHT
from jaxvf.envs.football.numbers import (
    HALF_LENGTH,
    N_ACTIONS,
    RELEASE_DIRECTION,
    SHORT_PASS,
    SHOT,
    SPRINT,
)
from jaxvf.envs.football.state import FootballState

SOLO_SHOT, PASSING_SHOT = 17.0, 15.0  # metres from goal
PRESSED = 5.0  # metres to an opponent
SLOW_BALL = 8.0  # metres per second: a faster one is met on its way
BEHIND = 50.0  # metres that count for who has let the ball pass
CLOSE = 0.3  # metres that are near enough to wait
ASIDE = 1.25  # eighths of a turn between the goal's middle and the aim, before it is rounded to a key
EIGHTH = np.pi / 4
GOAL = np.array([HALF_LENGTH, 0.0], np.float32)

Script = Callable[[Key[Array, ""], FootballState], Int[Array, "N"]]


def uniform(key: Key[Array, ""], state: FootballState) -> Int[Array, "N"]:
    """Any action, as likely as any other."""
    return jax.random.randint(key, state.direction.shape, 0, N_ACTIONS)


def solo(key: Key[Array, ""], state: FootballState) -> Int[Array, "N"]:
    """The carrier sprints at the goal and shoots from 17 m; the others stand."""
    alone = jnp.where(state.sprint, _to_goal(state), SPRINT)
    with_ball = jnp.where(_from_goal(state) < SOLO_SHOT, SHOT, alone)
    return jnp.where(_carries(state), with_ball, _without_ball(state)).astype(jnp.int32)


def passing(key: Key[Array, ""], state: FootballState) -> Int[Array, "N"]:
    """The carrier passes to the freest mate when an opponent is within 5 m, and shoots from 15 m; the others stand.

    Kicks go where keys point: before a pass he turns to his mate, before a shot to the side of the goal that the keeper
    leaves open.
    """
    n = len(state.direction)
    carries, to_goal = _carries(state), _to_goal(state)
    agents, opponents = state.position[:n], state.position[n:]
    space = _norm(agents[:, None] - opponents).min(axis=1)  # metres to the nearest opponent
    freest = jnp.where(carries, -jnp.inf, space).argmax()
    passes = _turned(state, _towards(agents[freest] - agents), SHORT_PASS)
    shoots = _turned(state, _open_side(state), SHOT)
    with_ball = jnp.where(space < PRESSED, passes, to_goal)
    with_ball = jnp.where(_from_goal(state) < PASSING_SHOT, shoots, with_ball)
    return jnp.where(carries, with_ball, _without_ball(state)).astype(jnp.int32)


def _turned(state: FootballState, direction: Int[Array, "N"], kick: int) -> Int[Array, "N"]:
    """First the direction, then the kick."""
    return jnp.where(state.direction == direction, kick, direction)


def _open_side(state: FootballState) -> Int[Array, "N"]:
    """The direction whose shot passes the keeper at the greatest distance, of 90 degrees around the goal's at most."""
    n = len(state.direction)
    relative = GOAL - state.position[:n]
    keeper = state.position[n] - state.position[:n]
    side = jnp.sign(relative[:, 0] * keeper[:, 1] - relative[:, 1] * keeper[:, 0])  # 1 where he stands to the right
    aside = jnp.round(jnp.arctan2(relative[:, 1], relative[:, 0]) / EIGHTH - jnp.where(side > 0, ASIDE, -ASIDE))
    return (aside.astype(jnp.int32) + RIGHT - 1) % N_DIRECTIONS + 1


def _without_ball(state: FootballState) -> Int[Array, "N"]:
    """Stand, but for who is nearest to where a free ball rolls: he runs to it."""
    ball, velocity = state.ball[:2], state.ball_velocity[:2]
    to_ball = ball - state.position[: len(state.direction)]
    speed = _norm(velocity)
    way = velocity / jnp.maximum(speed, 1e-3)
    ahead = jnp.maximum(-(to_ball * way).sum(axis=-1), 0.0)  # of the ball, along its way
    meets = to_ball + jnp.where(speed > SLOW_BALL, ahead, 0.0)[:, None] * way
    away = _norm(meets) + jnp.where((speed > SLOW_BALL) & (ahead == 0), BEHIND, 0.0)
    runs = (jnp.arange(len(away)) == away.argmin()) & (away > CLOSE) & ~_carries(state).any()
    return jnp.where(runs, _towards(meets), jnp.where(state.direction > 0, RELEASE_DIRECTION, 0))


SCRIPTS: dict[str, Script] = {"random": uniform, "solo": solo, "passing": passing}


def _norm(vector: Float[Array, "*n 2"]) -> Float[Array, "*n"]:
    return jnp.sqrt((vector * vector).sum(axis=-1))


def _carries(state: FootballState) -> Array:
    return jnp.arange(len(state.direction)) == state.owner


def _from_goal(state: FootballState) -> Float[Array, "N"]:
    return _norm(jnp.asarray(GOAL) - state.position[: len(state.direction)])


def _towards(way: Float[Array, "N 2"]) -> Int[Array, "N"]:
    """The direction key nearest to each vector."""
    eighth = jnp.round(jnp.arctan2(way[:, 1], way[:, 0]) / EIGHTH).astype(jnp.int32)
    return (eighth + RIGHT - 1) % N_DIRECTIONS + 1


def _to_goal(state: FootballState) -> Int[Array, "N"]:
    return _towards(jnp.asarray(GOAL) - state.position[: len(state.direction)])
