"""The velocity nearest to a wish among half-planes of allowed ones, as in RVO2 (van den Berg et al. 2011).

A half-plane allows the velocities v with det(d, p - v) <= 0: those to the left of the line through p along d. All
arrays are [lines, lanes]: a lane is one unit of one battle, and its lines are taken in order. The programs are exact;
where no velocity is allowed, the one that breaks the half-planes least is taken.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

PARALLEL = 1e-5  # RVO2's: below this determinant two directions are one
ROUND = 16  # a round mends one lane in so many, if as many are left


class HalfPlanes(NamedTuple):
    """Allowed velocities of each lane; hard ones, of walls, come first."""

    px: Float[Array, "L M"]
    py: Float[Array, "L M"]
    dx: Float[Array, "L M"]
    dy: Float[Array, "L M"]
    real: Bool[Array, "L M"]  # the others are padding


class Wish(NamedTuple):
    """What each lane wants: the velocity nearest to (x, y), no faster than `speed`."""

    x: Float[Array, "M"]
    y: Float[Array, "M"]
    speed: Float[Array, "M"]


def padded(px: Array, py: Array, dx: Array, dy: Array, real: Array) -> HalfPlanes:
    """Half-planes, with zeros for those that are not real."""
    px, py, dx, dy = (jnp.where(real, leaf, 0.0) for leaf in (px, py, dx, dy))
    return HalfPlanes(px, py, dx, dy, real)


def allowed(planes: HalfPlanes, hard: int, wish: Wish) -> tuple[Array, Array]:
    """The best velocity of every lane.

    Args:
        planes: half-planes.
        hard: how many of them, from the first on, are never broken.
        wish: the wanted velocities; none is longer than its speed.

    Returns:
        Velocities x and y, [M].
    """
    x, y, failed_at = _nearest(planes, wish, farthest=False)
    return _mended(planes, hard, wish.speed, x, y, failed_at)


def _det(ax: Array, ay: Array, bx: Array, by: Array) -> Array:
    return ax * by - ay * bx


def _number(planes: HalfPlanes) -> Int[Array, "L 1"]:
    return jnp.arange(planes.px.shape[0])[:, None]


def _row(planes: HalfPlanes, number: Array) -> HalfPlanes:
    return HalfPlanes(*(leaf[number] for leaf in planes))


def _nearest(planes: HalfPlanes, wish: Wish, *, farthest: bool) -> tuple[Array, Array, Int[Array, "M"]]:
    """Of each lane the velocity nearest to its wish, or farthest along it, and the first line that left none.

    That line's number is L where there is a velocity; else the velocity is the best for the lines before.
    """
    lines = planes.px.shape[0]
    start = wish.speed if farthest else jnp.ones_like(wish.speed)

    def consider(number: Array, found: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, y, failed_at = found
        mine = _row(planes, number)
        breaks = mine.real & (failed_at == lines) & (_det(mine.dx, mine.dy, mine.px - x, mine.py - y) > 0)
        possible, new_x, new_y = _on_line(planes, number, wish, farthest=farthest)
        return (
            jnp.where(breaks & possible, new_x, x),
            jnp.where(breaks & possible, new_y, y),
            jnp.where(breaks & ~possible, number, failed_at),
        )

    first = (wish.x * start, wish.y * start, jnp.full(wish.x.shape, lines))
    return jax.lax.fori_loop(0, lines, consider, first)


def _on_line(planes: HalfPlanes, number: Array, wish: Wish, *, farthest: bool) -> tuple[Array, Array, Array]:
    """The best point of one line within the disc and the half-planes before it, and whether there is any."""
    mine = _row(planes, number)
    middle = -(mine.px * mine.dx + mine.py * mine.dy)
    room = middle**2 + wish.speed**2 - (mine.px**2 + mine.py**2)
    half = jnp.sqrt(jnp.maximum(room, 0.0))
    before = planes.real & (_number(planes) < number)
    across = _det(mine.dx, mine.dy, planes.dx, planes.dy)
    offset = _det(planes.dx, planes.dy, mine.px - planes.px, mine.py - planes.py)
    parallel = jnp.abs(across) < PARALLEL
    meets = offset / jnp.where(parallel, 1.0, across)
    cuts = before & ~parallel
    high = jnp.where(cuts & (across > 0), meets, jnp.inf).min(axis=0)
    low = jnp.where(cuts & (across < 0), meets, -jnp.inf).max(axis=0)
    low, high = jnp.maximum(middle - half, low), jnp.minimum(middle + half, high)
    shut = (before & parallel & (offset < 0)).any(axis=0)
    if farthest:
        at = jnp.where(wish.x * mine.dx + wish.y * mine.dy > 0, high, low)
    else:
        at = jnp.clip((wish.x - mine.px) * mine.dx + (wish.y - mine.py) * mine.dy, low, high)
    return (room >= 0) & ~shut & (low <= high), mine.px + at * mine.dx, mine.py + at * mine.dy


def _mended(planes: HalfPlanes, hard: int, speed: Array, x: Array, y: Array, failed_at: Array) -> tuple[Array, Array]:
    """Velocities of the lanes that had none, a part of them at a time: they are few, and each costs L cubed."""
    lines, lanes = planes.px.shape
    size = min(lanes, lanes // ROUND + ROUND)

    def some(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, y, left = carry
        (at,) = jnp.nonzero(left, size=size, fill_value=lanes)
        taken = jnp.minimum(at, lanes - 1)
        part = HalfPlanes(*(leaf[:, taken] for leaf in planes))
        best_x, best_y = _least_broken(part, hard, speed[taken], x[taken], y[taken], failed_at[taken])
        return (
            x.at[at].set(best_x, mode="drop"),
            y.at[at].set(best_y, mode="drop"),
            left.at[at].set(False, mode="drop"),
        )

    x, y, _ = jax.lax.while_loop(lambda carry: carry[2].any(), some, (x, y, failed_at < lines))
    return x, y


def _least_broken(
    planes: HalfPlanes, hard: int, speed: Array, x: Array, y: Array, failed_at: Array
) -> tuple[Array, Array]:
    """The velocity whose largest distance from a soft half-plane that it breaks is least.

    Line by line from the one that failed on: where a line is broken by more than any before it, the best velocity lies
    where it and one before are broken alike, and as deep within it as these bisectors let it be.
    """
    number = _number(planes)
    soft = number >= hard

    def consider(which: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, y, depth = carry
        mine = _row(planes, which)
        worse = mine.real & (which >= failed_at) & (_det(mine.dx, mine.dy, mine.px - x, mine.py - y) > depth)
        wish = Wish(-mine.dy, mine.dx, speed)
        new_x, new_y, failed = _nearest(_alike(planes, mine, soft, which), wish, farthest=True)
        better = worse & (failed == planes.px.shape[0])  # rounding aside, always
        x, y = jnp.where(better, new_x, x), jnp.where(better, new_y, y)
        return x, y, jnp.where(worse, _det(mine.dx, mine.dy, mine.px - x, mine.py - y), depth)

    x, y, _ = jax.lax.fori_loop(0, planes.px.shape[0], consider, (x, y, jnp.zeros_like(x)))
    return x, y


def _alike(planes: HalfPlanes, mine: HalfPlanes, soft: Array, which: Array) -> HalfPlanes:
    """The hard half-planes, and where `mine` is broken no less than each soft one before it."""
    across = _det(mine.dx, mine.dy, planes.dx, planes.dy)
    parallel = jnp.abs(across) <= PARALLEL
    same = parallel & (mine.dx * planes.dx + mine.dy * planes.dy > 0)
    at = _det(planes.dx, planes.dy, mine.px - planes.px, mine.py - planes.py) / jnp.where(parallel, 1.0, across)
    px = jnp.where(parallel, (mine.px + planes.px) / 2, mine.px + at * mine.dx)
    py = jnp.where(parallel, (mine.py + planes.py) / 2, mine.py + at * mine.dy)
    dx, dy = planes.dx - mine.dx, planes.dy - mine.dy
    scale = 1.0 / jnp.maximum(jnp.sqrt(dx * dx + dy * dy), 1e-9)
    return HalfPlanes(
        jnp.where(soft, px, planes.px),
        jnp.where(soft, py, planes.py),
        jnp.where(soft, dx * scale, planes.dx),
        jnp.where(soft, dy * scale, planes.dy),
        planes.real & (~soft | ((_number(planes) < which) & ~same)),
    )
