"""One step under SMAClite's rules: orders, then eight ticks. Arrays are batch-last, [U, B], allies before enemies."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxvf.envs.combat.units import Stats
from jaxvf.envs.smaclite import avoidance, turns
from jaxvf.envs.smaclite.avoidance import Movers
from jaxvf.envs.smaclite.rules import Rules, SmacliteParams
from jaxvf.envs.smaclite.targets import Orders, Units, aims_of, orders_of


def step(
    rules: Rules,
    params: SmacliteParams,
    stats: Stats,
    before: Units,
    actions: Int[Array, "N B"],
    order: Int[Array, "8 U B"],
) -> tuple[Units, Float[Array, "B"]]:
    """Eight ticks.

    Args:
        rules: the map.
        params: numbers.
        stats: of every unit.
        before: units.
        actions: of every ally.
        order: whose turn it is in each tick, first to last.

    Returns:
        Units after, and the damage and kills of the step in unscaled reward.
    """
    orders = orders_of(rules, before, actions)

    def one(carry: tuple[Units, Array], order: Array) -> tuple[tuple[Units, Array], None]:
        units, gained = carry
        units, more = tick(rules, params, stats, units, orders, order)
        return (units, gained + more), None

    return jax.lax.scan(one, (before, jnp.zeros_like(before.x[0])), order)[0]


def tick(
    rules: Rules, params: SmacliteParams, stats: Stats, units: Units, orders: Orders, order: Int[Array, "U B"]
) -> tuple[Units, Float[Array, "B"]]:
    """A sixteenth of a second: choose targets, settle velocities, and take turns."""
    dx, dy = units.x[None] - units.x[:, None], units.y[None] - units.y[:, None]
    distance = jnp.sqrt(dx * dx + dy * dy)
    aims = aims_of(rules, params, stats, units, orders, distance)
    alive, radius, speed = units.health > 0, stats.radius[:, 0], stats.speed[:, 0]
    movers = Movers(units.x, units.y, units.vx, units.vy, aims.wish_x, aims.wish_y, alive, radius, speed)
    vx, vy = avoidance.velocities(
        rules.battle.ground, movers, distance, rules.heals, rules.place, rules.most_neighbours
    )
    return turns.play(rules, params, stats, units._replace(vx=vx, vy=vy), aims, order)
