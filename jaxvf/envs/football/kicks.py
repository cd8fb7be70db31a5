"""Passes and shots: whom, where to, how fast, and how far off. Arrays are batch-last."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvf.envs.football.ball import length, unit
from jaxvf.envs.football.numbers import (
    GOAL_HALF_WIDTH,
    HALF_LENGTH,
    HIGH_PASS,
    LONG_PASS,
    SHOT,
    FootballParams,
)

# Google Research Football's passes: launch at 36 (factor (d / 60)^1.4 + 0.3) metres per second for d metres.
FASTEST, EXPONENT, FAR, FLOOR = 36.0, 1.4, 60.0, 0.3
GROUND_FACTOR, GROUND_CAP, GROUND_RISE = 1.8, 30.0, 0.11
HIGH_FACTOR, HIGH_CAP, HIGH_RISE, HIGH_FALL = 1.15, 42.0, 0.45, 0.15
LONG_LEAD = 0.2  # of the distance, towards the opponents' goal
RATED, DISTANCE_WEIGHT, DISTANCE_EXPONENT = 70.0, 0.8, 0.8
LEAD_TIME, LEAD_EXPONENT = 0.7, 0.7  # seconds for which a mate is taken to run on, at most
POST = 0.9  # share of the goal's half width that is aimed at, at most
ANGLE_EXPONENT = 0.7
BEST_SPEED, SPEED_RANGE = 3.5, 4.0  # metres per second at which a shot is easiest, and the error's scale around it
PRESSURE_RANGE = 2.0  # metres
GOAL = np.array([HALF_LENGTH, 0.0])


class Kicker(NamedTuple):
    """The carrier of each environment's ball."""

    ball: Float[Array, "2 B"]
    velocity: Float[Array, "2 B"]
    input: Float[Array, "2 B"]  # unit vector of its direction key, or of its facing
    is_agent: Float[Array, "N B"]  # one-hot; all zero where nobody of the team has the ball
    pressure: Float[Array, "B"]  # metres to the nearest opponent


def pass_target(
    kicker: Kicker, mates: Float[Array, "2 N B"], velocity: Float[Array, "2 N B"], params: FootballParams
) -> Float[Array, "2 B"]:
    """Where the chosen mate will be, relative to the ball: nearest to a point ahead, and to the input direction."""
    relative = mates - kicker.ball[:, None]
    until = jnp.clip(0.3 + 0.05 * length(relative), 0.0, 1.0) ** LEAD_EXPONENT * LEAD_TIME
    led = relative + velocity * until
    aim = params.pass_aim * kicker.input
    distance = jnp.clip(length(led - aim[:, None]) / RATED, 0.0, 1.0) ** DISTANCE_EXPONENT
    cosine = (unit(led) * kicker.input[:, None]).sum(axis=0)
    rating = DISTANCE_WEIGHT * distance + jnp.arccos(jnp.clip(cosine, -1.0, 1.0)) / np.pi
    rating = jnp.where(kicker.is_agent > 0, jnp.inf, rating)
    chosen = jnp.arange(mates.shape[1])[:, None] == rating.argmin(axis=0)
    return jnp.where(chosen, led, 0.0).sum(axis=1)


def launch_speed(distance: Float[Array, "*n"], *, high: bool) -> Float[Array, "*n"]:
    """Metres per second of a pass over a distance."""
    factor, cap = (HIGH_FACTOR, HIGH_CAP) if high else (GROUND_FACTOR, GROUND_CAP)
    return jnp.minimum(FASTEST * (factor * jnp.clip(distance / FAR, 0.0, 1.0) ** EXPONENT + FLOOR), cap)


def shot_target(kicker: Kicker) -> Float[Array, "2 B"]:
    """The point of the goal line that a shot is aimed at, relative to the ball.

    The middle where the input direction is the goal's; up to 90 % of the way to a post where it points 90 degrees
    aside.
    """
    to_goal = unit(_column(GOAL) - kicker.ball)
    across = to_goal[0] * kicker.input[1] - to_goal[1] * kicker.input[0]
    along = (to_goal * kicker.input).sum(axis=0)
    side = jnp.clip(jnp.arctan2(across, along) / (np.pi / 2), -1.0, 1.0)
    lateral = POST * GOAL_HALF_WIDTH * jnp.sign(side) * jnp.abs(side) ** ANGLE_EXPONENT
    return jnp.stack([HALF_LENGTH - kicker.ball[0], lateral - kicker.ball[1]])


def difficulty(kicker: Kicker) -> Float[Array, "B"]:
    """Factor of a shot's errors: 1 at 3.5 metres per second and alone."""
    haste = jnp.abs(length(kicker.velocity) - BEST_SPEED) / SPEED_RANGE
    return 1 + 0.5 * haste + jnp.exp(-kicker.pressure / PRESSURE_RANGE)


def launched(
    kicker: Kicker,
    action: Int[Array, "B"],
    target: Float[Array, "2 B"],
    noise: Float[Array, "2 B"],
    params: FootballParams,
) -> Float[Array, "3 B"]:
    """The ball's velocity after a pass to `target` (relative), or after a shot.

    Args:
        kicker: who kicks.
        action: one of the four kicks; others give numbers without meaning.
        target: of a pass.
        noise: standard normals: of the angle, of a shot's rise.
        params: the numbers.
    """
    shoots, high = action == SHOT, action == HIGH_PASS
    ahead = jnp.stack([target[0] + jnp.where(action == LONG_PASS, LONG_LEAD * length(target), 0.0), target[1]])
    distance = length(ahead)
    hard = difficulty(kicker)
    sigma = jnp.where(shoots, params.shot_sigma * hard, params.pass_sigma)
    wanted = unit(jnp.where(shoots, shot_target(kicker), ahead))
    cosine, sine = jnp.cos(sigma * noise[0]), jnp.sin(sigma * noise[0])
    way = jnp.stack([wanted[0] * cosine - wanted[1] * sine, wanted[0] * sine + wanted[1] * cosine])
    rise = jnp.where(high, HIGH_RISE - HIGH_FALL * jnp.clip(distance / FAR, 0.0, 1.0), GROUND_RISE)
    rise = jnp.where(shoots, params.shot_rise + params.rise_sigma * hard * jnp.abs(noise[1]), rise)
    speed = jnp.where(high, launch_speed(distance, high=True), launch_speed(distance, high=False))
    speed = jnp.where(shoots, params.shot_speed, speed) / jnp.sqrt(1 + rise * rise)
    return jnp.stack([*(speed * way), speed * rise])


def _column(point: Float[np.ndarray, "2"]) -> Float[Array, "2 1"]:
    return jnp.asarray(point, jnp.float32)[:, None]
