"""Combat: SMAC's battles (`Combat`) and JaxMARL's SMAX (`Smax`) as pure functions."""

from jaxvf.envs.combat.combat import Combat
from jaxvf.envs.combat.maps import MAPS
from jaxvf.envs.combat.opponents import AttackMove, Opponent
from jaxvf.envs.combat.smax import SCENARIOS, Smax

__all__ = ["MAPS", "SCENARIOS", "AttackMove", "Combat", "Opponent", "Smax"]
