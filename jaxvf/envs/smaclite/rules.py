"""SMAClite's units: their numbers, and what follows from a map's fixed kinds."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvf.envs.combat import units
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.sight import SIGHT
from jaxvf.envs.combat.units import Stats, per_kind
from jaxvf.envs.smaclite.maps import kinds_of
from jaxvf.hyperparameters import hyperparameters, traced


@hyperparameters
class SmacliteParams:
    """Unit statistics, in the order of `combat.units.KINDS`, and reward numbers, of SMAClite's rules.

    Speeds and periods are those of StarCraft's "faster" clock, though a tick is a sixteenth of a second of the other.
    SMAClite has no hydralisk; its numbers follow the same convention.
    """

    health: Float[Array, "K"] = per_kind("full health", 45, 125, 150, 80, 100, 200, 80, 35, 30, 300)
    shield: Float[Array, "K"] = per_kind("full shield", 0, 0, 0, 80, 50, 150, 0, 0, 0, 0)
    armour: Float[Array, "K"] = per_kind("armour", 0, 1, 1, 1, 1, 1, 0, 0, 0, 2)
    damage: Float[Array, "K"] = per_kind("damage of a hit", 6, 10, 0, 13, 8, 10, 12, 5, 80, 25)
    bonus: Float[Array, "K"] = per_kind("more of it on the favoured targets", 0, 10, 0, 5, 0, 5, 0, 0, 0, 5)
    period: Float[Array, "K"] = per_kind(
        "seconds between attacks", 0.61, 1.07, 0, 1.34, 0.86, 1.07, 0.59, 0.497, 1, 1.32
    )
    reach: Float[Array, "K"] = per_kind("weapon range, surface to surface", 5, 6, 4, 6, 0.1, 7, 5, 0.1, 0.25, 7)
    speed: Float[Array, "K"] = per_kind("cells per second", 3.15, 3.15, 3.5, 4.13, 3.15, 3.15, 3.15, 4.13, 3.15, 0)
    radius: Float[Array, "K"] = per_kind("radius", 0.375, 0.5625, 0.75, 0.625, 0.5, 1.0, 0.625, 0.375, 0.375, 0.5)
    scan: Float[Array, "K"] = per_kind("distance at which an enemy notices, from edge", 5, 5, 5, 5, 5, 5, 5, 5, 5, 10)
    regeneration: Float[Array, ""] = traced(0.38, "health a second of zerg units", low=0)
    shield_regeneration: Float[Array, ""] = traced(2.0, "shield a second", low=0)
    shield_delay: Float[Array, ""] = traced(10.0, "seconds without damage until the shield regenerates", low=0)
    heal: Float[Array, ""] = traced(9.0, "health a second from a medivac", low=0)
    heal_per_energy: Float[Array, ""] = traced(3.0, "health for one energy", low=0)
    energy_regeneration: Float[Array, ""] = traced(0.5625, "energy a second of a medivac", low=0)
    limit: Int[Array, ""] = traced(120, "steps until the battle is cut; never more than the map's", low=1)
    reward_kill: Float[Array, ""] = traced(10.0, "for an enemy's death, before scaling", low=0)
    reward_win: Float[Array, ""] = traced(200.0, "for a won battle, before scaling", low=0)
    reward_scale: Float[Array, ""] = traced(20.0, "return of a won episode; rewards are scaled to it", low=0)


def stats_of(battle: Map, params: SmacliteParams) -> Stats:
    """Every unit's numbers, [U, 1], allies first."""
    kind = jnp.asarray(kinds_of(battle))[:, None]
    names = ("health", "shield", "armour", "damage", "bonus", "period", "reach", "speed", "radius")
    found = {name: getattr(params, name)[kind] for name in names}
    return Stats(kind=kind, sight=jnp.full(kind.shape, SIGHT), separation=found["radius"], **found)


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is known of a map before anything runs; arrays over units are [U], allies first."""

    battle: Map
    enemies_first: bool  # whether the list of units begins with the enemies
    most_neighbours: int  # whom a unit keeps clear of, at most

    @property
    def n(self) -> int:
        """Allies, N."""
        return self.battle.n_allies

    @functools.cached_property
    def kind(self) -> np.ndarray:
        """Number of each unit's kind."""
        return kinds_of(self.battle)

    @property
    def heals(self) -> np.ndarray:
        """Who heals, and flies: medivacs."""
        return units.AIR[self.kind]

    @property
    def hits(self) -> np.ndarray:
        """Hits of an attack."""
        return units.HITS[self.kind]

    @property
    def place(self) -> np.ndarray:
        """Each unit's place in the list of units."""
        number = np.arange(len(self.kind))
        return (number - self.n) % len(self.kind) if self.enemies_first else number

    def has(self, mark: np.ndarray) -> bool:
        """Whether a unit is of a kind that `mark` holds for."""
        return bool(mark[self.kind].any())

    def can_hit(self) -> np.ndarray:
        """Whose weapon, or healing, reaches whom, flying or not: [U, U], first who."""
        return units.HITS_AIR[self.kind][:, None] | ~units.AIR[self.kind][None]
