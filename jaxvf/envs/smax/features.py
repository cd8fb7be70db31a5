"""What SMAX's allies see and may do, as in JaxMARL 0.2.0, built once a step for allies alone. Batch-first.

- Observation: per other unit, mates then enemies: health, dx, dy, last move (2), last target, cooldown, kind (6);
  own health, x, y, cooldown, kind. Zeros for what is dead or out of sight.
- State: per unit health, x, y, cooldown, kind (6), zeros for the dead; then all sides, then all kinds.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxvf.envs.combat.units import WORLD
from jaxvf.envs.smax.rules import KINDS, N_MOVES, WAYS, SmaxStats

PER_UNIT, OWN = 7 + len(KINDS), 4 + len(KINDS)


class SmaxScene(NamedTuple):
    """A battle as features see it."""

    x: Float[Array, "B U"]
    y: Float[Array, "B U"]
    health: Float[Array, "B U"]
    cooldown: Float[Array, "B U"]
    last_action: Int[Array, "B U"]
    stats: SmaxStats  # [b, U]


def avail_actions(scene: SmaxScene, n: int) -> Bool[Array, "B N A"]:
    """The living walk and shoot what is in range; everyone may stop."""
    alive = scene.health > 0
    dx, dy = scene.x[:, None, n:] - scene.x[:, :n, None], scene.y[:, None, n:] - scene.y[:, :n, None]
    shoots = jnp.sqrt(dx * dx + dy * dy) < scene.stats.reach[:, :n, None]
    shoots &= alive[:, :n, None] & alive[:, None, n:]
    walks = jnp.broadcast_to(alive[:, :n, None], (*alive[:, :n].shape, N_MOVES - 1))
    return jnp.concatenate([walks, jnp.ones_like(walks[..., :1]), shoots], axis=-1)


def observations(scene: SmaxScene, n: int, *, see_enemy_actions: bool) -> Float[Array, "B N O"]:
    """What each ally sees."""
    stats, alive = scene.stats, scene.health > 0
    n_units = scene.x.shape[1]
    shown = jnp.arange(n_units) < (n_units if see_enemy_actions else n)
    move = jnp.asarray(WAYS, jnp.float32)[jnp.minimum(scene.last_action, N_MOVES - 1)] * shown[:, None]
    # A target is shown as the number of the action, over the largest that the unit has.
    largest = np.where(np.arange(n_units) < n, n_units - n, n) + N_MOVES - 1
    target = jnp.where((scene.last_action >= N_MOVES) & shown, scene.last_action / largest, 0.0)
    health, cooldown, kind = _traits(scene)
    told = jnp.concatenate([move, target[..., None], cooldown[..., None], kind], axis=-1)
    dx, dy = (_others(axis, n) - axis[:, :n, None] for axis in (scene.x, scene.y))
    sight = stats.sight[:, :n, None]
    visible = (jnp.sqrt(dx * dx + dy * dy) < sight) & alive[:, :n, None] & _others(alive, n)
    seen = jnp.concatenate([_others(health, n)[..., None], (dx / sight)[..., None], (dy / sight)[..., None],
                            _others(told, n)], axis=-1)  # fmt: skip
    seen = jnp.where(visible[..., None], seen, 0.0)
    own = jnp.concatenate([jnp.stack([health, scene.x / WORLD, scene.y / WORLD, cooldown], axis=-1), kind], axis=-1)
    own = jnp.where(alive[..., None], own, 0.0)[:, :n]
    return jnp.concatenate([seen.reshape(*seen.shape[:2], -1), own], axis=-1)


def _others(leaf: Shaped[Array, "B U *f"], n: int) -> Shaped[Array, "B N V *f"]:
    """Every ally's other units, V = U - 1. Chosen before features are built: they are too many to build and drop."""
    before = np.arange(leaf.shape[1] - 1) < np.arange(n)[:, None]
    before = before.reshape(n, -1, *[1] * (leaf.ndim - 2))
    return jnp.where(before, leaf[:, None, :-1], leaf[:, None, 1:])


def global_state(scene: SmaxScene, n: int) -> Float[Array, "B S"]:
    """JaxMARL's world state."""
    health, _, kind = _traits(scene)
    rows = jnp.concatenate([jnp.stack([health, scene.x, scene.y, scene.cooldown], axis=-1), kind], axis=-1)
    rows = jnp.where((scene.health > 0)[..., None], rows, 0.0)
    side = jnp.broadcast_to(jnp.arange(scene.x.shape[1]) >= n, scene.x.shape)
    number = jnp.broadcast_to(scene.stats.kind, scene.x.shape)
    return jnp.concatenate([rows.reshape(rows.shape[0], -1), side * 1.0, number * 1.0], axis=-1)


def _traits(scene: SmaxScene) -> tuple[Array, Array, Array]:
    """Health and cooldown as fractions, and the kind one-hot."""
    cooldown = jnp.clip(scene.cooldown / scene.stats.period, 0.0, 1.0)
    kind = jax.nn.one_hot(scene.stats.kind, len(KINDS))
    return scene.health / scene.stats.health, cooldown, jnp.broadcast_to(kind, (*scene.x.shape, len(KINDS)))
