"""The dynamics of JaxMARL 0.2.0's SMAX, restated batch-last.

Its oddities are kept: whoever touches the edge dies, an order to shoot what has drifted out of range is wasted, and
both sides can die in one tick.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvf.envs.combat.movement import push_apart
from jaxvf.envs.combat.tiles import tiled_on_cpu
from jaxvf.envs.combat.units import TICK, WORLD, look_up, per_kind
from jaxvf.hyperparameters import hyperparameters, traced

KINDS = ("marine", "marauder", "stalker", "zealot", "zergling", "hydralisk")
N_MOVES = 5  # north, east, south, west, stop; then the targets
WAYS = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [0.0, 0.0]])


@hyperparameters
class SmaxParams:
    """SMAX's unit table, in the order of `KINDS`, and its other numbers."""

    health: Float[Array, "K"] = per_kind("full health", 45, 125, 160, 150, 35, 80)
    damage: Float[Array, "K"] = per_kind("damage of a hit", 9, 10, 13, 8, 5, 12)
    reach: Float[Array, "K"] = per_kind("weapon range, centre to centre", 5, 6, 6, 2, 2, 5)
    sight: Float[Array, "K"] = per_kind("sight range", 9, 10, 10, 9, 8, 9)
    radius: Float[Array, "K"] = per_kind("radius", 0.375, 0.5625, 0.625, 0.5, 0.375, 0.625)
    speed: Float[Array, "K"] = per_kind("cells per second", 3.15, 2.25, 4.13, 3.15, 4.13, 3.15)
    period: Float[Array, "K"] = per_kind("seconds between shots", 0.61, 1.07, 1.87, 0.86, 0.5, 0.59)
    reward_win: Float[Array, ""] = traced(1.0, "for a won battle; all damage together earns 1", low=0)
    limit: Int[Array, ""] = traced(101, "steps until the battle is cut; SMAX's max_steps=100 ends after 101", low=1)


class SmaxStats(NamedTuple):
    """The numbers of the units, [units, B], or [units, 1] where the kinds are fixed."""

    kind: Int[Array, "U b"]
    health: Float[Array, "U b"]
    damage: Float[Array, "U b"]
    reach: Float[Array, "U b"]
    sight: Float[Array, "U b"]
    radius: Float[Array, "U b"]
    speed: Float[Array, "U b"]
    period: Float[Array, "U b"]


def stats_of(kind: Int[Array, "U b"], params: SmaxParams, present: tuple[int, ...]) -> SmaxStats:
    """Every unit's numbers."""
    names = SmaxStats._fields[1:]
    return SmaxStats(kind, *(look_up(getattr(params, name), kind, present) for name in names))


class Bodies(NamedTuple):
    """What a tick changes."""

    x: Float[Array, "U B"]
    y: Float[Array, "U B"]
    health: Float[Array, "U B"]
    cooldown: Float[Array, "U B"]


class Plan(NamedTuple):
    """What every unit does in all eight ticks of a step."""

    way_x: Float[Array, "U B"]
    way_y: Float[Array, "U B"]
    target: Int[Array, "U B"]  # a unit, or -1


def plan_of(actions: Int[Array, "U B"], n_allies: int) -> Plan:
    """The meaning of action numbers: an ally's target k is enemy k, an enemy's target k is ally N-1-k."""
    way = jnp.asarray(WAYS, jnp.float32).T[:, jnp.minimum(actions, N_MOVES - 1)]
    number = actions - N_MOVES
    target = jnp.concatenate([number[:n_allies] + n_allies, n_allies - 1 - number[n_allies:]])
    return Plan(way[0], way[1], jnp.where(number >= 0, target, -1))


def step(stats: SmaxStats, bodies: Bodies, plan: Plan, noise: Float[Array, "8 U B"], n_allies: int) -> Bodies:
    """Eight ticks; `noise` is added to the cooldown of a shot, in ticks."""

    def ticks(stats: SmaxStats, bodies: Bodies, plan: Plan, noise: Float[Array, "8 U b"]) -> Bodies:
        return jax.lax.scan(lambda now, drawn: (tick(stats, now, plan, drawn, n_allies), None), bodies, noise)[0]

    return tiled_on_cpu(ticks, len(bodies.x), stats, bodies, plan, noise)


def tick(stats: SmaxStats, bodies: Bodies, plan: Plan, noise: Float[Array, "U B"], n_allies: int) -> Bodies:
    """A sixteenth of a second: shoot from where units are, move, die at the edge, push apart."""
    alive = bodies.health > 0
    hits, fired = _shots(stats, bodies, plan, alive, n_allies)
    cooldown = jnp.where(fired, stats.period + noise * TICK, bodies.cooldown - TICK)
    health = jnp.maximum(bodies.health - hits, 0.0)
    pace = jnp.where(alive, stats.speed * TICK, 0.0)
    x = jnp.where(alive, jnp.clip(bodies.x + plan.way_x * pace, 0.0, WORLD), bodies.x)
    y = jnp.where(alive, jnp.clip(bodies.y + plan.way_y * pace, 0.0, WORLD), bodies.y)
    touches = (x <= 0) | (x >= WORLD) | (y <= 0) | (y >= WORLD)
    health = jnp.where(touches, 0.0, health)
    x, y = push_apart(x, y, stats.radius, health > 0)
    return Bodies(x, y, health, cooldown)


def _shots(
    stats: SmaxStats, bodies: Bodies, plan: Plan, alive: Array, n_allies: int
) -> tuple[Float[Array, "U B"], Array]:
    """Damage that each unit takes, and who fired; looked up for the one target that each has, not for all pairs."""

    def of_target(leaf: Array) -> Array:
        return jnp.take_along_axis(leaf, jnp.maximum(plan.target, 0), axis=0, mode="promise_in_bounds")

    dx, dy = of_target(bodies.x) - bodies.x, of_target(bodies.y) - bodies.y
    near = jnp.sqrt(dx * dx + dy * dy) < stats.reach
    fired = (plan.target >= 0) & alive & (bodies.cooldown <= 0) & of_target(alive) & near
    hit = jnp.where(fired, stats.damage, 0.0)
    number = jnp.arange(bodies.x.shape[0])[:, None]
    on_allies = jnp.where(plan.target[None, n_allies:] == number[:n_allies, None], hit[None, n_allies:], 0.0)
    on_enemies = jnp.where(plan.target[:n_allies, None] == number[None, n_allies:], hit[:n_allies, None], 0.0)
    return jnp.concatenate([on_allies.sum(axis=1), on_enemies.sum(axis=0)]), fired
