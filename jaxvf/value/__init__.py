"""Value-based learners: episode replay, targets, exploration, and the learners made of them."""

from jaxvf.value.q_learning import QLearning

__all__ = ["QLearning"]
