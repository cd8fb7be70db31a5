"""A trained policy as the scripted side: it sees the battle from the other side, turned by half a circle.

Its weights are among the environment's parameters, as a population: `opponent_weights` holds several policies' along a
leading axis, and `opponent_member` says which of them plays. A sweep over `env.opponent_member` plays learners against
members, all in one program.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat import features, masks, units
from jaxvf.envs.combat.dynamics import FIRST_MOVE, FIRST_TARGET, MOVES
from jaxvf.envs.combat.generator import RANK
from jaxvf.envs.combat.layout import Layout
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.opponents import Field, Opponent
from jaxvf.envs.combat.scene import Scene
from jaxvf.envs.combat.units import WORLD, CombatParams, Stats
from jaxvf.errors import InputError


@runtime_checkable
class Player(Protocol):
    """How a learner's networks act; hashable, for it is part of the compiled program."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Agents, actions and length of an observation that its networks are made for."""
        ...

    def shapes(self) -> Any:
        """Shapes of the weights of one member."""
        ...

    def start(self, num_envs: int) -> Any:
        """Memory at the beginning of an episode, B first."""
        ...

    def act(
        self, weights: Any, obs: Float[Array, "B N O"], avail: Bool[Array, "B N A"], memory: Any
    ) -> tuple[Int[Array, "B N"], Any]:
        """Actions and the next memory."""
        ...


class Plan(NamedTuple):
    """What each enemy does in this step, batch-last."""

    attack: Int[Array, "E B"]  # an ally, or -1
    heal: Int[Array, "E B"]  # a mate, or -1
    go_x: Float[Array, "E B"]
    go_y: Float[Array, "E B"]


@dataclasses.dataclass(frozen=True)
class Learned(Opponent):
    """A population of trained policies, of which `opponent_member` plays.

    Attributes:
        player: how its networks act.
        population: their weights, each leaf with a leading axis of members; the default of
            `CombatParams.opponent_weights`.
        digest: of the weights, by which opponents are compared.
    """

    player: Player
    population: Any = dataclasses.field(compare=False, repr=False)
    digest: str = dataclasses.field(init=False, repr=False)

    def __post_init__(self):
        try:
            population = _fitted(self.player.shapes(), self.population)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"population of a learned opponent does not fit its networks: {error}") from error
        leaves = jax.tree.leaves(population)
        sizes = {len(leaf) for leaf in leaves}
        if len(sizes) != 1 or 0 in sizes:
            raise InputError(f"population of a learned opponent: its weights are of {sorted(sizes)} members")
        object.__setattr__(self, "population", population)
        object.__setattr__(self, "digest", hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves)).hexdigest())

    @property
    def n_members(self) -> int:
        return len(jax.tree.leaves(self.population)[0])

    def check(self, battle: Map) -> None:
        layout = Layout(turned(battle))
        wanted = (battle.n_enemies, layout.n_actions, len(layout.obs_spans))
        if self.player.sizes != wanted:
            has, takes = (
                "{} agents, {} actions and {} features".format(*sizes) for sizes in (self.player.sizes, wanted)
            )
            raise InputError(f"the opponent's policy has {has}; the other side of map {battle.name} takes {takes}")

    def weights(self) -> Any:
        return self.population

    def begin(self, key: Array, num_envs: int) -> Any:
        return self.player.start(num_envs)

    def decide(self, memory: Any, battle: Map, scene: Scene, params: CombatParams) -> tuple[Any, Plan]:
        layout, order = Layout(turned(battle)), _order_from_there(battle, scene.stats.kind)
        view = _seen_from_there(battle, scene, order)
        avail = masks.avail_actions(layout, view)
        weights = jax.tree.map(lambda leaf: leaf[params.opponent_member], params.opponent_weights)
        actions, memory = self.player.act(weights, features.observations(layout, view, avail), avail, memory)
        heals = view.stats.is_any(units.AIR)[:, : battle.n_enemies].T
        plan = _plan(actions.T, heals)
        return memory, plan if order is None else _in_own_numbers(plan, order, battle.n_enemies)

    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        n, ordered = allies.kind.shape[0], field.plan.attack
        lives = (ordered[None] == jnp.arange(n)[:, None, None]) & field.alive[:n, None]
        return jnp.where(lives.any(axis=0), ordered, -1)

    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        go_x, go_y = field.plan.go_x, field.plan.go_y
        return field.x[battle.n_allies :] + go_x, field.y[battle.n_allies :] + go_y, (go_x != 0) | (go_y != 0)

    def patients(self, plan: Any) -> Int[Array, "E B"]:
        return plan.heal


def _fitted(shapes: Any, given: Any) -> Any:
    """Weights as arrays in the structure of `shapes`; a file gives lists for tuples and for arrays."""
    if isinstance(shapes, Mapping):
        return {name: _fitted(one, given[name]) for name, one in shapes.items()}
    if isinstance(shapes, tuple):
        parts = [_fitted(one, value) for one, value in zip(shapes, given, strict=True)]
        return type(shapes)(*parts) if hasattr(shapes, "_fields") else tuple(parts)
    leaf = np.asarray(given, shapes.dtype)
    if leaf.ndim != len(shapes.shape) + 1 or leaf.shape[1:] != shapes.shape:
        raise ValueError(f"{leaf.shape} is not a number of members by {shapes.shape}")
    return leaf


def turned(battle: Map) -> Map:
    """The battle as the enemies see it: they are the allies, and the ground is turned by half a circle."""
    ground = dataclasses.replace(battle.ground, levels=battle.ground.table[::-1, ::-1].tolist())
    return dataclasses.replace(battle, allies=battle.enemies, enemies=battle.allies, ground=ground)


def _order_from_there(battle: Map, kind: Int[Array, "B U"]) -> Int[Array, "B U"] | None:
    """Which of the units, enemies before allies, stands where in the lists of the turned battle; None where all do.

    Drawn units are numbered by kind, then x, then y, at the start (`generator.numbered`). Half a turn reverses x and y,
    and so the numbers of the units of a kind.
    """
    if not battle.race:
        return None
    kind = jnp.concatenate([kind[:, battle.n_allies :], kind[:, : battle.n_allies]], axis=1)
    number = jnp.broadcast_to(jnp.arange(kind.shape[1]), kind.shape)
    return jnp.lexsort((-number, jnp.asarray(RANK)[kind], number >= battle.n_enemies), axis=1)


def _in_own_numbers(plan: Plan, order: Int[Array, "B U"], n_enemies: int) -> Plan:
    """A plan whose units have the numbers of the battle, of one that has those of the turned lists."""
    mates, foes = order.T[:n_enemies], order.T[n_enemies:] - n_enemies

    def unit(side: Array, place: Array) -> Array:
        return jnp.where(place >= 0, jnp.take_along_axis(side, jnp.maximum(place, 0), axis=0), -1)

    plan = plan._replace(attack=unit(foes, plan.attack), heal=unit(mates, plan.heal))
    place = jnp.argsort(mates, axis=0)
    return Plan(*(jnp.take_along_axis(leaf, place, axis=0) for leaf in plan))


def _seen_from_there(battle: Map, scene: Scene, order: Int[Array, "B U"] | None) -> Scene:
    n = battle.n_allies

    def swapped(leaf: Array) -> Array:
        leaf = jnp.concatenate([leaf[:, n:], leaf[:, :n]], axis=1)
        return leaf if order is None else jnp.take_along_axis(leaf, order, axis=1)

    def across(leaf: Array) -> Array:
        return WORLD - swapped(leaf)

    return Scene(
        x=across(scene.x),
        y=across(scene.y),
        health=swapped(scene.health),
        shield=swapped(scene.shield),
        cooldown=swapped(scene.cooldown),
        energy=swapped(scene.energy),
        stats=Stats(*(swapped(leaf) for leaf in scene.stats)),
        last_action=jnp.full((len(scene.x), battle.n_enemies), -1, jnp.int32),  # no feature by default
        time=scene.time,
        facing=jnp.zeros((len(scene.x), 0), jnp.int32),
    )


def _plan(actions: Int[Array, "E B"], heals: Bool[Array, "E b"]) -> Plan:
    number = jnp.where(actions >= FIRST_TARGET, actions - FIRST_TARGET, -1)
    walks = (actions >= FIRST_MOVE) & (actions < FIRST_TARGET)
    # North, south, east and west of who looks from the other side.
    way = -jnp.asarray(MOVES, jnp.float32).T[:, jnp.clip(actions - FIRST_MOVE, 0, len(MOVES) - 1)]
    go = jnp.where(walks, way, 0.0)
    return Plan(jnp.where(heals, -1, number), jnp.where(heals, number, -1), go[0], go[1])
