"""Combat: SMAC's battles (`Combat`) as pure functions; JaxMARL's are in `smax`.

Sources, which modules below name briefly:

- SMAC: Samvelyan et al. 2019, arXiv 1902.04043; github.com/oxwhirl/smac, with the map archives in it: starting points,
  terrain, the numbers of the learning side's units, features, masks and rewards.
- SMACv2: Ellis et al. 2022, arXiv 2212.07489; github.com/oxwhirl/smacv2: what is drawn, and who sees whom.
- Liquipedia's unit pages (Legacy of the Void): weapons, which the archives do not hold.
- SMACLite: github.com/uoe-agents/smaclite, as a check.

StarCraft itself is not open. Its engine is approximated by ticks of 1/16 s in which all shots are simultaneous and
overlapping units are pushed apart; that is chosen here.
"""

from jaxvf.envs.combat.combat import Combat
from jaxvf.envs.combat.graded import FocusFire, Hold, Kite, Mixed
from jaxvf.envs.combat.learned import Learned
from jaxvf.envs.combat.maps import CLOSEST, HOLD, MAPS, POINT, Map
from jaxvf.envs.combat.opponents import AttackMove, Opponent
from jaxvf.envs.combat.terrain import EVERYWHERE, Ground, rows_of
from jaxvf.envs.combat.units import CombatParams

__all__ = [
    "CLOSEST",
    "EVERYWHERE",
    "HOLD",
    "MAPS",
    "POINT",
    "AttackMove",
    "Combat",
    "CombatParams",
    "FocusFire",
    "Ground",
    "Hold",
    "Kite",
    "Learned",
    "Map",
    "Mixed",
    "Opponent",
    "rows_of",
]
