"""SMAClite: SMAC's battles under rules that can be checked without StarCraft.

Source: Michalski et al. 2023, arXiv 2305.05566; github.com/uoe-agents/smaclite, whose recorded battles are tests here.
Collision avoidance: van den Berg et al. 2011 (ORCA), doi 10.1007/978-3-642-19457-3_1, as in RVO2.
"""

from jaxvf.envs.smaclite.maps import SMACLITE_MAPS
from jaxvf.envs.smaclite.rules import SmacliteParams
from jaxvf.envs.smaclite.smaclite import Smaclite

__all__ = ["SMACLITE_MAPS", "Smaclite", "SmacliteParams"]
