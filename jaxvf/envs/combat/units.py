"""The units of combat: what each kind is, and the numbers that a sweep may vary.

Times are normal game seconds, distances are map cells. A tick is `TICK` seconds, a step `TICKS` ticks.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvf.hyperparameters import hyperparameters, traced

TICK = 1 / 16
TICKS = 8
WORLD = 32.0  # maps are squares of this side

KINDS = (
    "marine",
    "marauder",
    "medivac",
    "stalker",
    "zealot",
    "colossus",
    "hydralisk",
    "zergling",
    "baneling",
    "spine_crawler",
)
ID = {kind: number for number, kind in enumerate(KINDS)}


def _marked(*kinds: str) -> np.ndarray:
    return np.isin(KINDS, kinds)


LIGHT = _marked("marine", "zealot", "hydralisk", "zergling")
ARMOURED = _marked("marauder", "medivac", "stalker", "colossus", "spine_crawler")
AIR = _marked("medivac")
HITS_AIR = _marked("marine", "stalker", "hydralisk")
BONUS_ON_LIGHT = _marked("colossus", "baneling")
BONUS_ON_ARMOURED = _marked("marauder", "stalker", "spine_crawler")
BURNS = _marked("colossus")  # hits along a line, and steps over cliffs and units
BLASTS = _marked("baneling")  # bursts once, round itself
PROTOSS = _marked("stalker", "zealot", "colossus")  # who has a shield
ZERG = _marked("hydralisk", "zergling", "baneling", "spine_crawler")  # whose health regenerates
HITS = np.where(_marked("zealot", "colossus"), 2.0, 1.0)  # per attack; armour counts for each
# What the cooldown (a medivac's energy) is divided by in the state, in ticks, as in SMAC; of a spine crawler, which is
# nobody's ally there, its period.
COOLDOWN_SCALE = np.array([15.0, 25.0, 200.0, 35.0, 22.0, 24.0, 10.0, 11.0, 1.0, 30.0])
ENERGY_START, ENERGY_MAX, ENERGY_TO_START = 50.0, 200.0, 5.0
SPLASH_ACROSS, SPLASH_ALONG = 1.4, 0.15  # half sides of the rectangle that a colossus burns
BLAST_RADIUS = 2.2


def per_kind(doc: str, *values: float) -> Any:
    """A field with a number for every kind."""
    return traced(np.array(values, np.float32), f"{doc}; one per kind", low=0)


@hyperparameters
class CombatParams:
    """Unit statistics, in the order of `KINDS`, and spawn and reward numbers, of SMAC's rules."""

    health: Float[Array, "K"] = per_kind("full health", 45, 125, 150, 80, 100, 200, 80, 35, 30, 300)
    enemy_health: Float[Array, "K"] = per_kind("full enemy health", 45, 125, 150, 80, 100, 200, 90, 35, 30, 300)
    shield: Float[Array, "K"] = per_kind("full shield", 0, 0, 0, 80, 50, 150, 0, 0, 0, 0)
    armour: Float[Array, "K"] = per_kind("armour", 0, 1, 1, 1, 1, 1, 0, 0, 0, 2)
    damage: Float[Array, "K"] = per_kind("damage of a hit", 6, 10, 0, 13, 8, 10, 12, 5, 20, 25)
    bonus: Float[Array, "K"] = per_kind("more of it on the favoured targets", 0, 10, 0, 5, 0, 5, 0, 0, 15, 5)
    period: Float[Array, "K"] = per_kind("seconds between attacks", 0.861, 1.5, 0, 1.87, 1.2, 1.5, 0.83, 0.696, 0, 1.85)
    reach: Float[Array, "K"] = per_kind("weapon range, surface to surface", 5, 6, 4, 6, 0.1, 7, 5, 0.1, 0.25, 7)
    speed: Float[Array, "K"] = per_kind("cells per second", 2.25, 2.25, 2.75, 2.953, 2.25, 2.25, 2.25, 2.953, 2.5, 0)
    sight: Float[Array, "K"] = per_kind("sight range; SMACv2 only", 9, 10, 11, 10, 9, 10, 9, 8, 8, 11)
    radius: Float[Array, "K"] = per_kind("radius", 0.375, 0.5625, 0.75, 0.625, 0.5, 1.0, 0.625, 0.375, 0.375, 0.9)
    separation: Float[Array, "K"] = per_kind(
        "radius that others are pushed out of", 0.375, 0.5625, 0.75, 0.625, 0.5, 0.75, 0.625, 0.375, 0.375, 0.9
    )
    regeneration: Float[Array, ""] = traced(0.2734, "health a second of zerg units", low=0)
    shield_regeneration: Float[Array, ""] = traced(2.0, "shield a second", low=0)
    shield_delay: Float[Array, ""] = traced(10.0, "seconds without damage until the shield regenerates", low=0)
    heal: Float[Array, ""] = traced(9.0, "health a second from a medivac", low=0)
    heal_per_energy: Float[Array, ""] = traced(3.0, "health for one energy", low=0)
    energy_regeneration: Float[Array, ""] = traced(0.5625, "energy a second of a medivac", low=0)
    limit: Int[Array, ""] = traced(60, "steps until the battle is cut; never more than the map's", low=1)
    prob_obs_enemy: Float[Array, ""] = traced(
        1.0, "chance that an ally other than the first ever sees an enemy; with partial_sight alone", low=0, high=1
    )
    spawn_jitter: Float[Array, ""] = traced(0.1, "half width of the noise on first positions, cells", low=0)
    reward_kill: Float[Array, ""] = traced(10.0, "for an enemy's death, before scaling", low=0)
    reward_win: Float[Array, ""] = traced(200.0, "for a won battle, before scaling", low=0)
    reward_defeat: Float[Array, ""] = traced(0.0, "for a lost battle, before scaling: a loss, or nothing", high=0)
    reward_negative_scale: Float[Array, ""] = traced(
        0.5, "weight of the allies' own losses; with reward=signed alone", low=0
    )
    opponent_weights: Any = traced((), "weights of learned opponents, each leaf with an axis of members first")
    opponent_member: Int[Array, ""] = traced(0, "which of the learned opponents plays", low=0)
    reward_scale: Float[Array, ""] = traced(20.0, "return of a won episode; rewards are scaled to it", low=0)


class Stats(NamedTuple):
    """The numbers of the units of B environments, [units, B], or [units, 1] where the kinds are fixed."""

    kind: Int[Array, "U b"]
    health: Float[Array, "U b"]
    shield: Float[Array, "U b"]
    armour: Float[Array, "U b"]
    damage: Float[Array, "U b"]
    bonus: Float[Array, "U b"]
    period: Float[Array, "U b"]
    reach: Float[Array, "U b"]
    speed: Float[Array, "U b"]
    sight: Float[Array, "U b"]
    radius: Float[Array, "U b"]
    separation: Float[Array, "U b"]

    def is_any(self, mark: np.ndarray) -> Array:
        """Where the kind is one that `mark` (a boolean per kind) holds for."""
        return jnp.asarray(mark)[self.kind]


def look_up(table: Float[Array, "K"], kind: Int[Array, "U b"], present: tuple[int, ...]) -> Float[Array, "U b"]:
    """Entry of each unit's kind: by a chain of selects over the few kinds that can be present, not by a gather."""
    value = jnp.broadcast_to(table[present[0]], kind.shape)
    for number in present[1:]:
        value = jnp.where(kind == number, table[number], value)
    return value


def stats_of(kind: Int[Array, "U b"], params: CombatParams, n_allies: int, present: tuple[int, ...]) -> Stats:
    """Every unit's numbers."""
    found = {name: look_up(getattr(params, name), kind, present) for name in Stats._fields if name != "kind"}
    enemy = jnp.arange(kind.shape[0])[:, None] >= n_allies
    found["health"] = jnp.where(enemy, look_up(params.enemy_health, kind, present), found["health"])
    return Stats(kind=kind, **found)
