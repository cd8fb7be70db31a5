"""What SMAC's and SMACv2's agents see, as their code has it; the order is that of `layout`.

Built once a step, for allies alone. Arrays are batch-first: [B, units].
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from jaxvf.envs.combat import sight, terrain
from jaxvf.envs.combat.dynamics import FIRST_TARGET
from jaxvf.envs.combat.layout import Layout
from jaxvf.envs.combat.scene import Scene
from jaxvf.envs.combat.units import WORLD


def observations(
    layout: Layout, scene: Scene, avail: Bool[Array, "B N A"], known: Bool[Array, "B N E"] | None = None
) -> Float[Array, "B N O"]:
    """What each ally sees; of the dead only the clock goes on. `known`: which enemies it can see at all, None: all."""
    battle, flags = layout.battle, layout.flags
    n, allies, enemies = battle.n_allies, slice(None, battle.n_allies), slice(battle.n_allies, None)
    visible = sight.in_sight(battle, scene, flags.directions)
    seen_enemies = visible[..., n:] if known is None else visible[..., n:] & known
    between = relative(layout, scene)
    first = layout.first_target
    attackable = avail[..., first : first + battle.n_enemies]
    foes = shown([attackable, *(f[..., n:] for f in between), *traits(layout, scene, enemies)], seen_enemies)
    between_mates = [visible[..., :n], *(f[..., :n] for f in between)]
    mates = shown_to_mates([*between_mates, *traits(layout, scene, allies)], visible[..., :n])
    if flags.obs_last_action:
        others = without_itself(visible[..., :n])
        done = jnp.where(others[..., None], without_itself(last_actions(layout, scene)[:, None]), 0.0)
        mates = jnp.concatenate([mates, done], axis=-1)
    sides = [part.reshape(*part.shape[:2], -1) for part in (foes, mates)]
    whole = jnp.concatenate([_moves(layout, scene, avail), *sides, _own(layout, scene)], axis=-1)
    seen = jnp.where(scene.alive[:, :n, None], whole, 0.0)
    return with_time(seen, scene) if flags.obs_timestep_number else seen


def _moves(layout: Layout, scene: Scene, avail: Bool[Array, "B N A"]) -> Float[Array, "B N F"]:
    """Where an agent can walk to, and what the ground round it is like."""
    ground, n, flags = layout.battle.ground, layout.battle.n_allies, layout.flags
    parts = [avail[..., 2:FIRST_TARGET].astype(jnp.float32)]
    x, y = scene.x[:, :n], scene.y[:, :n]
    if flags.obs_pathing_grid:
        parts.append(terrain.open_around(ground, x, y))
    if flags.obs_terrain_height:
        parts.append(terrain.heights_around(ground, x, y))
    return jnp.concatenate(parts, axis=-1)


def _own(layout: Layout, scene: Scene) -> Float[Array, "B N F"]:
    """What an agent knows of itself; SMACv2's has its place, and the bits of its kind come last."""
    n, allies = layout.battle.n_allies, slice(None, layout.battle.n_allies)
    parts = vitals(layout, scene, allies)
    if layout.battle.race:
        parts += [scene.x[:, :n] / WORLD, scene.y[:, :n] / WORLD]
    parts += [*facing(layout, scene), *kind_bits(layout, scene, allies)]
    return jnp.stack(parts, axis=-1)


def relative(layout: Layout, scene: Scene) -> list[Float[Array, "B N U"]]:
    """Distance, dx and dy from every ally to every unit, over how far it sees."""
    n = layout.battle.n_allies
    far = sight.reach_of_sight(layout.battle, scene)
    return [scene.distances(n) / far, *(offset / far for offset in scene.offsets(n))]


def traits(layout: Layout, scene: Scene, part: slice) -> list[Float[Array, "B U"]]:
    """Health, [shield], [kind bits] of the units of one side."""
    return vitals(layout, scene, part) + kind_bits(layout, scene, part)


def vitals(layout: Layout, scene: Scene, part: slice) -> list[Float[Array, "B U"]]:
    """Health and [shield] of the units of one side, as fractions."""
    stats = scene.stats
    found = [scene.health[:, part] / stats.health[:, part]]
    if layout.ally_shield if part.start is None else layout.enemy_shield:
        found.append(scene.shield[:, part] / jnp.maximum(stats.shield[:, part], 1.0))
    return found


def kind_bits(layout: Layout, scene: Scene, part: slice) -> list[Float[Array, "B U"]]:
    """The kind of the units of one side, one-hot, where there are several."""
    kinds, shape = scene.stats.kind[:, part], scene.health[:, part].shape
    return [jnp.broadcast_to(kinds == kind, shape).astype(jnp.float32) for kind in layout.kinds]


def facing(layout: Layout, scene: Scene) -> list[Float[Array, "B N"]]:
    """The unit vector, x and y, along which each ally looks, where there is a cone."""
    directions = layout.flags.directions
    return [jnp.asarray(axis, jnp.float32)[scene.facing] for axis in sight.ways(directions).T] if directions else []


def last_actions(layout: Layout, scene: Scene) -> Float[Array, "B N A"]:
    """What each ally did last, one-hot; zeros at the first step."""
    return jax.nn.one_hot(scene.last_action, layout.n_actions)


def with_time(features: Float[Array, "B N F"], scene: Scene) -> Float[Array, "B N more"]:
    """Features and the step over the limit after them."""
    time = jnp.broadcast_to(scene.time[:, None, None], (*features.shape[:2], 1))
    return jnp.concatenate([features, time], axis=-1)


def shown(parts: list[Array], visible: Bool[Array, "B N J"]) -> Float[Array, "B N J F"]:
    """Features [B, N, J] or [B, J] of some units in the eyes of every ally; zeros where it is not `visible`."""
    wide = [part if part.ndim == 3 else part[:, None] for part in parts]
    block = jnp.stack([jnp.broadcast_to(part, visible.shape).astype(jnp.float32) for part in wide], axis=-1)
    return jnp.where(visible[..., None], block, 0.0)


def shown_to_mates(parts: Iterable[Array], visible: Bool[Array, "B N N"]) -> Float[Array, "B N rest F"]:
    """The same of allies: ally i sees units 0 .. i-1, i+1 .. N-1.

    Each feature drops the diagonal before they are stacked, so that the whole table of pairs never exists.
    """
    rest = [without_itself(part if part.ndim == 3 else part[:, None]) for part in parts]
    return shown(rest, without_itself(visible))


def without_itself(pairs: Shaped[Array, "B n N *F"]) -> Shaped[Array, "B N rest *F"]:
    """Pairs of allies without those of one with itself; of size 1 along the first of their axes where all see alike."""
    n = pairs.shape[2]
    earlier = np.arange(n - 1) < np.arange(n)[:, None]
    return jnp.where(earlier.reshape(n, n - 1, *[1] * (pairs.ndim - 3)), pairs[:, :, :-1], pairs[:, :, 1:])
