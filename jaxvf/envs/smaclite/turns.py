"""The turns of a tick: in an order drawn anew, each unit that still lives moves, recovers, and shoots or heals.

A unit that is killed before its turn does none of it. Arrays are batch-last.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat import units as kinds
from jaxvf.envs.combat.units import TICK, Stats
from jaxvf.envs.smaclite.rules import Rules, SmacliteParams
from jaxvf.envs.smaclite.targets import NOBODY, Aims, Units, at

BEAM = float(np.hypot(kinds.SPLASH_ACROSS, kinds.SPLASH_ALONG))  # from its middle to a corner


class Scene(NamedTuple):
    """What does not change within a tick."""

    aims: Aims
    start: Units  # at its beginning
    raw: Float[Array, "U U"]  # damage of a hit of the second on the first
    hits: Int[Array, "U"]


def play(
    rules: Rules, params: SmacliteParams, stats: Stats, now: Units, aims: Aims, order: Int[Array, "U B"]
) -> tuple[Units, Float[Array, "B"]]:
    """All turns of a tick.

    Args:
        rules: the map.
        params: numbers.
        stats: of every unit.
        now: units before; `vx` and `vy` are the velocities of this tick, `target` whom each was after before it.
        aims: what each is about to do.
        order: whose turn it is, first to last.

    Returns:
        Units after, and the damage and kills in unscaled reward.
    """
    scene = Scene(aims, now, _raw(stats), jnp.asarray(rules.hits, jnp.int32))

    def one(carry: tuple[Units, Array], who: Array) -> tuple[tuple[Units, Array], None]:
        after, gained = carry
        after, more = _turn(rules, params, stats, scene, after, who)
        return (after, gained + more), None

    start = (now._replace(target=aims.target), jnp.zeros_like(now.x[0]))
    return jax.lax.scan(one, start, order)[0]


def _raw(stats: Stats) -> Float[Array, "U U"]:
    light = stats.is_any(kinds.BONUS_ON_LIGHT) & stats.is_any(kinds.LIGHT).T
    armoured = stats.is_any(kinds.BONUS_ON_ARMOURED) & stats.is_any(kinds.ARMOURED).T
    return (stats.damage + jnp.where(light | armoured, stats.bonus, 0.0)).T


def _turn(
    rules: Rules, params: SmacliteParams, stats: Stats, scene: Scene, now: Units, who: Int[Array, "B"]
) -> tuple[Units, Float[Array, "B"]]:
    """The turn of one unit of each battle; also the reward of its shot."""
    mine = jnp.arange(len(rules.kind))[:, None] == who
    now = _recovered(rules, params, stats, now, mine & (now.health > 0))
    fires = mine & (now.health > 0) & scene.aims.fires & (now.cooldown <= 0)
    now = now._replace(cooldown=jnp.where(fires, stats.period, now.cooldown))
    shoots = fires.any(axis=0)
    victim = at(scene.aims.object, who[None])[0]
    struck = jnp.arange(len(rules.kind))[:, None] == victim
    if rules.has(kinds.BURNS):
        burns = jnp.asarray(kinds.BURNS[rules.kind])[who]
        struck = jnp.where(burns, _burnt(rules, stats, scene.start, now, who, victim), struck)
    gained = jnp.zeros_like(now.x[0])
    if rules.has(kinds.BLASTS):
        bursts = fires & jnp.asarray(kinds.BLASTS[rules.kind])[:, None]
        struck = jnp.where(bursts.any(axis=0), _blasted(rules, stats, scene.start, now, who), struck)
        gained = jnp.where(bursts, now.health, 0.0)[rules.n :].sum(axis=0)  # what an enemy has left when it bursts
        now = now._replace(health=jnp.where(bursts, 0.0, now.health))
    heals = jnp.zeros_like(shoots)
    if rules.has(kinds.AIR):
        heals = shoots & jnp.asarray(rules.heals)[who]
        now = _healed(rules, params, stats, scene, now, mine & heals, victim)
    now, damage = _hit(rules, params, stats, scene, now, struck & shoots & ~heals, who)
    return now, gained + damage


def _recovered(rules: Rules, params: SmacliteParams, stats: Stats, now: Units, acts: Bool[Array, "U B"]) -> Units:
    """A unit after it has moved, and its clocks, shield, energy and health have gone on by a tick."""
    now = now._replace(
        x=jnp.where(acts, now.x + now.vx * TICK, now.x),
        y=jnp.where(acts, now.y + now.vy * TICK, now.y),
        cooldown=jnp.where(acts, jnp.maximum(now.cooldown - TICK, 0.0), now.cooldown),
    )
    if rules.has(kinds.PROTOSS):
        delay = jnp.where(acts, jnp.maximum(now.delay - TICK, 0.0), now.delay)
        shield = jnp.minimum(now.shield + params.shield_regeneration * TICK, stats.shield)
        now = now._replace(delay=delay, shield=jnp.where(acts & (delay == 0), shield, now.shield))
    if rules.has(kinds.AIR):
        energy = jnp.minimum(now.energy + params.energy_regeneration * TICK, kinds.ENERGY_MAX)
        now = now._replace(energy=jnp.where(acts & jnp.asarray(rules.heals)[:, None], energy, now.energy))
    if rules.has(kinds.ZERG):
        health = jnp.minimum(now.health + params.regeneration * TICK, stats.health)
        now = now._replace(health=jnp.where(acts & stats.is_any(kinds.ZERG), health, now.health))
    return now


def _hit(
    rules: Rules,
    params: SmacliteParams,
    stats: Stats,
    scene: Scene,
    now: Units,
    struck: Bool[Array, "U B"],
    who: Int[Array, "B"],
) -> tuple[Units, Float[Array, "B"]]:
    """Units after one or more hits, each taken from the shield first and then, less armour, from health."""
    raw, hits = scene.raw[:, who], scene.hits[who]
    health, shield, delay, enemy = now.health, now.shield, now.delay, np.arange(len(rules.kind)) >= rules.n
    gained = jnp.zeros_like(now.x[0])
    for hit in range(int(rules.hits.max())):
        live = struck & (health > 0) & (hit < hits)
        absorbed = jnp.where(live, jnp.minimum(raw, shield), 0.0)
        lost = jnp.where(live, jnp.clip(raw - absorbed - stats.armour, 0.0, health), 0.0)
        delay = jnp.where(live & (stats.shield > 0), params.shield_delay, delay)
        health, shield = health - lost, shield - absorbed
        killed = live & (health <= 0)
        gained += jnp.where(enemy[:, None], absorbed + lost + params.reward_kill * killed, 0.0).sum(axis=0)
    return now._replace(health=health, shield=shield, delay=delay), gained


def _healed(
    rules: Rules,
    params: SmacliteParams,
    stats: Stats,
    scene: Scene,
    now: Units,
    healer: Bool[Array, "U B"],
    victim: Int[Array, "B"],
) -> Units:
    """Units after a medivac's turn: it pays for more health than it gives in a tick, and keeps what is left.

    It refuses who is whole, and to begin on somebody with little energy. Who was killed earlier in the tick is healed
    like everybody else, and lives again.
    """
    patient = jnp.arange(len(rules.kind))[:, None] == victim
    missing = at(stats.health - now.health, victim[None])
    begins = scene.start.target != now.target
    refuses = healer & ((missing <= 0) | (begins & (now.energy < kinds.ENERGY_TO_START)))
    works = healer & ~refuses
    wanted = jnp.minimum(missing, params.heal * TICK)
    spent = jnp.where(works & (now.stock < wanted), jnp.minimum(now.energy, 1.0), 0.0)
    stock = now.stock + spent * params.heal_per_energy
    given = jnp.where(works, jnp.minimum(wanted, stock), 0.0)
    lived = patient & (scene.start.health > 0)
    return now._replace(
        energy=now.energy - spent,
        stock=stock - given,
        health=now.health + jnp.where(lived, given.sum(axis=0), 0.0),
        target=jnp.where(refuses, NOBODY, now.target),
    )


def _opposing(rules: Rules, start: Units, who: Int[Array, "B"]) -> Bool[Array, "U B"]:
    """The other side's units that lived when the tick began."""
    enemy = jnp.arange(len(rules.kind)) >= rules.n
    return (enemy[:, None] != enemy[who]) & (start.health > 0)


def _within(leaf: Units, x: Array, y: Array, reach: Array | float) -> Bool[Array, "U B"]:
    dx, dy = leaf.x - x, leaf.y - y
    return dx * dx + dy * dy <= reach**2


def _burnt(
    rules: Rules, stats: Stats, start: Units, now: Units, who: Int[Array, "B"], victim: Int[Array, "B"]
) -> Bool[Array, "U B"]:
    """Whose disc meets the beam across a colossus's shot, and whose centre is near its middle."""
    from_x, from_y = at(now.x, who[None]), at(now.y, who[None])
    to_x, to_y = at(now.x, victim[None]), at(now.y, victim[None])
    length = jnp.maximum(jnp.sqrt((to_x - from_x) ** 2 + (to_y - from_y) ** 2), 1e-9)
    ux, uy = (to_x - from_x) / length, (to_y - from_y) / length
    dx, dy = now.x - to_x, now.y - to_y
    along = jnp.maximum(jnp.abs(dx * ux + dy * uy) - kinds.SPLASH_ALONG, 0.0)
    across = jnp.maximum(jnp.abs(dy * ux - dx * uy) - kinds.SPLASH_ACROSS, 0.0)
    meets = along**2 + across**2 <= stats.radius**2
    return meets & _within(start, to_x, to_y, BEAM) & _opposing(rules, start, who)


def _blasted(rules: Rules, stats: Stats, start: Units, now: Units, who: Int[Array, "B"]) -> Bool[Array, "U B"]:
    """Whose disc is within the blast round a baneling; flyers too."""
    x, y = at(now.x, who[None]), at(now.y, who[None])
    near = _within(start, x, y, kinds.BLAST_RADIUS + stats.radius.max())
    return near & _within(now, x, y, kinds.BLAST_RADIUS + stats.radius) & _opposing(rules, start, who)
