"""Shots of a tick one after the other, in a random order: who dies before its turn does not shoot. Batch-last.

StarCraft's units act one by one. By default all shots of a tick are simultaneous, which is a sum instead of a loop over
units.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.envs.combat import units
from jaxvf.envs.combat.units import Stats
from jaxvf.envs.combat.weapons import Volley, damages, suffer


def in_turn(
    chance: Float[Array, "U B"],
    health: Float[Array, "U B"],
    shield: Float[Array, "U B"],
    shots: tuple[Bool[Array, "N E B"], Bool[Array, "E N B"]],
    sides: tuple[Stats, Stats],
) -> tuple[Bool[Array, "N E B"], Bool[Array, "E N B"]]:
    """The shots that are fired.

    Args:
        chance: random numbers; units act in their order.
        health: before the tick, allies before enemies.
        shield: likewise.
        shots: of allies and of enemies, `[attacker, target]`, if all were simultaneous.
        sides: stats of allies and of enemies.
    """
    allies, enemies = sides
    turns = jnp.argsort(chance, axis=0)
    hits = _of_everybody(damages(shots[0], allies, enemies), damages(shots[1], enemies, allies))
    # A baneling that is killed bursts all the same, and one that was killed in the tick before bursts now.
    bursts = jnp.concatenate([side.is_any(units.BLASTS) for side in sides])
    number = jnp.arange(len(health))[:, None]

    def act(now: tuple[Array, Array, Array], turn: Array) -> tuple[tuple[Array, Array, Array], None]:
        health, shield, acted = now
        mine = number == turn
        acts = mine & ((health > 0) | bursts)
        mark = acts[:, None]
        fired = Volley(*(jnp.where(mark, part, 0.0).sum(axis=0) for part in hits))
        return (*suffer(health, shield, fired, health > 0), acted | acts), None

    acted = jax.lax.scan(act, (health, shield, jnp.zeros(health.shape, bool)), turns)[0][2]
    n = len(shots[0])
    return shots[0] & acted[:n, None], shots[1] & acted[n:, None]


def _of_everybody(of_allies: Volley, of_enemies: Volley) -> Volley:
    """Damage of each unit to each, [U, U, B]: nobody shoots its own side."""

    def whole(against_enemies: Array, against_allies: Array) -> Array:
        n, e = against_enemies.shape[:2]
        return jnp.concatenate(
            [jnp.pad(against_enemies, ((0, 0), (n, 0), (0, 0))), jnp.pad(against_allies, ((0, 0), (0, e), (0, 0)))]
        )

    return Volley(*(whole(*parts) for parts in zip(of_allies, of_enemies, strict=True)))
