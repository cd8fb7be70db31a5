"""SMAX's scripted enemy, driven by the state instead of by observations."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvf.envs.smax.rules import N_MOVES, WAYS, SmaxStats


class EnemyMemory(NamedTuple):
    """What the script remembers."""

    goal_x: Float[Array, "E B"]  # where it walks while it sees nobody
    goal_y: Float[Array, "E B"]
    last: Int[Array, "E B"]  # the target that it shot at in the step before, in its own numbering, or -1


def enemy_actions(
    stats: SmaxStats,
    x: Float[Array, "U B"],
    y: Float[Array, "U B"],
    alive: Array,
    memory: EnemyMemory,
    chance: Float[Array, "E B"],
    n_allies: int,
) -> tuple[Int[Array, "E B"], EnemyMemory]:
    """Shoot who was shot at before while in range, else the nearest in range; else walk to a random visible ally.

    Enemies number their targets backwards, as they observe them: target k is ally N-1-k.

    Args:
        stats: of all units.
        x: positions.
        y: positions.
        alive: who lives.
        memory: of the step before.
        chance: uniform in [0, 1): which of the visible allies to walk to.
        n_allies: N.
    """
    target_x, target_y = x[:n_allies][::-1], y[:n_allies][::-1]
    dx, dy = target_x[:, None] - x[None, n_allies:], target_y[:, None] - y[None, n_allies:]
    distance = jnp.sqrt(dx * dx + dy * dy)
    visible = (distance < stats.sight[None, n_allies:]) & alive[:n_allies][::-1][:, None] & alive[None, n_allies:]
    in_range = visible & (distance < stats.reach[None, n_allies:])
    number = jnp.arange(n_allies)[:, None, None]

    def first_of(mask: Array) -> Int[Array, "E B"]:
        return jnp.where(mask, number, n_allies).min(axis=0)

    far = jnp.where(in_range, distance, jnp.inf)
    nearest = jnp.minimum(first_of(far == far.min(axis=0)), n_allies - 1)
    sticks = (in_range & (number == memory.last)).any(axis=0)
    can_shoot = in_range.any(axis=0)
    shot = jnp.where(sticks, memory.last, nearest)
    # The k-th visible ally, k uniform; the mirrored first position where there is none.
    rank = jnp.floor(chance * visible.sum(axis=0)).astype(jnp.int32)
    wanted = visible & (jnp.cumsum(visible, axis=0) == rank + 1)
    sees = visible.any(axis=0)
    to_x = jnp.where(sees, jnp.where(wanted, dx, 0.0).sum(axis=0), memory.goal_x - x[n_allies:])
    to_y = jnp.where(sees, jnp.where(wanted, dy, 0.0).sum(axis=0), memory.goal_y - y[n_allies:])
    actions = jnp.where(can_shoot, shot + N_MOVES, _along_axis(to_x, to_y))
    return actions, memory._replace(last=jnp.where(can_shoot, shot, -1))


def _along_axis(to_x: Float[Array, "E B"], to_y: Float[Array, "E B"]) -> Int[Array, "E B"]:
    """The first of the four moves that leads nearest to the direction."""
    ways = np.asarray(WAYS[: N_MOVES - 1], np.float32)
    gain = ways[:, 0, None, None] * to_x + ways[:, 1, None, None] * to_y
    first = jnp.where(gain == gain.max(axis=0), jnp.arange(len(ways))[:, None, None], len(ways))
    return first.min(axis=0)
