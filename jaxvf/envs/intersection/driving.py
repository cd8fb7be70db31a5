"""How a car drives: set-points of speed, steering along a lane, and a bicycle's motion (highway-env)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvf.envs.intersection import roads
from jaxvf.envs.intersection.numbers import SHORTEST, IntersectionParams
from jaxvf.envs.intersection.roads import OUT, Lanes

SLOWER, KEEP, FASTER = range(3)
SWITCH = 2.5  # metres before the end of a lane from which on a car steers by the next one
LARGEST_STEERING = np.pi / 3
LARGEST_APPROACH = np.pi / 4  # angle at which a car returns to its lane's middle
LOOKAHEAD = 0.5  # of `heading_time`: whose heading the car steers to


def set_points(
    actions: Int[Array, "N"],
    speed: Float[Array, "N"],
    target: Float[Array, "N"],
    params: IntersectionParams,
    n_speeds: int,
) -> Float[Array, "N"]:
    """The speeds that cars then aim at: one set-point above or below the one nearest to their present speed."""
    nearest = jnp.clip(jnp.round(speed / params.top_speed * (n_speeds - 1)), 0, n_speeds - 1)
    chosen = jnp.clip(nearest + (actions - KEEP), 0, n_speeds - 1) * (params.top_speed / (n_speeds - 1))
    return jnp.where(actions == KEEP, target, chosen)


def next_segment(
    way: Int[Array, "N"], segment: Int[Array, "N"], position: Float[Array, "N 2"]
) -> tuple[Int[Array, "N"], Lanes]:
    """Segments and lanes that cars steer by: the next one shortly before the end of one. The exit lane never ends."""
    lanes = roads.lanes_of(way, segment, position.dtype)
    ending = roads.coordinates(lanes, position)[0] > lanes.length - SWITCH
    segment = jnp.minimum(segment + ending, OUT)
    return segment, roads.lanes_of(way, segment, position.dtype)


def steering(
    lanes: Lanes,
    position: Float[Array, "N 2"],
    heading: Float[Array, "N"],
    speed: Float[Array, "N"],
    params: IntersectionParams,
) -> Float[Array, "N"]:
    """Angles of the front wheels: back to the lane's middle, by way of a heading."""
    along, lateral = roads.coordinates(lanes, position)
    ahead = roads.heading_at(lanes, along + LOOKAHEAD * params.heading_time * speed)
    divisor = jnp.where(jnp.abs(speed) > SHORTEST, speed, jnp.where(speed >= 0, SHORTEST, -SHORTEST))
    approach = jnp.arcsin(jnp.clip(-lateral / params.lateral_time / divisor, -1.0, 1.0))
    wanted = ahead + jnp.clip(approach, -LARGEST_APPROACH, LARGEST_APPROACH)
    rate = roads.wrapped(wanted - heading) / params.heading_time
    slip = jnp.clip(params.length / 2 / divisor * rate, -1.0, 1.0)  # sine of the slip angle
    # atan(2 tan(asin(slip))), whose tangent changes sign at a slip of 1 in float32.
    wheels = jnp.arctan2(2 * slip, jnp.sqrt(1 - slip * slip))
    return jnp.clip(wheels, -LARGEST_STEERING, LARGEST_STEERING)


def bicycle(
    position: Float[Array, "N 2"],
    heading: Float[Array, "N"],
    speed: Float[Array, "N"],
    wheels: Float[Array, "N"],
    params: IntersectionParams,
) -> tuple[Float[Array, "N 2"], Float[Array, "N"]]:
    """Positions and headings a step later, by the speed before it."""
    slip = jnp.arctan(jnp.tan(wheels) / 2)
    way = jnp.stack([jnp.cos(heading + slip), jnp.sin(heading + slip)], axis=-1)
    moved = position + (speed * params.time_step)[:, None] * way
    return moved, heading + speed * jnp.sin(slip) / (params.length / 2) * params.time_step
