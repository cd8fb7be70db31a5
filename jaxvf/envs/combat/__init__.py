"""Combat: SMAC's battles (`Combat`) and JaxMARL's SMAX (`Smax`) as pure functions."""

from jaxvf.envs.combat.combat import Combat
from jaxvf.envs.combat.maps import CLOSEST, HOLD, MAPS, POINT, Map
from jaxvf.envs.combat.opponents import AttackMove, Opponent
from jaxvf.envs.combat.smax import SCENARIOS, Smax
from jaxvf.envs.combat.terrain import EVERYWHERE, Ground, rows_of
from jaxvf.envs.combat.units import CombatParams

__all__ = [
    "CLOSEST",
    "EVERYWHERE",
    "HOLD",
    "MAPS",
    "POINT",
    "SCENARIOS",
    "AttackMove",
    "Combat",
    "CombatParams",
    "Ground",
    "Map",
    "Opponent",
    "Smax",
    "rows_of",
]
