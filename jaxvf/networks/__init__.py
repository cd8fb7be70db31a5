"""Networks: the linear layer, the GRU unroll, and the agents built from them.

Sources, cited below by author and year or by the code's name:

- PyMARL's agent and its initialization: github.com/oxwhirl/wqmix, and the copy that github.com/wjh720/QPLEX builds on.
- Son et al. 2019 (QTRAN): arXiv 1905.05408; code: github.com/Sonkyunghwan/QTRAN, and the form of it in PyMARL.
- Tao et al. 2026 (MRVF): arXiv 2604.05297; no public code.
"""

from jaxvf.networks.agents import AGENTS, FeedForwardAgent, RecurrentAgent, TabularAgent
from jaxvf.networks.linear import MLP, Linear
from jaxvf.networks.recurrent import GRU

__all__ = ["AGENTS", "GRU", "MLP", "FeedForwardAgent", "Linear", "RecurrentAgent", "TabularAgent"]
