"""Medivacs: whom they heal, and what it costs. Arrays are batch-last, of one side."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat import units
from jaxvf.envs.combat.movement import Aim, heading
from jaxvf.envs.combat.opponents import SCAN
from jaxvf.envs.combat.units import TICK, CombatParams, Stats

STOP_SHORT = 0.5  # how near to the middle of its mates a medivac stays


class Side(NamedTuple):
    """The units of one side."""

    x: Float[Array, "U B"]
    y: Float[Array, "U B"]
    health: Float[Array, "U B"]
    energy: Float[Array, "U B"]
    healing: Bool[Array, "U B"]  # a medivac that healed in the last tick
    stats: Stats

    @property
    def is_medivac(self) -> Bool[Array, "U b"]:
        """Which of them heal."""
        return self.stats.is_any(units.AIR)


def patients(side: Side) -> Bool[Array, "U B"]:
    """Who can be healed: hurt, alive, not flying."""
    return (side.health > 0) & (side.health < side.stats.health) & ~side.is_medivac


def most_hurt(side: Side) -> Int[Array, "U B"]:
    """For each medivac the mate near it that misses most health, or -1: what scripted medivacs heal."""
    near = _distance(side) < SCAN + side.stats.radius[None]
    missing = jnp.where(near & patients(side)[None], (side.stats.health - side.health)[None], -1.0)
    worst = missing.max(axis=1)
    number = jnp.arange(side.x.shape[0])
    first = jnp.where(missing == worst[:, None], number[None, :, None], side.x.shape[0]).min(axis=1)
    return jnp.where((worst > 0) & side.is_medivac, first, -1)


def aim_of(side: Side, ordered: Int[Array, "U B"]) -> tuple[Aim, Bool[Array, "U U B"]]:
    """What medivacs aim at, and `chosen[i, j]`: i was told to heal j, and j can be healed."""
    number = jnp.arange(side.x.shape[0])
    able = (side.health > 0) & side.is_medivac
    chosen = (ordered[:, None] == number[None, :, None]) & patients(side)[None] & able[:, None]
    surface = _distance(side) - side.stats.radius[:, None] - side.stats.radius[None]
    reached = (chosen & (surface <= side.stats.reach[:, None])).any(axis=1)
    x = jnp.where(chosen, side.x[None], 0.0).sum(axis=1)
    y = jnp.where(chosen, side.y[None], 0.0).sum(axis=1)
    return Aim(x, y, chosen.any(axis=1), reached), chosen


def heal(side: Side, aim: Aim, chosen: Bool[Array, "U U B"], params: CombatParams) -> tuple[Array, Array, Array]:
    """Health, energy and who is healing after a tick. To begin takes `ENERGY_TO_START`, to go on any energy."""
    begins = side.healing | (side.energy >= units.ENERGY_TO_START)
    at_work = aim.reached & begins & (side.energy > 0)
    missing = jnp.where(chosen, (side.stats.health - side.health)[None], 0.0).sum(axis=1)
    strength = jnp.minimum(params.heal * TICK, side.energy * params.heal_per_energy)
    given = jnp.where(at_work, jnp.minimum(strength, missing), 0.0)
    received = jnp.where(chosen, given[:, None], 0.0).sum(axis=0)
    health = jnp.minimum(side.health + received, jnp.maximum(side.stats.health, side.health))
    regained = jnp.where((side.health > 0) & side.is_medivac, params.energy_regeneration * TICK, 0.0)
    energy = jnp.minimum(side.energy - given / params.heal_per_energy + regained, units.ENERGY_MAX)
    return health, energy, at_work


def follow(
    stats: Stats, field: tuple[Array, Array, Array], march: tuple[Array, Array, Array], n: int
) -> tuple[Array, Array, Array]:
    """The enemy's medivacs go with the mean of the others instead of ahead of them.

    Args:
        stats: of all units.
        field: where they are, x and y, and who lives.
        march: where enemies want to be, x and y, and whether they go at all.
        n: number of allies.
    """
    x, y, alive = (leaf[n:] for leaf in field)
    flies = stats.is_any(units.AIR)[n:]
    mates = alive & ~flies
    count = jnp.maximum(mates.sum(axis=0), 1)
    mean_x, mean_y = (jnp.where(mates, axis, 0.0).sum(axis=0) / count for axis in (x, y))
    distance = heading(x, y, mean_x, mean_y)[2]
    follows = flies & mates.any(axis=0)
    return (
        jnp.where(follows, mean_x, march[0]),
        jnp.where(follows, mean_y, march[1]),
        jnp.where(follows, distance > STOP_SHORT, march[2]),
    )


def _distance(side: Side) -> Float[Array, "U U B"]:
    dx, dy = side.x[None] - side.x[:, None], side.y[None] - side.y[:, None]
    return jnp.sqrt(dx * dx + dy * dy)
