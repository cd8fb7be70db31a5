"""Whom the scripted side attacks, and where it goes when it sees nobody (smax_combat.md, section 7, 1 and 2).

A learned opponent is another subclass of `Opponent`: it is asked once a tick, and sees everything.
"""

import abc
import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat import maps
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.movement import heading
from jaxvf.envs.combat.units import Stats
from jaxvf.envs.combat.weapons import Lines

SCAN = 5.0  # a unit notices what is this near, or in its weapon's range
STOP = 0.5  # how near to its goal a unit halts


class Field(NamedTuple):
    """What an opponent may look at, batch-last; `[a, e]` is about ally a and enemy e."""

    x: Float[Array, "U B"]
    y: Float[Array, "U B"]
    alive: Bool[Array, "U B"]
    between: Lines
    in_reach: Bool[Array, "N E B"]  # of the enemy's weapon
    can_hit: Bool[Array, "N E b"]  # the enemy's weapon, this ally at all
    threatens: Bool[Array, "N E B"]  # the ally is ordered to attack this enemy


class Opponent(abc.ABC):
    """Decides for the enemies."""

    @abc.abstractmethod
    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        """Whom each enemy attacks from now on, an ally's index or -1, given whom it attacked."""

    @abc.abstractmethod
    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        """Direction (x, y) and whether to go, [E, B], of enemies that attack nobody."""


@dataclasses.dataclass(frozen=True)
class AttackMove(Opponent):
    """An order to attack-move: walk to the map's goal, attack on the way what comes near or attacks.

    A target is kept while it is alive and either in range or attacking back.

    Attributes:
        healer_first: prefer medivacs among what is near, as SMACLite does; StarCraft gives them no priority.
    """

    healer_first: bool = False

    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        n_allies = allies.kind.shape[0]
        number = jnp.arange(n_allies)[:, None, None]
        alive = field.alive[:n_allies, None] & field.can_hit
        distance = field.between.distance
        kept = alive & (target[None] == number) & (field.in_reach | field.threatens)
        noticed = distance < jnp.maximum(SCAN, enemies.reach)[None] + allies.radius[:, None]
        candidate = alive & (noticed | field.threatens)
        if self.healer_first:
            distance = distance - 1e3 * (allies.damage[:, None] == 0)
        distance = jnp.where(candidate, distance, jnp.inf)
        nearest = distance == distance.min(axis=0)
        first = jnp.where(nearest & candidate, number, n_allies).min(axis=0)
        chosen = jnp.where(first < n_allies, first, -1)
        chosen = jnp.where(kept.any(axis=0), target, chosen)
        return jnp.where(field.alive[n_allies:], chosen, -1)

    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        n_allies = battle.n_allies
        x, y = field.x[n_allies:], field.y[n_allies:]
        if battle.order == maps.HOLD:
            return jnp.zeros_like(x), jnp.zeros_like(y), jnp.zeros(x.shape, bool)
        if battle.order == maps.POINT:
            ux, uy, distance = heading(x, y, *battle.attack_point)
            return ux, uy, distance > STOP
        distance = jnp.where(field.alive[:n_allies, None], field.between.distance, jnp.inf)
        nearest = distance == distance.min(axis=0)
        goal_x = jnp.where(nearest, field.x[:n_allies, None], -jnp.inf).max(axis=0)
        goal_y = jnp.where(nearest, field.y[:n_allies, None], -jnp.inf).max(axis=0)
        ux, uy, distance = heading(x, y, goal_x, goal_y)
        return ux, uy, distance > STOP
