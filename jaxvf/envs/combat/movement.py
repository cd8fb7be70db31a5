"""Where units go within a tick: towards an aim, and out of each other. Arrays are batch-last: [units, B]."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


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
        collide: which pairs meet at all; None: every pair.
    """
    dx, dy = x[:, None] - x[None], y[:, None] - y[None]
    itself = jnp.eye(x.shape[0])[:, :, None]
    distance = jnp.sqrt(dx * dx + dy * dy) + itself + 1e-6
    meet = alive[:, None] & alive[None]
    if collide is not None:
        meet &= collide
    overlap = jnp.where(meet, jnp.maximum((radius[:, None] + radius[None]) / distance - 1.0, 0.0), 0.0)
    return x + (dx * overlap).sum(axis=1) / 2, y + (dy * overlap).sum(axis=1) / 2
