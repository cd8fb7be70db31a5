"""Environments: pure functions under one contract (`protocol`), wrapped and registered by name."""

import importlib
from typing import TYPE_CHECKING, Any

from jaxvf.envs.auto_reset import AutoReset
from jaxvf.envs.box_pushing import BoxPushing
from jaxvf.envs.box_pushing_classic import BoxPushingClassic
from jaxvf.envs.brax_team import BraxTeam
from jaxvf.envs.check import check_env
from jaxvf.envs.combat import Combat, Smax
from jaxvf.envs.jaxmarl import FromJaxMARL
from jaxvf.envs.matrix_game import PAYOFFS, MatrixGame
from jaxvf.envs.predator_prey import PredatorPrey
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View
from jaxvf.envs.registry import ENVIRONMENTS, make
from jaxvf.envs.team_games import GaussianTeam, SoftmaxChain
from jaxvf.envs.two_step_game import TwoStepGame
from jaxvf.envs.wrappers import AgentId, EpisodeStatistics, LastAction, NoiseState, TimeLimit

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
    "FromJaxMARL",
    "GaussianTeam",
    "LastAction",
    "MatrixGame",
    "NoiseState",
    "Outcome",
    "PredatorPrey",
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
