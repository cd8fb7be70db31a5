"""What keeps units out of each other and of walls: the half-planes of optimal reciprocal collision avoidance (ORCA).

Van den Berg et al. 2011, as RVO2 and SMAClite have it: a unit avoids whom it would touch within a second, and shares
that with who moves too; it takes the whole of it where the other stands. Who wants to stand, stands. Arrays are
batch-last, [U, B].
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvf.envs.combat.terrain import Ground
from jaxvf.envs.combat.units import TICK
from jaxvf.envs.smaclite import orca, walls
from jaxvf.envs.smaclite.orca import HalfPlanes, Wish

DENSEST = 0.9069  # of discs in a plane
MOST_NEIGHBOURS = 16


class Movers(NamedTuple):
    """Who avoids whom."""

    x: Float[Array, "U B"]
    y: Float[Array, "U B"]
    vx: Float[Array, "U B"]  # of the tick before
    vy: Float[Array, "U B"]
    wish_x: Float[Array, "U B"]
    wish_y: Float[Array, "U B"]
    alive: Bool[Array, "U B"]
    radius: Float[Array, "U"]
    speed: Float[Array, "U"]


def velocities(
    ground: Ground, movers: Movers, distance: Float[Array, "U U B"], flies: np.ndarray, place: np.ndarray, most: int
) -> tuple[Array, Array]:
    """Velocities x and y of this tick.

    Args:
        ground: the terrain; flyers ignore it.
        movers: units.
        distance: between all of them.
        flies: who flies, [U]: flyers and others do not meet.
        place: order in which a unit's neighbours are taken, [U].
        most: neighbours of a unit, at most.
    """
    moves = movers.alive & ((movers.wish_x != 0) | (movers.wish_y != 0))
    place_now, velocity = (movers.x, movers.y), (movers.vx, movers.vy)
    radius, speed = movers.radius[:, None], movers.speed[:, None]
    walls_met = walls.half_planes(ground, place_now, velocity, radius, speed, moves & ~jnp.asarray(flies)[:, None])
    others = _of_neighbours(movers, moves, distance, flies, place, most)
    planes = HalfPlanes(*(jnp.concatenate(pair) for pair in zip(walls_met, others, strict=True)))
    lines, *shape = planes.px.shape
    flat = HalfPlanes(*(leaf.reshape(lines, -1) for leaf in planes))
    wish = Wish(*(leaf.reshape(-1) for leaf in (movers.wish_x, movers.wish_y, jnp.broadcast_to(speed, shape))))
    x, y = orca.allowed(flat, walls_met.px.shape[0], wish)
    return x.reshape(shape), y.reshape(shape)


def most_neighbours(radius: np.ndarray) -> int:
    """How many units a unit can touch or nearly touch, by the area that they fill where none lie over each other.

    SMAClite has no such number: there a unit heeds all that are near.

    Args:
        radius: of all units at once, [U].
    """
    room = 2 * radius.max() + radius.min()  # of the disc that they lie in
    fit = math.floor(DENSEST * (room / radius.min()) ** 2) - 1
    return min(len(radius) - 1, fit, MOST_NEIGHBOURS)


def _of_neighbours(
    movers: Movers, moves: Array, distance: Array, flies: np.ndarray, place: np.ndarray, most: int
) -> HalfPlanes:
    """Half-planes [most, U, B], of neighbours in the order of their places."""
    units = len(flies)
    meet = jnp.asarray((flies[:, None] == flies[None]) & ~np.eye(units, dtype=bool))
    near = distance <= (movers.radius[:, None] + movers.radius.max())[..., None]
    mask = meet[..., None] & near & movers.alive[None] & moves[:, None]
    order = jnp.asarray(place)[None, :, None]
    by_place = jnp.asarray(np.argsort(place))

    def following(last: Array, _: None) -> tuple[Array, Array]:
        found = jnp.where(mask & (order > last[:, None]), order, units).min(axis=1)
        return found, found

    found = jax.lax.scan(following, jnp.full(moves.shape, -1), None, length=most)[1]
    real = found < units
    other = by_place[jnp.minimum(found, units - 1)]

    def theirs(leaf: Array) -> Array:
        return jnp.take_along_axis(leaf[None], other, axis=1)

    rx, ry = theirs(movers.x) - movers.x, theirs(movers.y) - movers.y
    vx, vy = movers.vx - theirs(movers.vx), movers.vy - theirs(movers.vy)
    touch = movers.radius[other] + movers.radius[:, None]
    share = jnp.where(theirs(moves), 0.5, 1.0)
    dx, dy, change_x, change_y = _way_out(rx, ry, vx, vy, touch)
    return orca.padded(movers.vx + share * change_x, movers.vy + share * change_y, dx, dy, real)


def _way_out(rx: Array, ry: Array, vx: Array, vy: Array, touch: Array) -> tuple[Array, Array, Array, Array]:
    """Direction of the line that bounds a velocity obstacle, and the least change that leaves it.

    Args:
        rx: from a unit to another, x.
        ry: the same, y.
        vx: the unit's velocity, seen from the other, x.
        vy: the same, y.
        touch: sum of their radii.
    """
    square = rx * rx + ry * ry
    apart = square > touch * touch
    # Those that touch leave each other within a tick, others do not meet within a second.
    pace = jnp.where(apart, 1.0, 1 / TICK)
    wx, wy = vx - pace * rx, vy - pace * ry
    w_square = wx * wx + wy * wy
    inward = wx * rx + wy * ry
    round_end = ~apart | ((inward < 0) & (inward * inward > touch * touch * w_square))
    length = jnp.sqrt(w_square)
    nx, ny = wx / jnp.maximum(length, 1e-9), wy / jnp.maximum(length, 1e-9)
    out = touch * pace - length
    leg = jnp.sqrt(jnp.maximum(square - touch * touch, 0.0))
    side = jnp.where(rx * wy - ry * wx > 0, 1.0, -1.0)  # the left leg, or the right one
    scale = side / jnp.maximum(square, 1e-9)
    leg_x, leg_y = (rx * leg - side * ry * touch) * scale, (side * rx * touch + ry * leg) * scale
    along = vx * leg_x + vy * leg_y
    return (
        jnp.where(round_end, ny, leg_x),
        jnp.where(round_end, -nx, leg_y),
        jnp.where(round_end, out * nx, along * leg_x - vx),
        jnp.where(round_end, out * ny, along * leg_y - vy),
    )
