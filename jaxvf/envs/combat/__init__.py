"""Combat: SMAC's battles (`Combat`) and JaxMARL's SMAX (`Smax`) as pure functions."""

from collections.abc import Callable
from typing import Any

from jaxvf.envs.combat.combat import Combat
from jaxvf.envs.combat.maps import CLOSEST, HOLD, MAPS, POINT, Map
from jaxvf.envs.combat.opponents import AttackMove, Opponent
from jaxvf.envs.combat.smax import SCENARIOS, Smax
from jaxvf.envs.combat.terrain import EVERYWHERE, Ground, rows_of
from jaxvf.envs.combat.units import CombatParams
from jaxvf.envs.protocol import Environment
from jaxvf.errors import unknown

RULES: dict[str, Callable[..., Environment]] = {"smac": Combat, "smax": Smax}


def make(map: str | Map = "3m", *, rules: str = "smac", **options: Any) -> Environment:
    """A battle under one of two rule sets, which are environments of their own.

    Args:
        map: name of a map; with SMAC's rules also a `Map` of one's own.
        rules: "smac" (StarCraft's, the environments `combat/NAME`) or "smax" (JaxMARL's, `smax/NAME`).
        options: fields of `Combat` or `Smax`.

    Raises:
        InputError: for rules or a map that do not exist, with the nearest that do.
    """
    if rules not in RULES:
        raise unknown("rules", rules, RULES)
    return RULES[rules](map, **options)


__all__ = [
    "CLOSEST",
    "EVERYWHERE",
    "HOLD",
    "MAPS",
    "POINT",
    "RULES",
    "SCENARIOS",
    "AttackMove",
    "Combat",
    "CombatParams",
    "Ground",
    "Map",
    "Opponent",
    "Smax",
    "make",
    "rows_of",
]
