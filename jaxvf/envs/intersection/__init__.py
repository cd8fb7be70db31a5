"""The multi-agent intersection: four cars that only choose how fast to go must cross without a crash.

Sources, which modules below name briefly:

- highway-env 1.12.1: Leurent 2018, github.com/Farama-Foundation/HighwayEnv: roads, steering, motion, collisions.
- POW: Huang et al. 2026, arXiv 2405.08036; github.com/tiev-tongji/potentially-optimal-joint-actions-recognition-marl:
  the four cars, their speeds and starts, reward, observation and state.

Where both are silent or faulty, what was chosen is said in `docs/papers/intersection.md`.
"""

from jaxvf.envs.intersection.intersection import Intersection, IntersectionState, starting
from jaxvf.envs.intersection.numbers import IntersectionParams
from jaxvf.envs.intersection.roads import LEFT, RIGHT, STRAIGHT

__all__ = ["LEFT", "RIGHT", "STRAIGHT", "Intersection", "IntersectionParams", "IntersectionState", "starting"]
