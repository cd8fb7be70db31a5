"""The lanes of the crossing, and where on them a car is.

Metres; x grows to the right and y downwards, the crossing's middle is the origin. Arms are numbered clockwise from the
lower one on: 0 south, 1 west, 2 north, 3 east. A route leads from an arm to another one along three segments: straight
towards the crossing, across it, and straight out. Traffic keeps to the right.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

N_ARMS = 4
LEFT, STRAIGHT, RIGHT = range(3)  # a way: how many arms on clockwise its destination is, less one
INTO, ACROSS, OUT = range(3)  # segments of a route
N_SEGMENTS = 3

OFFSET = 2.0  # of a lane's middle from the road's
RIGHT_RADIUS, LEFT_RADIUS = 9.0, 13.0
CROSSING = 11.0  # half side
ARM = 100.0  # length of a straight lane towards the crossing or away from it
ACROSS_LENGTHS = np.array([LEFT_RADIUS * np.pi / 2, 2 * CROSSING, RIGHT_RADIUS * np.pi / 2])  # by way
ROUTE_TO_EXIT = ARM + ACROSS_LENGTHS  # metres from a route's first point to its exit lane, by way


class Lanes(NamedTuple):
    """One lane a car, or tables of lanes; a lane is straight or an arc of a circle."""

    arc: Bool[Array, "*n"]
    anchor: Float[Array, "*n 2"]  # a straight lane's first point, an arc's centre
    direction: Float[Array, "*n 2"]  # unit vector along a straight lane
    heading: Float[Array, "*n"]  # of a straight lane
    radius: Float[Array, "*n"]  # of an arc
    phase: Float[Array, "*n"]  # angle from the centre to the arc's first point
    turn: Float[Array, "*n"]  # 1 where angles grow along the arc (to the right, as y is down), else -1
    length: Float[Array, "*n"]


def _straight(start: Float[np.ndarray, "2"], direction: Float[np.ndarray, "2"], length: float) -> tuple:
    direction = direction + 0.0  # no -0.0, which would make the heading of arm 3 minus pi
    return False, start, direction, np.arctan2(direction[1], direction[0]), 1.0, 0.0, 1.0, length


def _arc(centre: Float[np.ndarray, "2"], radius: float, phase: float, turn: float) -> tuple:
    return True, centre, np.array([1.0, 0.0]), 0.0, radius, phase, turn, radius * np.pi / 2


def _rotation(arm: int) -> Float[np.ndarray, "2 2"]:
    """What takes the lower arm to this one."""
    cosine, sine = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[arm]
    return np.array([[cosine, -sine], [sine, cosine]])


def _route(arm: int, way: int) -> list[tuple]:
    rotation, angle = _rotation(arm), arm * np.pi / 2
    upwards = rotation @ np.array([0.0, -1.0])
    into = _straight(rotation @ np.array([OFFSET, ARM + CROSSING]), upwards, ARM)
    across = {
        LEFT: _arc(rotation @ np.array([-CROSSING, CROSSING]), LEFT_RADIUS, angle, -1.0),
        STRAIGHT: _straight(rotation @ np.array([OFFSET, CROSSING]), upwards, 2 * CROSSING),
        RIGHT: _arc(rotation @ np.array([CROSSING, CROSSING]), RIGHT_RADIUS, angle + np.pi, 1.0),
    }
    away = _rotation((arm + way + 2) % N_ARMS)  # the exit to arm d is (11, 2) to (111, 2), turned by d + 1
    out = _straight(away @ np.array([CROSSING, OFFSET]), away @ np.array([1.0, 0.0]), ARM)
    return [into, across[way], out]


def _tables() -> Lanes:
    """Every route's lanes, [arm, way, segment]."""
    lanes = [lane for arm in range(N_ARMS) for way in range(3) for lane in _route(arm, way)]
    columns = [np.array(column) for column in zip(*lanes, strict=True)]
    tables: Any = [column.reshape(N_ARMS, 3, N_SEGMENTS, *column.shape[1:]) for column in columns]
    return Lanes(*tables)


LANES = _tables()


def lanes_of(way: Int[Array, "N"], segment: Int[Array, "N"], dtype: DTypeLike) -> Lanes:
    """The lane that each car is on; car i comes from arm i."""
    arm = np.arange(N_ARMS, dtype=np.int32)
    tables = (table if table.dtype == bool else table.astype(dtype) for table in LANES)
    return Lanes(*(jnp.asarray(table)[arm, way, segment] for table in tables))


def wrapped(angle: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The same angle in [-pi, pi)."""
    return jnp.mod(angle + np.pi, 2 * np.pi) - np.pi


def coordinates(lanes: Lanes, position: Float[Array, "N 2"]) -> tuple[Float[Array, "N"], Float[Array, "N"]]:
    """Metres along each car's lane, and metres off its middle, to the right."""
    offset = position - lanes.anchor
    x, y = offset[:, 0], offset[:, 1]
    along_x, along_y = lanes.direction[:, 0], lanes.direction[:, 1]
    swept = wrapped(jnp.arctan2(y, x) - lanes.phase)
    along = jnp.where(lanes.arc, lanes.turn * swept * lanes.radius, x * along_x + y * along_y)
    inwards = lanes.turn * (lanes.radius - jnp.sqrt(x * x + y * y))
    return along, jnp.where(lanes.arc, inwards, y * along_x - x * along_y)


def heading_at(lanes: Lanes, along: Float[Array, "N"]) -> Float[Array, "N"]:
    """Heading of each lane, `along` metres from its start."""
    tangent = lanes.phase + lanes.turn * (along / lanes.radius + np.pi / 2)
    return jnp.where(lanes.arc, tangent, lanes.heading)


def point_at(lanes: Lanes, along: Float[Array, "N"]) -> Float[Array, "N 2"]:
    """The middle of each lane, `along` metres from its start."""
    angle = lanes.phase + lanes.turn * along / lanes.radius
    spoke = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
    distance = jnp.where(lanes.arc, lanes.radius, along)
    return lanes.anchor + distance[:, None] * jnp.where(lanes.arc[:, None], spoke, lanes.direction)


def on_route(way: Int[Array, "N"], along: Float[Array, "N"]) -> tuple[Int[Array, "N"], Float[Array, "N"]]:
    """Segment and metres along it of a point `along` metres from the beginning of each car's route."""
    to_exit = jnp.asarray(ROUTE_TO_EXIT, along.dtype)[way]
    segment = (along > ARM).astype(jnp.int32) + (along > to_exit)
    return segment, along - jnp.where(segment == OUT, to_exit, jnp.where(segment == ACROSS, ARM, 0.0))


def along_route(way: Int[Array, "N"], segment: Int[Array, "N"], position: Float[Array, "N 2"]) -> Float[Array, "N"]:
    """Metres from the beginning of each car's route.

    A car steers by its next segment from 2.5 m before the end of the last one on; there, it still is on the last one.
    """
    dtype = position.dtype
    steered = coordinates(lanes_of(way, segment, dtype), position)[0]
    last = jnp.maximum(segment - 1, INTO)
    behind = coordinates(lanes_of(way, last, dtype), position)[0]
    there = jnp.where(steered < 0, last, segment)
    first = jnp.where(there == OUT, jnp.asarray(ROUTE_TO_EXIT, dtype)[way], jnp.where(there == ACROSS, ARM, 0.0))
    return first + jnp.where(steered < 0, behind, steered)
