"""Whom each unit acts on in a tick, and which way it wants to go. Arrays are batch-last; targets are unit indices."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat.dynamics import FIRST_MOVE, FIRST_TARGET, MOVES
from jaxvf.envs.combat.units import Stats
from jaxvf.envs.smaclite.rules import Rules, SmacliteParams

MOVE = 2.0  # how far away a move order leads
CALLED = 2e9  # how far an attacker counts as that is noticed by its attack alone
NOBODY = -1


class Units(NamedTuple):
    """All units of a battle: what a tick changes."""

    x: Float[Array, "U B"]
    y: Float[Array, "U B"]
    vx: Float[Array, "U B"]
    vy: Float[Array, "U B"]
    health: Float[Array, "U B"]
    shield: Float[Array, "U B"]
    cooldown: Float[Array, "U B"]  # seconds
    delay: Float[Array, "U B"]  # seconds until the shield regenerates
    energy: Float[Array, "U B"]  # of a medivac
    stock: Float[Array, "U B"]  # health that a medivac has paid for and not given yet
    target: Int[Array, "U B"]  # whom each one is after: an enemy, or a mate to heal; or NOBODY


class Orders(NamedTuple):
    """What each ally was told to do in this step."""

    target: Int[Array, "N B"]  # to attack or to heal, or NOBODY
    walks: Bool[Array, "N B"]
    x: Float[Array, "N B"]  # where a walk leads
    y: Float[Array, "N B"]


class Aims(NamedTuple):
    """What a tick is about to do."""

    target: Int[Array, "U B"]  # whom each one is after from now on
    object: Int[Array, "U B"]  # whom it shoots at or walks to: of an ally, even one that has died in this step
    fires: Bool[Array, "U B"]  # near enough to shoot, or to heal; then it stands
    wish_x: Float[Array, "U B"]
    wish_y: Float[Array, "U B"]


def orders_of(rules: Rules, units: Units, actions: Int[Array, "N B"]) -> Orders:
    """The meaning of action numbers; a medivac's targets are its mates."""
    n = rules.n
    number = actions - FIRST_TARGET
    target = jnp.where(actions >= FIRST_TARGET, number + jnp.where(rules.heals[:n, None], 0, n), NOBODY)
    way = jnp.asarray(MOVES, jnp.float32).T[:, jnp.clip(actions - FIRST_MOVE, 0, len(MOVES) - 1)]
    walks = (actions >= FIRST_MOVE) & (actions < FIRST_TARGET)
    return Orders(target, walks, units.x[:n] + MOVE * way[0], units.y[:n] + MOVE * way[1])


def at(leaf: Array, index: Int[Array, "V B"]) -> Array:
    """Values [V, B] of the units that `index` names; of NOBODY those of unit 0."""
    return jnp.take_along_axis(leaf, jnp.maximum(index, 0), axis=0)


def aims_of(
    rules: Rules,
    params: SmacliteParams,
    stats: Stats,
    before: Units,
    orders: Orders,
    distance: Float[Array, "U U B"],
) -> Aims:
    """Targets, who fires, and wished velocities."""
    n, alive = rules.n, before.health > 0
    ordered = jnp.where((orders.target >= 0) & at(alive, orders.target), orders.target, NOBODY)
    chosen, pace = _choices(rules, params, stats, before, ordered, distance)
    target = jnp.concatenate([ordered, chosen])
    aimed = jnp.concatenate([orders.target, chosen])
    exists, who = aimed >= 0, jnp.maximum(aimed, 0)
    to_x, to_y = at(before.x, aimed), at(before.y, aimed)
    gap = _length(to_x - before.x, to_y - before.y)
    able = jnp.take_along_axis(jnp.asarray(rules.can_hit())[..., None], who[:, None], axis=1)[:, 0]
    touch = stats.radius + stats.radius[:, 0][who]
    fires = alive & exists & able & (gap <= stats.reach + touch)
    walks = jnp.concatenate([orders.walks, jnp.ones_like(chosen, bool)])
    goals = (jnp.full(chosen.shape, axis) for axis in rules.battle.attack_point)
    goal_x, goal_y = (
        jnp.where(exists, to, jnp.concatenate([walk, goal]))
        for to, walk, goal in zip((to_x, to_y), orders[2:], goals, strict=True)
    )
    dx, dy = goal_x - before.x, goal_y - before.y
    way = _length(dx, dy)
    goes = alive & ~fires & (exists | walks) & (way > 0)
    scale = jnp.where(goes, jnp.concatenate([jnp.broadcast_to(stats.speed[:n], ordered.shape), pace]), 0.0)
    scale = scale / jnp.where(way > 0, way, 1.0)
    return Aims(target, aimed, fires, dx * scale, dy * scale)


def _length(dx: Array, dy: Array) -> Array:
    return jnp.sqrt(dx * dx + dy * dy)


def _choices(
    rules: Rules, params: SmacliteParams, stats: Stats, before: Units, ordered: Int[Array, "N B"], distance: Array
) -> tuple[Int[Array, "E B"], Float[Array, "E B"]]:
    """Whom each enemy is after, and how fast it walks.

    A target is kept while it lives and is in weapon range, or attacks back. Who has none takes the nearest ally within
    its scan range, or one that attacks it. Medivacs come before everybody else: while one lives, who is not after one
    chooses anew.
    """
    n, alive = rules.n, before.health > 0
    heals = jnp.asarray(rules.heals)[:, None]
    number = jnp.arange(n, len(rules.kind))
    kept = _kept(rules, stats, before, ordered, distance)
    attacks = (ordered[:, None] == number[None, :, None]) & alive[:n, None]
    fighters = jnp.asarray(rules.can_hit()[n:, :n].T & ~rules.heals[None, n:])[..., None]
    across = distance[:n, n:]
    scan = params.scan[jnp.asarray(rules.kind[n:])][None, :, None]
    scanned = alive[:n, None] & fighters & (across <= scan + stats.radius.max())
    noticed = scanned & ((across < scan + stats.radius[:n, None]) | attacks)
    near = jnp.where(noticed, across, jnp.inf)
    called = jnp.where(attacks & fighters, CALLED, jnp.inf)
    idle = kept == NOBODY
    chosen = jnp.where(idle, _first(jnp.minimum(near, called), heals[:n]), kept)
    pace = jnp.broadcast_to(stats.speed[n:], kept.shape)
    if rules.heals[:n].any():
        anew = _first(near, heals[:n])
        distracted = ~idle & ~at(jnp.broadcast_to(heals, alive.shape), kept) & (alive[:n] & heals[:n]).any(axis=0)
        chosen = jnp.where(distracted & (anew >= 0), anew, chosen)
    if rules.heals[n:].any():
        patient, slowest = _patients(rules, params, stats, before, kept, distance)
        # A medivac flies no faster than whoever it was last listed with: mates, or else those that attack it, who are
        # listed only where a fighter is looking for a target.
        listed = attacks & ~heals[:n, None] & (idle & alive[n:] & ~heals[n:]).any(axis=0)
        limit = jnp.where(idle, slowest, jnp.where(listed, stats.speed[:n, None], jnp.inf).min(axis=0))
        chosen = jnp.where(heals[n:], jnp.where(idle, patient, kept), chosen)
        pace = jnp.where(heals[n:] & jnp.isfinite(limit), limit, pace)
    return chosen, pace


def _kept(rules: Rules, stats: Stats, before: Units, ordered: Array, distance: Array) -> Int[Array, "E B"]:
    """The targets that enemies do not drop."""
    n, mine = rules.n, before.target[rules.n :]
    # Where enemies come first, allies have not yet told their targets of this tick.
    theirs = before.target[:n] if rules.enemies_first else ordered
    number = jnp.arange(n, len(rules.kind))[:, None]
    back = (at(theirs, jnp.minimum(mine, n - 1)) == number) & ~jnp.asarray(rules.heals[n:])[:, None]
    gap = jnp.take_along_axis(distance[n:], jnp.maximum(mine, 0)[:, None], axis=1)[:, 0]
    touch = stats.radius[n:] + stats.radius[:, 0][jnp.maximum(mine, 0)]
    keeps = (mine >= 0) & at(before.health > 0, mine) & (back | (gap <= stats.reach[n:] + touch))
    return jnp.where(keeps, mine, NOBODY)


def _first(key: Float[Array, "N E B"], heals: Bool[Array, "N 1"]) -> Int[Array, "E B"]:
    """The ally with the smallest key, one that heals before all others; NOBODY where no key is finite."""
    healer = jnp.isfinite(key) & heals[:, None]
    key = jnp.where(healer.any(axis=0) & ~healer, jnp.inf, key)
    return jnp.where(jnp.isfinite(key).any(axis=0), key.argmin(axis=0), NOBODY)


def _patients(
    rules: Rules, params: SmacliteParams, stats: Stats, before: Units, kept: Array, distance: Array
) -> tuple[Int[Array, "E B"], Float[Array, "E B"]]:
    """For each medivac of the enemies the mate near it that has least health, and the slowest speed of those near it.

    A mate counts that is hurt or is after somebody; the medivac is asked before its mates choose whom.
    """
    n, health = rules.n, before.health[rules.n :]
    among, radius = distance[n:, n:], stats.radius[n:]
    scan = params.scan[jnp.asarray(rules.kind[n:])][:, None, None]
    mates = (health > 0) & ~jnp.asarray(rules.heals[n:])[:, None]
    crowd = mates[None] & (among <= scan + stats.radius.max())
    needs = (health < stats.health[n:]) | (kept != NOBODY)
    key = jnp.where(crowd & needs[None] & (among < scan + radius[None]), health[None], jnp.inf)
    patient = jnp.where(jnp.isfinite(key).any(axis=1), key.argmin(axis=1) + n, NOBODY)
    return patient, jnp.where(crowd, stats.speed[n:][None], jnp.inf).min(axis=1)
