"""Networks: the linear layer, the GRU unroll, and the agents built from them."""

from jaxvf.networks.agents import AGENTS, FeedForwardAgent, RecurrentAgent, TabularAgent
from jaxvf.networks.linear import MLP, Linear
from jaxvf.networks.recurrent import GRU

__all__ = ["AGENTS", "GRU", "MLP", "FeedForwardAgent", "Linear", "RecurrentAgent", "TabularAgent"]
