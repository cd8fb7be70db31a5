"""Environments: pure functions under one contract (`protocol`), wrapped and registered by name."""

from jaxvf.envs.box_pushing import BoxPushing
from jaxvf.envs.box_pushing_classic import BoxPushingClassic
from jaxvf.envs.check import check_env
from jaxvf.envs.matrix_game import PAYOFFS, MatrixGame
from jaxvf.envs.predator_prey import PredatorPrey
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View
from jaxvf.envs.registry import ENVIRONMENTS, make
from jaxvf.envs.team_games import GaussianTeam, SoftmaxChain
from jaxvf.envs.two_step_game import TwoStepGame
from jaxvf.envs.wrappers import AgentId, AutoReset, EpisodeStatistics, LastAction, NoiseState, TimeLimit

__all__ = [
    "ENVIRONMENTS",
    "PAYOFFS",
    "AgentId",
    "AutoReset",
    "BoxPushing",
    "BoxPushingClassic",
    "EnvSpec",
    "Environment",
    "EpisodeStatistics",
    "GaussianTeam",
    "LastAction",
    "MatrixGame",
    "NoiseState",
    "Outcome",
    "PredatorPrey",
    "SoftmaxChain",
    "TimeLimit",
    "TwoStepGame",
    "View",
    "check_env",
    "make",
]
