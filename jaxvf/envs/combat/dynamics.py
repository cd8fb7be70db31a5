"""One step of a battle under SMAC's rules: orders, then eight ticks.

Everything is batch-last, [units, B], allies before enemies: reductions run over leading axes, and the compiler
vectorizes over battles. All shots of a tick are simultaneous.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat import healing, paths, terrain, units
from jaxvf.envs.combat.healing import Side
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.movement import Aim, heading, push_apart
from jaxvf.envs.combat.opponents import Field, Opponent, nearly_reached
from jaxvf.envs.combat.sequential import in_turn
from jaxvf.envs.combat.tiles import tiled_on_cpu
from jaxvf.envs.combat.units import TICK, CombatParams, Stats
from jaxvf.envs.combat.weapons import blasts, hittable, lines, suffer, volley, with_line_splash

NO_OP, STOP, FIRST_MOVE, FIRST_TARGET = 0, 1, 2, 6  # action numbers; moves are north, south, east, west
# Ticks written out together: on a GPU they share kernels and need fewer copies. XLA's CPU compiler fuses until much is
# computed twice.
TICKS_TOGETHER = 4
MOVES = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0]])


class Forces(NamedTuple):
    """All units of a battle: what a tick changes."""

    x: Float[Array, "U B"]
    y: Float[Array, "U B"]
    health: Float[Array, "U B"]
    shield: Float[Array, "U B"]
    cooldown: Float[Array, "U B"]  # seconds; of a medivac: above 0 while it heals
    delay: Float[Array, "U B"]  # seconds until the shield regenerates
    energy: Float[Array, "U B"]  # of a medivac; of a baneling: above 0 until it has burst
    target: Int[Array, "E B"]  # the ally that an enemy attacks, or -1


class Orders(NamedTuple):
    """What each ally was told to do in this step."""

    attack: Int[Array, "N B"]  # an enemy, or -1
    heal: Int[Array, "N B"]  # a mate, or -1
    go_x: Float[Array, "N B"]
    go_y: Float[Array, "N B"]
    plan: Any  # the opponent's, of this step


@dataclasses.dataclass(frozen=True)
class Rules:
    """What sets the branches of the compiled tick; a map pays for nothing that it does not use."""

    battle: Map
    opponent: Opponent
    sequential_deaths: bool = False

    def has(self, mark: np.ndarray) -> bool:
        """Whether a kind that `mark` holds for can be present."""
        return bool(mark[[units.ID[kind] for kind in self.battle.kinds]].any())


def orders_of(actions: Int[Array, "N B"], allies: Stats, plan: Any = ()) -> Orders:
    """The meaning of action numbers; a medivac's targets are its mates."""
    number = jnp.where(actions >= FIRST_TARGET, actions - FIRST_TARGET, -1)
    is_medivac = allies.is_any(units.AIR)
    way = jnp.clip(actions - FIRST_MOVE, 0, len(MOVES) - 1)
    walks = (actions >= FIRST_MOVE) & (actions < FIRST_TARGET)
    go = jnp.where(walks, jnp.asarray(MOVES, jnp.float32).T[:, way], 0.0)
    return Orders(jnp.where(is_medivac, -1, number), jnp.where(is_medivac, number, -1), go[0], go[1], plan)


def step(
    rules: Rules,
    params: CombatParams,
    stats: Stats,
    forces: Forces,
    actions: Int[Array, "N B"],
    noise: Float[Array, "8 _ B"],
    plan: Any = (),
) -> tuple[Forces, Float[Array, "B"]]:
    """Eight ticks.

    Args:
        rules: static.
        params: numbers.
        stats: of every unit.
        forces: before.
        actions: of every ally.
        noise: ticks added to each shot's cooldown, for every tick and unit; then chances of `in_turn` where it is used.
        plan: what the opponent has decided for the whole step.

    Returns:
        Forces after, and the damage and kills of the step in unscaled reward.
    """
    orders = orders_of(actions, _sides(stats, rules.battle.n_allies)[0], plan)

    def ticks(
        stats: Stats, orders: Orders, forces: Forces, noise: Array, unroll: int
    ) -> tuple[Forces, Float[Array, "B"]]:
        def one(carried: tuple[Forces, Array], noise: Array) -> tuple[tuple[Forces, Array], None]:
            forces, reward = carried
            forces, gained = tick(rules, params, stats, forces, orders, noise)
            return (forces, reward + gained), None

        start = (forces, jnp.zeros_like(forces.health[0]))
        return jax.lax.scan(one, start, noise, unroll=unroll)[0]

    one_by_one, together = (functools.partial(ticks, unroll=unroll) for unroll in (1, TICKS_TOGETHER))
    return tiled_on_cpu(one_by_one, len(forces.x), stats, orders, forces, noise, elsewhere=together)


def tick(
    rules: Rules, params: CombatParams, stats: Stats, forces: Forces, orders: Orders, noise: Float[Array, "_ B"]
) -> tuple[Forces, Float[Array, "B"]]:
    """A sixteenth of a second: aim, fire, suffer, heal, regenerate, move."""
    n = rules.battle.n_allies
    aims, forces = _aims(rules, stats, forces, orders)
    fought, gained = _fight(rules, params, stats, forces, aims, noise, n)
    aim = aims.aim
    if rules.has(units.AIR):
        fought, aim = _heal(rules, params, stats, fought, aim, orders)
    fought = _regenerate(rules, params, stats, forces, fought)
    x, y = _move(rules, stats, fought, aim, orders, aims.field)
    return fought._replace(x=x, y=y), gained


class _Aims(NamedTuple):
    field: Field
    of_allies: Bool[Array, "N E B"]
    of_enemies: Bool[Array, "N E B"]
    allies_reach: Bool[Array, "N E B"]
    aim: Aim


def _sides(stats: Stats, n: int) -> tuple[Stats, Stats]:
    return Stats(*(leaf[:n] for leaf in stats)), Stats(*(leaf[n:] for leaf in stats))


def _aims(rules: Rules, stats: Stats, forces: Forces, orders: Orders) -> tuple[_Aims, Forces]:
    """Whom everyone attacks in this tick, and where that is."""
    n = rules.battle.n_allies
    allies, enemies = _sides(stats, n)
    alive = forces.health > 0
    between = lines(forces.x, forces.y, n)
    surface = between.distance - allies.radius[:, None] - enemies.radius[None]
    enemy_number = jnp.arange(rules.battle.n_enemies)[None, :, None]
    threatens = (orders.attack[:, None] == enemy_number) & alive[:n, None] & alive[None, n:]
    field = Field(
        forces.x,
        forces.y,
        alive,
        forces.health,
        forces.shield,
        between,
        surface <= enemies.reach[None],
        hittable(enemies, allies).swapaxes(0, 1),
        threatens,
        forces.cooldown[n:] <= 0,
        alive[:n, None] & nearly_reached(surface, allies, enemies),
        orders.plan,
    )
    target = rules.opponent.choose(forces.target, field, allies, enemies)
    of_allies = threatens & hittable(allies, enemies)
    of_enemies = (target[None] == jnp.arange(n)[:, None, None]) & alive[None, n:] & alive[:n, None] & field.can_hit
    allies_reach = surface <= allies.reach[:, None]
    x, y = forces.x, forces.y
    aim = Aim(
        jnp.concatenate([_at(of_allies, x[None, n:], 1), _at(of_enemies, x[:n, None], 0)]),
        jnp.concatenate([_at(of_allies, y[None, n:], 1), _at(of_enemies, y[:n, None], 0)]),
        jnp.concatenate([of_allies.any(axis=1), of_enemies.any(axis=0)]),
        jnp.concatenate([(of_allies & allies_reach).any(axis=1), (of_enemies & field.in_reach).any(axis=0)]),
    )
    return _Aims(field, of_allies, of_enemies, allies_reach, aim), forces._replace(target=target)


def _at(aims: Bool[Array, "N E B"], coordinate: Array, axis: int) -> Array:
    """Coordinate of what is aimed at: at most one along `axis`."""
    return jnp.where(aims, coordinate, 0.0).sum(axis=axis)


def _fight(
    rules: Rules,
    params: CombatParams,
    stats: Stats,
    forces: Forces,
    aims: _Aims,
    noise: Float[Array, "_ B"],
    n: int,
) -> tuple[Forces, Float[Array, "B"]]:
    """Fire, and take the damage; also what it earns."""
    allies, enemies = _sides(stats, n)
    alive = forces.health > 0
    ready = alive & (forces.cooldown <= 0)
    ally_shots = aims.of_allies & aims.allies_reach & ready[:n, None]
    enemy_shots = (aims.of_enemies & aims.field.in_reach & ready[None, n:]).swapaxes(0, 1)
    fired = jnp.concatenate([ally_shots.any(axis=1), enemy_shots.any(axis=1)])
    # The tick of the shot counts, so that shots are one period apart, rounded up to ticks.
    cooldown = jnp.maximum(jnp.where(fired, stats.period + noise[: len(alive)] * TICK, forces.cooldown) - TICK, 0.0)
    there, back = aims.field.between, aims.field.between.reversed
    burst = jnp.zeros_like(alive)
    if rules.has(units.BLASTS):
        burst = stats.is_any(units.BLASTS) & (forces.energy > 0) & (fired | ~alive)  # or killed in the tick before
        ally_shots = jnp.where(allies.is_any(units.BLASTS)[:, None], blasts(burst[:n], there, enemies), ally_shots)
        enemy_shots = jnp.where(enemies.is_any(units.BLASTS)[:, None], blasts(burst[n:], back, allies), enemy_shots)
    if rules.has(units.BURNS):
        ally_shots = with_line_splash(ally_shots, there, allies, enemies)
        enemy_shots = with_line_splash(enemy_shots, back, enemies, allies)
    if rules.sequential_deaths:
        chance, shots = noise[len(alive) :], (ally_shots, enemy_shots)
        ally_shots, enemy_shots = in_turn(chance, forces.health, forces.shield, shots, (allies, enemies))
    hits = jax.tree.map(
        lambda *sides: jnp.concatenate(sides), volley(enemy_shots, enemies, allies), volley(ally_shots, allies, enemies)
    )
    health, shield = suffer(forces.health, forces.shield, hits, alive)
    health = jnp.where(burst, 0.0, health)
    hurt = alive & (hits.raw > 0)
    delay = jnp.where(hurt, params.shield_delay, jnp.maximum(forces.delay - TICK, 0.0))
    energy = jnp.where(burst, 0.0, forces.energy)
    after = forces._replace(health=health, shield=shield, cooldown=cooldown, delay=delay, energy=energy)
    removed = (forces.health - health + forces.shield - shield)[n:].sum(axis=0)
    kills = (alive & (health <= 0))[n:].sum(axis=0)
    return after, removed + params.reward_kill * kills


def _heal(
    rules: Rules, params: CombatParams, stats: Stats, forces: Forces, aim: Aim, orders: Orders
) -> tuple[Forces, Aim]:
    """Both sides' medivacs, each on its own side; scripted ones choose by themselves."""
    parts, n, planned = [], rules.battle.n_allies, rules.opponent.patients(orders.plan)
    for part, of_side in zip((slice(None, n), slice(n, None)), _sides(stats, n), strict=True):
        side = Side(
            forces.x[part], forces.y[part], forces.health[part], forces.energy[part], forces.cooldown[part] > 0, of_side
        )
        ordered = orders.heal if part.start is None else healing.most_hurt(side) if planned is None else planned
        aimed, chosen = healing.aim_of(side, ordered)
        health, energy, at_work = healing.heal(side, aimed, chosen, params)
        cooldown = jnp.where(side.is_medivac, at_work * 1.0, forces.cooldown[part])
        energy = jnp.where(side.is_medivac, energy, forces.energy[part])
        mine = Aim(*(jnp.where(side.is_medivac, new, old[part]) for new, old in zip(aimed, aim, strict=True)))
        parts.append((health, energy, cooldown, mine))
    health, energy, cooldown, aim = jax.tree.map(lambda *sides: jnp.concatenate(sides), *parts)
    return forces._replace(health=health, energy=energy, cooldown=cooldown), aim


def _regenerate(rules: Rules, params: CombatParams, stats: Stats, before: Forces, after: Forces) -> Forces:
    """Shields after a pause without damage, and the health of zerg units."""
    alive, health, shield = after.health > 0, after.health, after.shield
    if rules.has(units.PROTOSS):
        rested = alive & (before.delay <= 0) & (after.delay <= 0)
        shield = jnp.where(rested, jnp.minimum(shield + params.shield_regeneration * TICK, stats.shield), shield)
    if rules.has(units.ZERG):
        heals = alive & stats.is_any(units.ZERG)
        health = jnp.where(heals, jnp.minimum(health + params.regeneration * TICK, stats.health), health)
    return after._replace(health=health, shield=shield)


def _move(rules: Rules, stats: Stats, forces: Forces, aim: Aim, orders: Orders, field: Field) -> tuple[Array, Array]:
    """Walk, slide along the terrain, push apart; a push never leads across blocked ground either."""
    n = rules.battle.n_allies
    alive = forces.health > 0
    flies, climbs = stats.is_any(units.AIR), stats.is_any(units.BURNS)
    goal_x, goal_y, goes = rules.opponent.march(field, rules.battle)
    if rules.has(units.AIR) and rules.opponent.patients(orders.plan) is None:
        goal_x, goal_y, goes = healing.follow(stats, (forces.x, forces.y, alive), (goal_x, goal_y, goes), n)
    # Allies without an aim walk as they are told; enemies without one towards their goal.
    seeks = aim.exists | jnp.concatenate([jnp.zeros_like(alive[:n]), goes])
    goal_x = jnp.where(aim.exists, aim.x, jnp.concatenate([forces.x[:n], goal_x]))
    goal_y = jnp.where(aim.exists, aim.y, jnp.concatenate([forces.y[:n], goal_y]))
    goal = paths.headed(rules.battle.ground, forces.x, forces.y, goal_x, goal_y, flies | climbs)
    ux, uy, _ = heading(forces.x, forces.y, *goal)
    told_x, told_y = (jnp.concatenate([way, jnp.zeros_like(goes) * 0.0]) for way in (orders.go_x, orders.go_y))
    pace = jnp.where(alive & ~aim.reached, stats.speed * TICK, 0.0)
    walker = terrain.Walker(flies, climbs)
    start = (forces.x, forces.y)
    goal = (
        forces.x + pace * jnp.where(seeks, ux, told_x),
        forces.y + pace * jnp.where(seeks, uy, told_y),
    )
    walked = terrain.moved(rules.battle.ground, walker, start, goal)
    collide = None
    if rules.has(units.AIR | units.BURNS):
        plane = flies + 2 * climbs
        collide = plane[:, None] == plane[None]
    pushed = push_apart(*walked, stats.separation, alive, collide)
    mobile = alive & (stats.speed > 0)
    x, y = terrain.moved(rules.battle.ground, walker, walked, pushed)
    return jnp.where(mobile, x, forces.x), jnp.where(mobile, y, forces.y)
