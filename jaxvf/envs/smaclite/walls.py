"""Half-planes that keep units out of blocked ground: the velocity obstacles of rectangles' edges, as in RVO2.

As SMAClite's own NumPy version of RVO2 has them, in which two things differ from the original. A line is shifted away
from the edge by (-d_y, -d_y) instead of (-d_y, d_x) times the radius, for a direction d: units come up to walls in the
north and in the south with their centres, to others with their edges. And a right leg begins at the left end. Both are
kept on purpose: the recorded battles that tests compare with were made with them.

Arrays are [edges, U, B]. An edge runs from its first end to its second with the rectangle on the left.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvf.envs.combat.terrain import BLOCKED, SIDE, Ground
from jaxvf.envs.smaclite.orca import HalfPlanes, padded

MOST_WALLS = 4  # rectangles that a unit heeds: the nearest ones
COVERED = 1e-5
Pair = tuple[Array, Array]  # x and y


class Edges(NamedTuple):
    """Those edges of the rectangles near a unit that face it, as it sees them."""

    first: Pair  # an end, seen from the unit; x and y
    second: Pair
    along: Pair  # unit vector from the first to the second
    real: Bool[Array, "S U B"]


def half_planes(
    ground: Ground,
    place: tuple[Float[Array, "U B"], Float[Array, "U B"]],
    velocity: tuple[Float[Array, "U B"], Float[Array, "U B"]],
    radius: Float[Array, "U 1"],
    speed: Float[Array, "U 1"],
    walks: Bool[Array, "U B"],
) -> HalfPlanes:
    """Half-planes [edges, U, B].

    Args:
        ground: the terrain.
        place: where units are, x and y.
        velocity: of the tick before, x and y.
        radius: of each unit.
        speed: of each unit; what it does not reach within a second is not there.
        walks: the others heed no wall.
    """
    edges = _facing(ground, place, radius, speed, walks)
    planes = _lines(edges, velocity, radius)
    return planes._replace(real=_uncovered(edges, planes, radius))


def _facing(ground: Ground, place: Pair, radius: Array, speed: Array, walks: Array) -> Edges:
    """Of each near rectangle the horizontal and the vertical edge that face the unit, in counter-clockwise order."""
    x, y = place
    left, low, right, high = (jnp.asarray(side, jnp.float32)[:, None, None] for side in blocked_rectangles(ground).T)
    away = (x - jnp.clip(x, left, right)) ** 2 + (y - jnp.clip(y, low, high)) ** 2
    near = walks & (away <= (radius + speed) ** 2)
    if len(left) > MOST_WALLS:
        chosen, rest = [], jnp.where(near, away, jnp.inf)
        for _ in range(MOST_WALLS):
            nearest = rest.argmin(axis=0)
            chosen.append(nearest)
            rest = jnp.where(jnp.arange(len(left))[:, None, None] == nearest, jnp.inf, rest)
        picked = jnp.stack(chosen)
        left, low, right, high = (side[:, 0, 0][picked] for side in (left, low, right, high))
        near = jnp.take_along_axis(near, picked, axis=0)
    below, above, west, east = y < low, y > high, x < left, x > right
    flat = jnp.zeros_like(near, jnp.float32)
    level = jnp.where(below, low, high)
    upright = jnp.where(west, left, right)
    sign = jnp.where(below, 1.0, -1.0) + flat  # the lower edge runs to the right
    rise = jnp.where(west, -1.0, 1.0) + flat  # the right edge runs up
    horizontal = Edges(
        (jnp.where(below, left, right) - x, level - y),
        (jnp.where(below, right, left) - x, level - y),
        (sign, flat),
        near & (below | above),
    )
    vertical = Edges(
        (upright - x, jnp.where(west, high, low) - y),
        (upright - x, jnp.where(west, low, high) - y),
        (flat, rise),
        near & (west | east),
    )
    vertical_first = above & east

    def ordered(one: Array, other: Array) -> Array:
        pair = (jnp.where(vertical_first, other, one), jnp.where(vertical_first, one, other))
        return jnp.stack(pair, axis=1).reshape(-1, *one.shape[1:])

    pairs = zip(horizontal[:3], vertical[:3], strict=True)
    first, second, along = ((ordered(one[0], other[0]), ordered(one[1], other[1])) for one, other in pairs)
    return Edges(first, second, along, ordered(horizontal.real, vertical.real))


def _dot(a: Pair, b: Pair) -> Array:
    return a[0] * b[0] + a[1] * b[1]


def _det(a: Pair, b: Pair) -> Array:
    return a[0] * b[1] - a[1] * b[0]


def _minus(a: Pair, b: Pair) -> Pair:
    return a[0] - b[0], a[1] - b[1]


def _where(mask: Array, a: Pair, b: Pair) -> Pair:
    return jnp.where(mask, a[0], b[0]), jnp.where(mask, a[1], b[1])


def _scaled(a: Pair, factor: Array | float) -> Pair:
    return a[0] * factor, a[1] * factor


def _unit(a: Pair) -> Pair:
    return _scaled(a, 1.0 / jnp.maximum(jnp.sqrt(_dot(a, a)), 1e-9))


def _leg(end: Pair, radius: Array, side: float) -> Pair:
    """Unit vector from the unit along the tangent to the disc round an end: the left one for side = 1, or the right."""
    square = jnp.maximum(_dot(end, end), 1e-9)
    leg = jnp.sqrt(jnp.maximum(square - radius**2, 0.0))
    return _scaled((end[0] * leg - side * end[1] * radius, side * end[0] * radius + end[1] * leg), 1.0 / square)


def _lines(edges: Edges, velocity: Pair, radius: Array) -> HalfPlanes:
    """The half-plane of each edge: away from a touched one, else at the nearest bound of what leads into it."""
    first, second, along = edges[:3]
    segment = _minus(second, first)
    share = -_dot(first, segment) / jnp.maximum(_dot(segment, segment), 1e-9)
    nearest = (first[0] + share * segment[0], first[1] + share * segment[1])
    on_line = _dot(nearest, nearest) <= radius**2
    touches_first = (share < 0) & (_dot(first, first) < radius**2)
    touches_second = (share > 1) & (_dot(second, second) <= radius**2)
    touches = (share > 0) & (share < 1) & on_line
    passes = touches_second & (_det(second, _turned(along)) < 0)  # the next edge sees to it
    point, direction, skips = _approached(edges, velocity, radius, (share < 0) & on_line, (share > 1) & on_line)
    touched = _where(touches_first, first, second)
    stop = _where(touches, _scaled(along, -1.0), _unit(_turned(touched)))
    halts = touches_first | touches_second | touches
    direction = _where(halts, stop, direction)
    point = _where(halts, _scaled(point, 0.0), point)
    real = edges.real & ~jnp.where(halts, passes & ~touches_first, skips)
    return padded(*point, *direction, real)


def _approached(
    edges: Edges, velocity: Pair, radius: Array, only_first: Array, only_second: Array
) -> tuple[Pair, Pair, Array]:
    """Point and direction of an edge's line where it is not touched, and whether another edge sees to it.

    `only_first` and `only_second` say that the edge is seen end on, and is a point.
    """
    first, second, along = edges[:3]
    point = only_first | only_second
    start, end = _where(only_second, second, first), _where(only_first, first, second)
    before = _turned(along)  # the edge before this one, run backwards
    after = _where(only_first, along, before)  # the edge after this one
    left, right = _leg(start, radius, 1.0), _leg(end, radius, -1.0)
    left_foreign, right_foreign = _det(left, before) >= 0, _det(right, after) <= 0
    left, right = _where(left_foreign, before, left), _where(right_foreign, after, right)

    cut, to_start, to_end = _minus(end, start), _minus(velocity, start), _minus(velocity, end)
    at = jnp.where(point, 0.5, _dot(to_start, cut) / jnp.maximum(_dot(cut, cut), 1e-9))
    at_left, at_right = _dot(to_start, left), _dot(to_end, right)
    round_start = ((at < 0) & (at_left < 0)) | (point & (at_left < 0) & (at_right < 0))
    round_end = ~round_start & (at > 1) & (at_right < 0)
    by_cut = jnp.where((at < 0) | (at > 1) | point, jnp.inf, _off(to_start, cut, at))
    by_left = jnp.where(at_left < 0, jnp.inf, _off(to_start, left, at_left))
    by_right = jnp.where(at_right < 0, jnp.inf, _off(to_end, right, at_right))
    on_cut = (by_cut <= by_left) & (by_cut <= by_right)
    on_left = ~on_cut & (by_left <= by_right)

    direction = _where(on_cut, _scaled(along, -1.0), _where(on_left, left, _scaled(right, -1.0)))
    shifted = (start[0] - radius * direction[1], start[1] - radius * direction[1])  # sic: see above
    out, corner = _unit(_where(round_end, to_end, to_start)), _where(round_end, end, start)
    rounded = (corner[0] + radius * out[0], corner[1] + radius * out[1])
    turns = round_start | round_end
    skips = ~turns & ((on_left & left_foreign) | (~on_cut & ~on_left & right_foreign))
    return _where(turns, rounded, shifted), _where(turns, (out[1], -out[0]), direction), skips


def _off(to: Pair, along: Pair, by: Array) -> Array:
    """Squared distance of a point from the one that lies `by` times `along` from the start."""
    rest = _minus(to, _scaled(along, by))
    return _dot(rest, rest)


def _turned(a: Pair) -> Pair:
    """A quarter to the left."""
    return -a[1], a[0]


def _uncovered(edges: Edges, planes: HalfPlanes, radius: Array) -> Bool[Array, "S U B"]:
    """Which half-planes count: those whose edge does not lie, radius and all, beyond that of one before it."""
    counted: list[Array] = []
    for edge in range(planes.real.shape[0]):
        covered = jnp.zeros_like(planes.real[0])
        for other, counts in enumerate(counted):
            direction = (planes.dx[other], planes.dy[other])
            point = (planes.px[other], planes.py[other])
            beyond = counts
            for end in (edges.first, edges.second):
                beyond &= _det(_minus((end[0][edge], end[1][edge]), point), direction) - radius >= -COVERED
            covered |= beyond
        counted.append(planes.real[edge] & ~covered)
    return jnp.stack(counted) if counted else planes.real


@functools.lru_cache
def blocked_rectangles(ground: Ground) -> np.ndarray:
    """Rectangles (left, low, right, high) that cover the blocked cells, [rectangles, 4].

    From the lowest row on, each begins at the first blocked cell that none covers, is as wide as blocked cells follow,
    and then as high as all of that width is blocked.
    """
    blocked = ground.table == BLOCKED
    covered = np.zeros_like(blocked)
    found = []
    for row, column in np.argwhere(blocked):
        if covered[row, column]:
            continue
        free = np.flatnonzero(~blocked[row, column:])
        right = column + int(free[0]) if len(free) else SIDE
        whole = blocked[row:, column:right].all(axis=1)
        high = row + (int(np.flatnonzero(~whole)[0]) if not whole.all() else len(whole))
        covered[row:high, column:right] = True
        found.append((column, row, right, high))
    return np.array(found, float).reshape(-1, 4)
