"""What mixers and critics see: SMAC's global state, or one state an agent, in the order of `layout`. Batch-first."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.envs.combat import sight
from jaxvf.envs.combat.dynamics import FIRST_TARGET
from jaxvf.envs.combat.features import (
    facing,
    kind_bits,
    last_actions,
    relative,
    shown,
    shown_to_mates,
    vitals,
    with_time,
)
from jaxvf.envs.combat.layout import Layout
from jaxvf.envs.combat.scene import Scene


def state_of(layout: Layout, scene: Scene, avail: Bool[Array, "B N A"]) -> Float[Array, "B S"]:
    """The state of the kind that the flags ask for."""
    if layout.flags.state_kind == "global":
        return global_state(layout, scene)
    each = agent_states(layout, scene, avail)
    return each.reshape(each.shape[0], -1)


def global_state(layout: Layout, scene: Scene) -> Float[Array, "B S"]:
    """SMAC's state; the dead are zeros."""
    n = layout.battle.n_allies
    allies, enemies = slice(None, n), slice(n, None)

    def side(part: slice, first: list[Array], own: list[Array]) -> Array:
        health, *shield = vitals(layout, scene, part)
        place = [axis[:, part] for axis in scene.place]
        block = jnp.stack([health, *first, *place, *shield, *own, *kind_bits(layout, scene, part)], axis=-1)
        return jnp.where(scene.alive[:, part, None], block, 0.0).reshape(block.shape[0], -1)

    actions = last_actions(layout, scene).reshape(scene.x.shape[0], -1)
    parts = [side(allies, [scene.charge[:, :n]], facing(layout, scene)), side(enemies, [], []), actions]
    if layout.flags.state_timestep_number:
        parts.append(scene.time[:, None])
    return jnp.concatenate(parts, axis=-1)


def agent_states(layout: Layout, scene: Scene, avail: Bool[Array, "B N A"]) -> Float[Array, "B N S"]:
    """Every living unit as each agent's critic sees it, in sight or not; of a dead agent only index and clock."""
    battle = layout.battle
    n, alive = battle.n_allies, scene.alive
    allies, enemies = slice(None, n), slice(n, None)
    visible = sight.in_sight(battle, scene, layout.flags.directions)
    living = jnp.broadcast_to(alive[:, None], visible.shape)
    between = relative(layout, scene)
    actions = last_actions(layout, scene)

    def place(part: slice) -> list[Array]:
        return [axis[:, part] for axis in scene.place]

    traits = [*vitals(layout, scene, allies), *place(allies), *kind_bits(layout, scene, allies)]
    of_mates = [visible[..., :n], *(f[..., :n] for f in between), scene.charge[:, :n], *traits]
    mates = shown_to_mates([*of_mates, *jnp.moveaxis(actions, -1, 0)], living[..., :n])
    attackable = avail[..., layout.first_target : layout.first_target + battle.n_enemies]
    of_foes = [attackable, *(f[..., n:] for f in between), visible[..., n:], *vitals(layout, scene, enemies)]
    foes = shown([*of_foes, *kind_bits(layout, scene, enemies), *place(enemies)], living[..., n:])
    # An agent sees itself, at distance 0.
    itself = jnp.broadcast_to(jnp.array([1.0, 0.0, 0.0, 0.0]), (*actions.shape[:2], 4))
    moves = avail[..., 2:FIRST_TARGET].astype(jnp.float32)
    own = [itself, jnp.stack(traits, axis=-1), actions]
    sides = [part.reshape(*part.shape[:2], -1) for part in (mates, foes)]
    flat = jnp.concatenate([*sides, moves, *own], axis=-1)
    known = jnp.where(alive[:, :n, None], flat, 0.0)
    indexed = jnp.concatenate([known, jnp.broadcast_to(jnp.eye(n), (known.shape[0], n, n))], axis=-1)
    return with_time(indexed, scene) if layout.flags.state_timestep_number else indexed
