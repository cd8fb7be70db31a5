"""Value-based learners: episode replay, targets, exploration, and the learners made of them."""

from jaxvf.value.mrvf import Mrvf
from jaxvf.value.q_learning import QLearning
from jaxvf.value.qtran import Qtran
from jaxvf.value.qtran_alt import QtranAlt
from jaxvf.value.resq import Resq
from jaxvf.value.weighting import WeightedLearner

__all__ = ["Mrvf", "QLearning", "Qtran", "QtranAlt", "Resq", "WeightedLearner"]
