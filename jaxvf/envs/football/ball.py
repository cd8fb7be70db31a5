"""The ball in flight and on the grass. Arrays are batch-last."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.envs.football.numbers import (
    BALL_RADIUS,
    GOAL_HALF_WIDTH,
    GOAL_HEIGHT,
    HALF_LENGTH,
    HALF_WIDTH,
    TICK,
    TINY,
)

GRAVITY = 9.81
AIR_DRAG = 0.015  # per metre
GRASS_DRAG, GRASS_FRICTION = 0.04, 1.6  # per metre, and metres per second squared, while it touches the grass
BOUNCE = 0.62
REST = 0.6  # metres per second upwards below which it does not bounce any more


def length(vector: Float[Array, "d *n"]) -> Float[Array, "*n"]:
    """Euclidean length along the first axis."""
    return jnp.sqrt((vector * vector).sum(axis=0))


def unit(vector: Float[Array, "d *n"]) -> Float[Array, "d *n"]:
    """The vector at length 1; zero where it has none."""
    return vector / jnp.maximum(length(vector), TINY)


def flown(ball: Float[Array, "3 B"], velocity: Float[Array, "3 B"]) -> tuple[Float[Array, "3 B"], Float[Array, "3 B"]]:
    """A free ball and its velocity 20 ms later.

    On the grass its speed follows `dv/dt = -(1.6 + 0.055 v^2)`, so that it stops after
    `ln(1 + 0.055 v^2 / 1.6) / 0.11` metres.
    """
    on_grass = (ball[2] <= BALL_RADIUS + TINY) & (jnp.abs(velocity[2]) < REST)
    speed = length(velocity)
    loss = speed * (AIR_DRAG * speed + on_grass * GRASS_DRAG * speed) + on_grass * GRASS_FRICTION
    slower = velocity * jnp.maximum(1 - loss * TICK / jnp.maximum(speed, TINY), 0.0)
    rising = jnp.where(on_grass, 0.0, slower[2] - GRAVITY * TICK)
    after = jnp.stack([slower[0], slower[1], rising])
    place = ball + (velocity + after) / 2 * TICK
    landed = place[2] < BALL_RADIUS
    bounced = jnp.where(-BOUNCE * rising > REST, -BOUNCE * rising, 0.0)
    place = jnp.stack([place[0], place[1], jnp.maximum(place[2], BALL_RADIUS)])
    return place, jnp.stack([after[0], after[1], jnp.where(landed & (rising < 0), bounced, rising)])


def left_the_pitch(
    before: Float[Array, "3 B"], after: Float[Array, "3 B"]
) -> tuple[Bool[Array, "B"], Bool[Array, "B"], Bool[Array, "B"]]:
    """Whether the ball is in the opponents' goal, in the own one, or out of play."""
    goals = []
    for line in (HALF_LENGTH, -HALF_LENGTH):
        crossed = (jnp.abs(after[0]) > HALF_LENGTH) & (after[0] * line > 0)
        travelled = after[0] - before[0]
        share = jnp.clip((line - before[0]) / jnp.where(jnp.abs(travelled) > TINY, travelled, 1.0), 0.0, 1.0)
        there = before + share * (after - before)
        goals.append(crossed & (jnp.abs(there[1]) < GOAL_HALF_WIDTH) & (there[2] < GOAL_HEIGHT))
    away = (jnp.abs(after[0]) > HALF_LENGTH) | (jnp.abs(after[1]) > HALF_WIDTH)
    return goals[0], goals[1], away & ~goals[0] & ~goals[1]
