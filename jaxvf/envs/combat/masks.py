"""What allies may do, as SMAC's and SMACv2's masks have it. Arrays are batch-first."""

import jax.numpy as jnp
from jaxtyping import Array, Bool

from jaxvf.envs.combat import sight, terrain, units
from jaxvf.envs.combat.dynamics import MOVES
from jaxvf.envs.combat.layout import Layout
from jaxvf.envs.combat.scene import Scene

ATTACK_RANGE = 6.0  # centre to centre; the unit walks to a target outside its weapon's range
MELEE_RANGE = 2.0  # least range of an attack action in SMACv2


def avail_actions(layout: Layout, scene: Scene) -> Bool[Array, "B N A"]:
    """What each ally may do: the dead nothing, the living stop, walk where the ground is, turn, attack what is near.

    Where there is a cone, what is near must be in it, too.
    """
    battle, directions = layout.battle, layout.flags.directions
    n, alive = battle.n_allies, scene.alive
    x, y = scene.x[:, :n, None], scene.y[:, :n, None]
    walks = terrain.is_walkable(battle.ground, x + MOVES[:, 0], y + MOVES[:, 1])
    reach = jnp.maximum(scene.stats.reach[:, :n], MELEE_RANGE) if battle.race else ATTACK_RANGE
    reach = jnp.broadcast_to(reach, scene.stats.reach[:, :n].shape)[..., None]
    near = (scene.distances(n) <= reach) & alive[:, None]
    if directions:
        near &= sight.in_front(scene, n, directions)
    n_targets = layout.n_actions - layout.first_target
    targets = _padded(near[:, :, n:], n_targets)
    if "medivac" in battle.kinds:
        is_medivac = scene.stats.is_any(units.AIR)
        heal = near[:, :, :n] & ~is_medivac[:, None, :n]
        targets = jnp.where(is_medivac[:, :n, None], _padded(heal, n_targets), targets)
    stop, turns = (jnp.ones((*targets.shape[:2], count), bool) for count in (1, directions))
    able = jnp.concatenate([stop, walks, turns, targets], axis=-1) & alive[:, :n, None]
    return jnp.concatenate([~alive[:, :n, None], able], axis=-1)


def _padded(targets: Bool[Array, "B N J"], size: int) -> Bool[Array, "B N size"]:
    return jnp.pad(targets, ((0, 0), (0, 0), (0, size - targets.shape[-1])))
