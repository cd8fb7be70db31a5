"""Who sees whom: ranges, SMACv2's viewing cone, and its extended partial observability (Ellis et al. 2022).

The first ally that an enemy comes in sight of discovers it, and sees it whenever it is in sight. For every other ally
one draw decides, the first time that it is in sight, whether it ever sees that enemy. When the discoverer dies nobody
knows the enemy any more, and whoever has it in sight next discovers it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.combat.dynamics import FIRST_MOVE, FIRST_TARGET, STOP
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.scene import Scene

SIGHT = 9.0  # of every unit, in SMAC's features
UNMET, SEES, BLIND, DISCOVERED = 0, 1, 2, 3


def nobody_met(num_envs: int, n_allies: int, n_enemies: int) -> Int[Array, "B N E"]:
    """Before anybody has seen anybody."""
    return jnp.full((num_envs, n_allies, n_enemies), UNMET, jnp.int8)


def met(
    known: Int[Array, "B N E"],
    in_sight: Bool[Array, "B N E"],
    alive: Bool[Array, "B N"],
    key: Key[Array, ""],
    probability: Float[Array, ""],
) -> Int[Array, "B N E"]:
    """What is known after a step, or a reset, that put enemies in sight.

    Args:
        known: UNMET, SEES, BLIND or DISCOVERED for every ally and enemy, before.
        in_sight: near enough to be seen, both alive.
        alive: which allies are.
        key: for the draws.
        probability: that an ally other than the discoverer sees an enemy.
    """
    forgotten = ((known == DISCOVERED) & ~alive[..., None]).any(axis=1, keepdims=True)
    known = jnp.where(forgotten, UNMET, known)
    meets = in_sight & (known == UNMET)
    order_key, draw_key = jax.random.split(key)
    # Of allies that meet an enemy in the same step any may be the first.
    turn = jnp.where(meets, jax.random.uniform(order_key, known.shape), -1.0)
    is_first = meets & (turn == turn.max(axis=1, keepdims=True)) & (known == UNMET).all(axis=1, keepdims=True)
    lucky = jax.random.uniform(draw_key, known.shape) < probability
    drawn = jnp.where(is_first, DISCOVERED, jnp.where(lucky, SEES, BLIND)).astype(known.dtype)
    return jnp.where(meets, drawn, known)


def may_see(known: Int[Array, "B N E"]) -> Bool[Array, "B N E"]:
    """Which enemies an ally sees when they are in sight."""
    return (known == SEES) | (known == DISCOVERED)


def reach_of_sight(battle: Map, scene: Scene) -> Float[Array, "b N 1"] | float:
    """How far allies see: of each kind its own in SMACv2."""
    return scene.stats.sight[:, : battle.n_allies, None] if battle.race else SIGHT


def in_sight(battle: Map, scene: Scene, directions: int) -> Bool[Array, "B N U"]:
    """Who is near enough to an ally, and in front of it where there is a cone, and alive."""
    n = battle.n_allies
    near = (scene.distances(n) < reach_of_sight(battle, scene)) & scene.alive[:, None]
    return near & in_front(scene, n, directions) if directions else near


def ways(directions: int) -> np.ndarray:
    """Unit vectors that an agent can look along, [directions, 2], from the east round by the north."""
    angle = 2 * np.pi * np.arange(directions) / directions
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def in_front(scene: Scene, n: int, directions: int) -> Bool[Array, "B N U"]:
    """Who is within half the angle between two directions of where each ally looks; also who stands where it does."""
    way = jnp.asarray(ways(directions), jnp.float32)[scene.facing]
    dx, dy = scene.offsets(n)
    along = dx * way[..., :1] + dy * way[..., 1:]
    return along >= scene.distances(n) * np.cos(np.pi / directions).astype(np.float32)


def turned(
    actions: Int[Array, "B N"], facing: Int[Array, "B N"], order: Int[Array, "B N"], directions: int
) -> tuple[Int[Array, "B N"], Int[Array, "B N"]]:
    """Where agents look after their actions, and what they do: as if there were no actions that turn.

    Turning is no order: who attacks goes on, everybody else stands.

    Args:
        actions: numbered with the turns between moves and targets.
        facing: where agents looked before.
        order: what they did before, as returned here.
        directions: how many turns there are.
    """
    turn = actions - FIRST_TARGET
    turns = (turn >= 0) & (turn < directions)
    going_on = jnp.where((order >= FIRST_MOVE) & (order < FIRST_TARGET), STOP, order)
    plain = jnp.where(actions >= FIRST_TARGET, actions - directions, actions)
    return jnp.where(turns, turn, facing), jnp.where(turns, going_on, plain)
