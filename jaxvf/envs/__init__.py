"""Environments: pure functions under one contract (`protocol`), wrapped and registered by name.

Sources, cited below by author and year or by the code's name; combat has its own list (`combat`):

- Rashid et al. 2018 (QMIX): arXiv 1803.11485; the two-step game.
- Son et al. 2019 (QTRAN): arXiv 1905.05408; Wang et al. 2021 (QPLEX): arXiv 2008.01062; Rashid et al. 2020 (weighted
  QMIX): arXiv 2006.10800; Huang et al. 2026 (POW): arXiv 2405.08036; Hu et al. 2026 (non-monotonic QMIX): arXiv
  2511.09792: matrix games.
- Böhmer et al. 2020 (deep coordination graphs): arXiv 1910.00091; predator-prey, in the form that weighted QMIX's code,
  github.com/oxwhirl/wqmix, and POW's, github.com/tiev-tongji/potentially-optimal-joint-actions-recognition-marl, share.
- Box Pushing with primitive actions: github.com/yuchen-x/MacDeepMARL. The classic one: Seuken & Zilberstein 2007 (UAI),
  by the problem file in github.com/lyu-xg/on-centralized-critics-in-marl.
- Le & Ta 2025: doi 10.1007/s10458-025-09695-8; github.com/giangbang/Low-Variance-Trust-Region-MARL; splits of bodies.
- Claus & Boutilier 1998: the climbing game and the penalty game.
"""

import importlib
from typing import TYPE_CHECKING, Any

from jaxvf.envs.auto_reset import AutoReset
from jaxvf.envs.box_pushing import BoxPushing
from jaxvf.envs.box_pushing_classic import BoxPushingClassic
from jaxvf.envs.brax_team import BraxTeam
from jaxvf.envs.check import check_env
from jaxvf.envs.combat import Combat
from jaxvf.envs.football import Football
from jaxvf.envs.intersection import Intersection
from jaxvf.envs.jaxmarl import FromJaxMARL
from jaxvf.envs.matrix_game import PAYOFFS, MatrixGame
from jaxvf.envs.predator_prey import PredatorPrey
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View
from jaxvf.envs.registry import ENVIRONMENTS, make
from jaxvf.envs.smaclite import Smaclite
from jaxvf.envs.smax import Smax
from jaxvf.envs.team_games import GaussianTeam, SoftmaxChain
from jaxvf.envs.two_step_game import TwoStepGame
from jaxvf.envs.wrappers import AgentId, EpisodeStatistics, LastAction, NoiseState, OpenLoop, TimeLimit

if TYPE_CHECKING:
    from jaxvf.envs.to_jaxmarl import ToJaxMARL

__all__ = [
    "ENVIRONMENTS",
    "PAYOFFS",
    "AgentId",
    "AutoReset",
    "BoxPushing",
    "BoxPushingClassic",
    "BraxTeam",
    "Combat",
    "EnvSpec",
    "Environment",
    "EpisodeStatistics",
    "Football",
    "FromJaxMARL",
    "GaussianTeam",
    "Intersection",
    "LastAction",
    "MatrixGame",
    "NoiseState",
    "OpenLoop",
    "Outcome",
    "PredatorPrey",
    "Smaclite",
    "Smax",
    "SoftmaxChain",
    "TimeLimit",
    "ToJaxMARL",
    "TwoStepGame",
    "View",
    "check_env",
    "make",
]


def __getattr__(name: str) -> Any:
    if name != "ToJaxMARL":
        raise AttributeError(f"module 'jaxvf.envs' has no attribute {name!r}")
    # It derives from a class of JaxMARL, whose import takes seconds.
    return importlib.import_module("jaxvf.envs.to_jaxmarl").ToJaxMARL
