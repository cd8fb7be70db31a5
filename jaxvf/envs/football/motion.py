"""A step of the game: kicks, five times 20 ms of running and duels, and how it may end. Arrays are batch-last."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.football import duels
from jaxvf.envs.football.ball import flown, left_the_pitch, length
from jaxvf.envs.football.duels import NOBODY, Reach
from jaxvf.envs.football.numbers import (
    BALL_RADIUS,
    HALF_LENGTH,
    HALF_WIDTH,
    SUBSTEPS,
    TICK,
    TINY,
    FootballParams,
)

BEYOND = 2.0  # metres outside the pitch that players go at most
STANDING = 0.5  # metres per second below which a player keeps facing where he did
AGENTS, OPPONENTS = 0, 1  # teams


class Motion(NamedTuple):
    """What moves; agents come before opponents."""

    position: Float[Array, "2 P B"]
    velocity: Float[Array, "2 P B"]
    facing: Float[Array, "2 P B"]  # unit vectors
    ball: Float[Array, "3 B"]
    ball_velocity: Float[Array, "3 B"]
    owner: Int[Array, "B"]  # who has the ball, or -1
    last_team: Int[Array, "B"]  # which team had it last, or -1 while neither had


class Ends(NamedTuple):
    """How the episode ended; at most one holds."""

    goal: Bool[Array, "B"]
    conceded: Bool[Array, "B"]  # into the own goal
    out: Bool[Array, "B"]
    lost: Bool[Array, "B"]  # the ball went from one team to the other

    @property
    def any(self) -> Bool[Array, "B"]:
        """It is over."""
        return self.goal | self.conceded | self.out | self.lost


class Orders(NamedTuple):
    """What everybody wants in this step."""

    velocity: Float[Array, "2 P B"]
    acceleration: Float[Array, "P 1"]  # at most
    forced: Bool[Array, "P B"]  # at once: who slides or lies on the ground
    slows: Bool[Array, "P B"]  # keeps the ball close
    reach: Reach
    locked: Float[Array, "P B"]  # seconds until who kicked can take the ball again


def play(now: Motion, orders: Orders, luck: Float[Array, "T 2 B"], params: FootballParams) -> tuple[Motion, Ends]:
    """Five times 20 ms.

    Args:
        now: the situation.
        orders: of this step.
        luck: uniform draws in [0, 1) of every 20 ms: of a save, of a tackle.
        params: the numbers.
    """
    never = jnp.zeros(now.owner.shape, bool)

    def tick(carry: tuple[Motion, Ends], drawn: tuple[Array, Array]) -> tuple[tuple[Motion, Ends], None]:
        motion, ends = carry
        seconds, lucky = drawn
        able = orders.reach.able & (orders.locked <= seconds)
        moved, ended = _tick(motion, orders, orders.reach._replace(able=able), lucky, params)
        ends = Ends(*(was | (now & ~ends.any) for was, now in zip(ends, ended, strict=True)))
        return (moved, ends), None

    times = jnp.arange(SUBSTEPS, dtype=jnp.float32) * TICK
    return jax.lax.scan(tick, (now, Ends(never, never, never, never)), (times, luck))[0]


def _tick(
    now: Motion, orders: Orders, reach: Reach, luck: Float[Array, "2 B"], params: FootballParams
) -> tuple[Motion, Ends]:
    change = orders.velocity - now.velocity
    most = orders.acceleration * TICK
    change = change * jnp.where(orders.forced, 1.0, jnp.minimum(1.0, most / jnp.maximum(length(change), TINY)))
    velocity = now.velocity + change
    bounds = jnp.array([HALF_LENGTH + BEYOND, HALF_WIDTH + BEYOND])[:, None, None]
    position = jnp.clip(now.position + velocity * TICK, -bounds, bounds)
    speed = length(velocity)
    facing = jnp.where(speed > STANDING, velocity / jnp.maximum(speed, TINY), now.facing)

    ball, ball_velocity = _ball_after(now, position, velocity, facing, orders.slows, params)
    goal, conceded, out = left_the_pitch(now.ball, ball)
    owner = duels.owner_after(position, velocity, ball, ball_velocity, now.owner, reach, luck, params)
    team = jnp.where(owner == NOBODY, NOBODY, jnp.where(owner < reach.n_agents, AGENTS, OPPONENTS))
    over = goal | conceded | out
    lost = (team != NOBODY) & (now.last_team != NOBODY) & (team != now.last_team) & ~over
    last_team = jnp.where(team == NOBODY, now.last_team, team)
    return Motion(position, velocity, facing, ball, ball_velocity, owner, last_team), Ends(goal, conceded, out, lost)


def _ball_after(
    now: Motion,
    position: Float[Array, "2 P B"],
    velocity: Float[Array, "2 P B"],
    facing: Float[Array, "2 P B"],
    slows: Bool[Array, "P B"],
    params: FootballParams,
) -> tuple[Float[Array, "3 B"], Float[Array, "3 B"]]:
    """At the carrier's feet, the farther ahead the faster he runs, or in flight."""
    touch = touch_distance(length(velocity), slows, params)
    carries = np.arange(position.shape[1])[:, None] == now.owner
    feet = jnp.where(carries, position + touch * facing, 0.0).sum(axis=1)
    pace = jnp.where(carries, velocity, 0.0).sum(axis=1)
    ball, ball_velocity = flown(now.ball, now.ball_velocity)
    nobody = now.owner == NOBODY
    level = jnp.full_like(feet[0], BALL_RADIUS)
    carried = jnp.stack([*feet, level]), jnp.stack([*pace, jnp.zeros_like(level)])
    return jnp.where(nobody, ball, carried[0]), jnp.where(nobody, ball_velocity, carried[1])


def touch_distance(speed: Float[Array, "*n"], slows: Bool[Array, "*n"], params: FootballParams) -> Float[Array, "*n"]:
    """Metres from a carrier to the ball; who dribbles keeps it as close as who stands."""
    share = jnp.clip(speed / jnp.maximum(params.sprint_speed, TINY), 0.0, 1.0)
    more = (params.farthest_touch - params.closest_touch) * share
    return params.closest_touch + jnp.where(slows, 0.0, more)
