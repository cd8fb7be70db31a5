"""Scripts of different strength, and opponents that draw one of them for each battle. Arrays are batch-last.

The grades, weakest first; each plays as the one before, but for what is said:

0. `Hold`: stands where it starts, and shoots at the nearest ally that its weapon reaches.
1. `AttackMove`: SMAC's; walks to the map's goal and attacks what it meets.
2. `FocusFire`: of the allies in its weapon's range it attacks the one with the least health and shield left.
3. `Kite`: a unit that is reloading steps back from allies of shorter range that are about to reach it.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.opponents import AttackMove, Field, Opponent, Script, first_nearest
from jaxvf.envs.combat.units import Stats
from jaxvf.errors import InputError, unknown


def _least(key: Float[Array, "N E B"]) -> Int[Array, "E B"]:
    """The ally with the smallest key, or -1 where none is finite."""
    return jnp.where(jnp.isfinite(key).any(axis=0), first_nearest(key), -1)


@dataclasses.dataclass(frozen=True)
class Hold(Script):
    """Stands still and shoots at the nearest ally in weapon range."""

    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        able = field.can_hit & field.in_reach & field.alive[: allies.kind.shape[0], None]
        return _least(jnp.where(able, field.between.distance, jnp.inf))

    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        x, y = field.x[battle.n_allies :], field.y[battle.n_allies :]
        return x, y, jnp.zeros(x.shape, bool)


@dataclasses.dataclass(frozen=True)
class FocusFire(Script):
    """An attack-move whose shots go to the weakest ally in weapon range."""

    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        n = allies.kind.shape[0]
        able = field.can_hit & field.in_reach & field.alive[:n, None]
        left = (field.health + field.shield)[:n, None]
        weakest = _least(jnp.where(able, left, jnp.inf))
        return jnp.where(weakest >= 0, weakest, AttackMove().choose(target, field, allies, enemies))

    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        return AttackMove().march(field, battle)


@dataclasses.dataclass(frozen=True)
class Kite(Script):
    """Focused fire, and a step back from allies of shorter range while a weapon reloads."""

    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        chosen = FocusFire().choose(target, field, allies, enemies)
        return jnp.where(_retreats(field), -1, chosen)

    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        n = battle.n_allies
        x, y, goes = AttackMove().march(field, battle)
        nearest = first_nearest(jnp.where(field.pressed, field.between.distance, jnp.inf))
        away = nearest == jnp.arange(n)[:, None, None]
        dx, dy = (jnp.where(away, axis, 0.0).sum(axis=0) for axis in field.between[:2])
        back = _retreats(field)
        return (
            jnp.where(back, field.x[n:] + dx, x),
            jnp.where(back, field.y[n:] + dy, y),
            goes | back,
        )


def _retreats(field: Field) -> Array:
    return field.pressed.any(axis=0) & ~field.ready


SCRIPTS: dict[str, Script] = {"hold": Hold(), "attack_move": AttackMove(), "focus_fire": FocusFire(), "kite": Kite()}
MIXED = "mixed"  # the name of `Mixed()`


@dataclasses.dataclass(frozen=True)
class Mixed(Opponent):
    """One script for each battle, drawn at its start, so that no single weakness can be learned (as SMAC-HARD's).

    Deng et al. 2024, arXiv 2412.17707, draw among scripts that a language model wrote; here among the grades.

    Attributes:
        scripts: which, as objects or as names of `SCRIPTS`.
        shares: how often each is drawn, as numbers to be divided by their sum; () draws all alike.
    """

    scripts: tuple[Script | str, ...] = tuple(SCRIPTS)
    shares: tuple[float, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "scripts", tuple(self.scripts))
        object.__setattr__(self, "shares", tuple(self.shares))
        if not self.scripts or not all(isinstance(self._script(one), Script) for one in self.scripts):
            raise InputError(f"scripts={self.scripts!r} of a mixed opponent must be scripts, such as 'kite' or Kite()")
        if self.shares and not (len(self.shares) == len(self.scripts) and _are_shares(self.shares)):
            raise InputError(
                f"shares={self.shares!r} must give each of {len(self.scripts)} scripts a number, not all 0"
            )

    @staticmethod
    def _script(one: Script | str) -> Script:
        return script_of(one) if isinstance(one, str) else one

    def begin(self, key: Key[Array, ""], num_envs: int) -> Int[Array, "B"]:
        shares = jnp.asarray(self.shares or (1.0,) * len(self.scripts), jnp.float32)
        return jax.random.categorical(key, jnp.log(shares), shape=(num_envs,)).astype(jnp.int32)

    def choose(self, target: Int[Array, "E B"], field: Field, allies: Stats, enemies: Stats) -> Int[Array, "E B"]:
        each = [self._script(one).choose(target, field, allies, enemies) for one in self.scripts]
        return self._drawn(each, field)

    def march(self, field: Field, battle: Map) -> tuple[Array, Array, Array]:
        each = [self._script(one).march(field, battle) for one in self.scripts]
        x, y, goes = (self._drawn(list(part), field) for part in zip(*each, strict=True))
        return x, y, goes

    def _drawn(self, each: list[Array], field: Field) -> Array:
        found = each[0]
        for number, other in enumerate(each[1:], 1):
            found = jnp.where(field.plan == number, other, found)
        return found


def _are_shares(shares: tuple[Any, ...]) -> bool:
    try:
        return all(math.isfinite(share) and share >= 0 for share in shares) and sum(shares) > 0
    except TypeError:
        return False


def script_of(name: str) -> Script:
    """The script of a name of `SCRIPTS`.

    Raises:
        InputError: for another name, with the nearest one.
    """
    if name not in SCRIPTS:
        raise unknown("opponent", name, SCRIPTS)
    return SCRIPTS[name]


def opponent_of(name: str | Opponent) -> Opponent:
    """The opponent of a name of `SCRIPTS`, or "mixed"; an opponent passes through.

    Raises:
        InputError: for anything else.
    """
    if isinstance(name, Opponent):
        return name
    if isinstance(name, str):
        if name not in (*SCRIPTS, MIXED):
            raise unknown("opponent", name, (*SCRIPTS, MIXED))
        return Mixed() if name == MIXED else script_of(name)
    raise InputError(f"opponent={name!r} is not an Opponent, such as AttackMove()")
