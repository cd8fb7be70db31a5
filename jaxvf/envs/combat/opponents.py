"""Whom the scripted side attacks, and where it goes when it sees nobody.

Another opponent is another subclass of `Opponent`: a frozen dataclass, for it is part of the compiled program, and it
is asked once a tick. Other scripts are in `graded`; in `learned` a trained policy, whose weights are among the
parameters.
"""

import abc
import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.combat import maps
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.movement import heading
from jaxvf.envs.combat.units import CombatParams, Stats
from jaxvf.envs.combat.weapons import Lines
from jaxvf.errors import InputError

SCAN = 5.0  # a unit notices what is this near, or in its weapon's range
STOP = 0.5  # how near to its goal a unit halts
MARGIN = 1.0  # how much nearer than its range an ally has to be to press an enemy


class Field(NamedTuple):
    """What an opponent may look at, batch-last; `[a, e]` is about ally a and enemy e."""

    x: Float[Array, "U B"]
    y: Float[Array, "U B"]
    alive: Bool[Array, "U B"]
    health: Float[Array, "U B"]
    shield: Float[Array, "U B"]
    between: Lines
    in_reach: Bool[Array, "N E B"]  # of the enemy's weapon
    can_hit: Bool[Array, "N E b"]  # the enemy's weapon, this ally at all
    threatens: Bool[Array, "N E B"]  # the ally is ordered to attack this enemy
    ready: Bool[Array, "E B"]  # the enemy's weapon is loaded
    pressed: Bool[Array, "N E B"]  # the ally, of shorter range, lives and is about to reach this enemy
    plan: Any  # what `decide` gave for this step


class Opponent(abc.ABC):
    """Decides for the enemies: once a step for what it remembers of an episode, once a tick for each unit."""

    @property
    def n_members(self) -> int:
        """How many there are to choose from by `CombatParams.opponent_member`."""
        return 1

    def check(self, battle: Map) -> None:
        """Whether it can play on a map; an `InputError` if not."""
        return

    def weights(self) -> Any:
        """Default of `CombatParams.opponent_weights`: numbers that training could change."""
        return ()

    def begin(self, key: Key[Array, ""], num_envs: int) -> Any:
        """What it remembers at the start of an episode: leaves with B first."""
        return ()

    def decide(self, memory: Any, battle: Map, scene: Any, params: CombatParams) -> tuple[Any, Any]:
        """What it remembers after a step's beginning, and its plan for the step, batch-last."""
        return memory, memory

    def patients(self, plan: Any) -> Int[Array, "E B"] | None:
        """Whom each medivac heals by the plan, a mate's index or -1; None: the most hurt one near it."""
        return None

    @abc.abstractmethod
    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        """Whom each enemy attacks from now on, an ally's index or -1, given whom it attacked.

        Orders to attack the dead, or what the weapon cannot hit, are ignored.
        """

    @abc.abstractmethod
    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        """Where enemies that attack nobody want to be, x and y, and whether they go at all, [E, B]."""


class Script(Opponent):
    """An opponent that remembers nothing and decides by rules alone."""


@dataclasses.dataclass(frozen=True)
class AttackMove(Script):
    """An order to attack-move: walk to the map's goal, attack on the way what comes near or attacks.

    A target is kept while it is alive and either in range or attacking back.

    Attributes:
        healer_first: prefer medivacs among what is near, as SMACLite does; StarCraft gives them no priority.
    """

    healer_first: bool = False

    def __post_init__(self):
        if not isinstance(self.healer_first, bool):
            raise InputError(f"healer_first={self.healer_first!r} is neither True nor False")

    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        n_allies = allies.kind.shape[0]
        number = jnp.arange(n_allies)[:, None, None]
        alive = field.alive[:n_allies, None] & field.can_hit
        distance = field.between.distance
        kept = alive & (target[None] == number) & (field.in_reach | field.threatens)
        noticed = distance < jnp.maximum(SCAN, enemies.reach)[None] + allies.radius[:, None]
        candidate = alive & (noticed | field.threatens)
        if self.healer_first:
            distance = distance - 1e3 * (allies.damage[:, None] == 0)
        distance = jnp.where(candidate, distance, jnp.inf)
        chosen = jnp.where(candidate.any(axis=0), first_nearest(distance), -1)
        chosen = jnp.where(kept.any(axis=0), target, chosen)
        return jnp.where(field.alive[n_allies:], chosen, -1)

    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        n_allies = battle.n_allies
        x, y = field.x[n_allies:], field.y[n_allies:]
        if battle.order == maps.HOLD:
            return x, y, jnp.zeros(x.shape, bool)
        if battle.order == maps.POINT:
            goal_x, goal_y = (jnp.full_like(x, axis) for axis in battle.attack_point)
        else:
            distance = jnp.where(field.alive[:n_allies, None], field.between.distance, jnp.inf)
            chosen = first_nearest(distance) == jnp.arange(n_allies)[:, None, None]
            goal_x, goal_y = (jnp.where(chosen, axis[:n_allies, None], 0.0).sum(axis=0) for axis in (field.x, field.y))
        return goal_x, goal_y, heading(x, y, goal_x, goal_y)[2] > STOP


def first_nearest(distance: Float[Array, "N E B"]) -> Int[Array, "E B"]:
    """The nearest ally of each enemy; of equally near ones the first."""
    number = jnp.arange(distance.shape[0])[:, None, None]
    return jnp.where(distance == distance.min(axis=0), number, distance.shape[0]).min(axis=0)


def nearly_reached(surface: Float[Array, "N E B"], allies: Stats, enemies: Stats) -> Bool[Array, "N E B"]:
    """Which allies of shorter range have, or nearly have, an enemy in reach, given how far they are edge to edge."""
    return (allies.reach[:, None] < enemies.reach[None]) & (surface < allies.reach[:, None] + MARGIN)
