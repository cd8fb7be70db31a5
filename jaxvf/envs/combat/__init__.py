"""Combat: SMAC's battles (`Combat`) and JaxMARL's SMAX (`Smax`) as pure functions.

Sources, which modules below name briefly:

- SMAC: Samvelyan et al. 2019, arXiv 1902.04043; github.com/oxwhirl/smac, with the map archives in it: starting points,
  terrain, the numbers of the learning side's units, features, masks and rewards.
- SMACv2: Ellis et al. 2022, arXiv 2212.07489; github.com/oxwhirl/smacv2: what is drawn, and who sees whom.
- Liquipedia's unit pages (Legacy of the Void): weapons, which the archives do not hold.
- SMACLite: github.com/uoe-agents/smaclite, as a check of both.
- SMAX: JaxMARL 0.2.0, github.com/FLAIROx/JaxMARL.

StarCraft itself is not open. Its engine is approximated by ticks of 1/16 s in which all shots are simultaneous and
overlapping units are pushed apart; that is chosen here.
"""

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
