"""Where units go within a tick: towards an aim, and out of each other. Arrays are batch-last: [units, B]."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

NOBODY = -1e6  # the radius of who is dead: no sum with another is above 0


class Aim(NamedTuple):
    """A point that each unit acts on, and how far it is."""

    x: Float[Array, "U B"]
    y: Float[Array, "U B"]
    exists: Bool[Array, "U B"]
    reached: Bool[Array, "U B"]  # near enough to shoot or to heal


def heading(
    x: Float[Array, "U B"], y: Float[Array, "U B"], to_x: Float[Array, "..."], to_y: Float[Array, "..."]
) -> tuple[Array, Array, Array]:
    """Unit vector (x, y) towards a point, and the distance to it; the zero vector where both are one point."""
    dx, dy = to_x - x, to_y - y
    distance = jnp.sqrt(dx * dx + dy * dy)
    scale = 1.0 / jnp.maximum(distance, 1e-6)
    return dx * scale, dy * scale, distance


def push_apart(
    x: Float[Array, "U B"],
    y: Float[Array, "U B"],
    radius: Float[Array, "U b"],
    alive: Bool[Array, "U B"],
    collide: Bool[Array, "U U b"] | None = None,
) -> tuple[Array, Array]:
    """Move every pair of overlapping living units apart, each by half the overlap, once.

    Args:
        x: positions.
        y: positions.
        radius: of each unit.
        alive: the others neither push nor move.
        collide: which pairs meet at all, either way; None: every pair.
    """
    size = jnp.where(alive, radius, NOBODY)
    # A GPU does all pairs in one kernel. A CPU would write all of them to memory and read them again.
    return jax.lax.platform_dependent(x, y, size, collide, cpu=_unit_by_unit, default=_all_pairs)


def _unit_by_unit(
    x: Float[Array, "U B"], y: Float[Array, "U B"], size: Float[Array, "U B"], collide: Bool[Array, "U U b"] | None
) -> tuple[Array, Array]:
    """Everybody against one unit after another, whose rows stay in the cache."""

    def one(pushed: tuple[Array, Array], other: tuple[Array, ...]) -> tuple[tuple[Array, Array], None]:
        other_x, other_y, other_size, *meets = other
        dx, dy = x - other_x, y - other_y
        overlap = _overlap(dx, dy, size + other_size, *meets)  # of a unit with itself too, along no way
        return (pushed[0] + dx * overlap, pushed[1] + dy * overlap), None

    others = (x, y, size) if collide is None else (x, y, size, collide)
    (push_x, push_y), _ = jax.lax.scan(one, (jnp.zeros_like(x), jnp.zeros_like(y)), others)
    return x + push_x / 2, y + push_y / 2


def _all_pairs(
    x: Float[Array, "U B"], y: Float[Array, "U B"], size: Float[Array, "U B"], collide: Bool[Array, "U U b"] | None
) -> tuple[Array, Array]:
    dx, dy = x[:, None] - x[None], y[:, None] - y[None]
    overlap = _overlap(dx, dy, size[:, None] + size[None], *([] if collide is None else [collide]))
    return x + (dx * overlap).sum(axis=1) / 2, y + (dy * overlap).sum(axis=1) / 2


def _overlap(
    dx: Float[Array, "*p B"], dy: Float[Array, "*p B"], reach: Float[Array, "*p B"], *meets: Bool[Array, "*p b"]
) -> Float[Array, "*p B"]:
    """By what share of their distance units are nearer than `reach`."""
    share = jnp.maximum(reach / (jnp.sqrt(dx * dx + dy * dy) + 1e-6) - 1.0, 0.0)
    return jnp.where(meets[0], share, 0.0) if meets else share
