"""SMAX: the battles of JaxMARL 0.2.0 (github.com/FLAIROx/JaxMARL) with its scripted enemy, as pure functions.

Units, kinds, terrain and pictures are those of `combat`; rules, features, starts and the script are SMAX's own.
"""

from jaxvf.envs.smax.scenarios import SCENARIOS
from jaxvf.envs.smax.smax import Smax, SmaxState

__all__ = ["SCENARIOS", "Smax", "SmaxState"]
