"""What SMAC's and SMACv2's agents see and may do, as their code has it. Arrays are batch-first: [B, units].

Built once a step, for allies alone. Layout, with [..] where a map has shields, or several kinds:

- observation: 4 move bits; per enemy attackable, distance, dx, dy, health, [shield], [kind]; per mate visible,
  distance, dx, dy, health, [shield], [kind]; own health, [shield], [kind], [x, y in SMACv2].
- state: per ally health, cooldown or energy, dx, dy to the centre, [shield], [kind]; per enemy the same without
  cooldown; last actions, one-hot.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat import terrain, units
from jaxvf.envs.combat.dynamics import FIRST_TARGET, MOVES
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.units import TICK, WORLD, Stats

SIGHT = 9.0  # of every unit, in features
ATTACK_RANGE = 6.0  # centre to centre; the unit walks to a target outside its weapon's range
MELEE_RANGE = 2.0  # least range of an attack action in SMACv2


class Scene(NamedTuple):
    """A battle as features see it, batch-first."""

    x: Float[Array, "B U"]
    y: Float[Array, "B U"]
    health: Float[Array, "B U"]
    shield: Float[Array, "B U"]
    cooldown: Float[Array, "B U"]
    energy: Float[Array, "B U"]
    stats: Stats  # [b, U]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which optional features a map has, and the sizes that follow."""

    battle: Map

    def _shields(self, groups: Sequence[Sequence[Any]]) -> bool:
        kinds = self.battle.kinds if self.battle.race else tuple(group[0] for group in groups)
        return any(units.PROTOSS[units.ID[kind]] for kind in kinds)

    @property
    def ally_shield(self) -> bool:
        """Allies' shields are a feature."""
        return self._shields(self.battle.allies)

    @property
    def enemy_shield(self) -> bool:
        """Enemies' shields are a feature."""
        return self._shields(self.battle.enemies)

    @property
    def kinds(self) -> tuple[int, ...]:
        """The kinds that have a bit; none where both sides are of one kind each."""
        each_one = all(len({group[0] for group in side}) == 1 for side in (self.battle.allies, self.battle.enemies))
        alone = each_one and not self.battle.race
        return () if alone else tuple(units.ID[kind] for kind in self.battle.kinds)

    @property
    def n_actions(self) -> int:
        """No-op, stop, four moves, and a target each."""
        heals = "medivac" in self.battle.kinds
        return FIRST_TARGET + max(self.battle.n_enemies, self.battle.n_allies if heals else 0)

    @property
    def obs_dim(self) -> int:
        """Length of an observation."""
        bits, battle = len(self.kinds), self.battle
        own = 1 + self.ally_shield + bits + 2 * bool(battle.race)
        mates = (battle.n_allies - 1) * (5 + self.ally_shield + bits)
        return len(MOVES) + battle.n_enemies * (5 + self.enemy_shield + bits) + mates + own

    @property
    def state_dim(self) -> int:
        """Length of the state."""
        bits, battle = len(self.kinds), self.battle
        allies = battle.n_allies * (4 + self.ally_shield + bits + self.n_actions)
        return allies + battle.n_enemies * (3 + self.enemy_shield + bits)


def avail_actions(layout: Layout, scene: Scene) -> Bool[Array, "B N A"]:
    """What each ally may do: the dead nothing, the living stop, walk where the ground is, attack what is near."""
    battle = layout.battle
    n = battle.n_allies
    alive = scene.health > 0
    x, y = scene.x[:, :n, None], scene.y[:, :n, None]
    walks = terrain.is_walkable(battle.ground, x + MOVES[:, 0], y + MOVES[:, 1])
    distance = _distances(scene, n)
    reach = jnp.maximum(scene.stats.reach[:, :n], MELEE_RANGE) if battle.race else ATTACK_RANGE
    near = (distance <= jnp.broadcast_to(reach, scene.stats.reach[:, :n].shape)[..., None]) & alive[:, None]
    n_targets = layout.n_actions - FIRST_TARGET
    targets = _padded(near[:, :, n:], n_targets)
    if "medivac" in battle.kinds:
        is_medivac = scene.stats.is_any(units.AIR)
        heal = near[:, :, :n] & ~is_medivac[:, None, :n]
        targets = jnp.where(is_medivac[:, :n, None], _padded(heal, n_targets), targets)
    able = jnp.concatenate([jnp.ones((*targets.shape[:2], 1), bool), walks, targets], axis=-1)
    able &= alive[:, :n, None]
    return jnp.concatenate([~alive[:, :n, None], able], axis=-1)


def in_sight(battle: Map, scene: Scene) -> Bool[Array, "B N U"]:
    """Who is near enough for an ally to be seen, and alive."""
    n = battle.n_allies
    return (_distances(scene, n) < _sight(battle, scene)) & (scene.health > 0)[:, None]


def observations(
    layout: Layout, scene: Scene, avail: Bool[Array, "B N A"], known: Bool[Array, "B N E"] | None = None
) -> Float[Array, "B N O"]:
    """What each ally sees; the dead see zeros. `known`: which enemies it can see at all, None: all."""
    battle = layout.battle
    n = battle.n_allies
    alive = scene.health > 0
    sight = _sight(battle, scene)
    distance = _distances(scene, n)
    visible = in_sight(battle, scene)
    seen_enemies = visible[..., n:] if known is None else visible[..., n:] & known
    relative = [
        distance / sight,
        (scene.x[:, None] - scene.x[:, :n, None]) / sight,
        (scene.y[:, None] - scene.y[:, :n, None]) / sight,
    ]
    attackable = avail[..., FIRST_TARGET : FIRST_TARGET + battle.n_enemies]
    enemies = _seen(layout, scene, slice(n, None), [attackable, *(f[..., n:] for f in relative)], seen_enemies)
    mates = _seen(layout, scene, slice(None, n), [visible[..., :n], *(f[..., :n] for f in relative)], visible[..., :n])
    own = jnp.stack(_traits(layout, scene, slice(None, n)), axis=-1)
    if battle.race:
        own = jnp.concatenate([own, jnp.stack([scene.x[:, :n], scene.y[:, :n]], axis=-1) / WORLD], axis=-1)
    moves = avail[..., 2:FIRST_TARGET].astype(jnp.float32)
    flat = (enemies.reshape(*enemies.shape[:2], -1), without_itself(mates))
    return jnp.where(alive[:, :n, None], jnp.concatenate([moves, *flat, own], axis=-1), 0.0)


def global_state(layout: Layout, scene: Scene, last_action: Int[Array, "B N"]) -> Float[Array, "B S"]:
    """What the mixer and the critic see; the dead are zeros."""
    n = layout.battle.n_allies
    is_medivac = scene.stats.is_any(units.AIR)
    scale = jnp.asarray(units.COOLDOWN_SCALE, jnp.float32)[scene.stats.kind]
    charge = jnp.where(is_medivac, scene.energy, scene.cooldown / TICK) / scale
    place = [(scene.x - WORLD / 2) / WORLD, (scene.y - WORLD / 2) / WORLD]
    alive = (scene.health > 0)[..., None]

    def side(part: slice, first: list[Array]) -> Array:
        health, *rest = _traits(layout, scene, part)
        block = jnp.stack([health, *first, *(axis[:, part] for axis in place), *rest], axis=-1)
        return jnp.where(alive[:, part], block, 0.0).reshape(block.shape[0], -1)

    actions = jax.nn.one_hot(last_action, layout.n_actions).reshape(last_action.shape[0], -1)
    return jnp.concatenate([side(slice(None, n), [charge[:, :n]]), side(slice(n, None), []), actions], axis=-1)


def _sight(battle: Map, scene: Scene) -> Array | float:
    return scene.stats.sight[:, : battle.n_allies, None] if battle.race else SIGHT


def _distances(scene: Scene, n: int) -> Float[Array, "B N U"]:
    dx, dy = scene.x[:, None] - scene.x[:, :n, None], scene.y[:, None] - scene.y[:, :n, None]
    return jnp.sqrt(dx * dx + dy * dy)


def _traits(layout: Layout, scene: Scene, part: slice) -> list[Array]:
    """Health, [shield], [kind bits] of some units, each [B, units]."""
    stats = scene.stats
    found = [scene.health[:, part] / stats.health[:, part]]
    if layout.ally_shield if part.start is None else layout.enemy_shield:
        found.append(scene.shield[:, part] / jnp.maximum(stats.shield[:, part], 1.0))
    shape = found[0].shape
    bits = [jnp.broadcast_to(stats.kind[:, part] == kind, shape).astype(jnp.float32) for kind in layout.kinds]
    return found + bits


def _seen(layout: Layout, scene: Scene, part: slice, pairwise: list[Array], visible: Array) -> Float[Array, "B N J F"]:
    """Features of some units in the eyes of every ally; zeros for what it does not see."""
    traits = [jnp.broadcast_to(trait[:, None], visible.shape) for trait in _traits(layout, scene, part)]
    block = jnp.stack([jnp.broadcast_to(f, visible.shape).astype(jnp.float32) for f in (*pairwise, *traits)], axis=-1)
    return jnp.where(visible[..., None], block, 0.0)


def without_itself(seen: Float[Array, "B N J F"]) -> Float[Array, "B N rest"]:
    """Drop the diagonal and flatten: ally i sees units 0 .. i-1, i+1 .. J-1."""
    n, units = seen.shape[1:3]
    before = np.arange(units - 1)[None, :, None] < np.arange(n)[:, None, None]
    others = jnp.where(before, seen[:, :, :-1], seen[:, :, 1:])
    return others.reshape(*seen.shape[:2], (units - 1) * seen.shape[-1])


def _padded(targets: Bool[Array, "B N J"], size: int) -> Bool[Array, "B N size"]:
    return jnp.pad(targets, ((0, 0), (0, 0), (0, size - targets.shape[-1])))
