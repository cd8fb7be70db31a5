"""Value-based learners: replay, targets, exploration, and the learners made of them.

Sources, cited below by author and year, or by the name of the code (mixers' own papers are in `jaxvf.mixers`):

- PyMARL: the copy that github.com/wjh720/QPLEX builds on. PyMARL2: github.com/hijkzzz/pymarl2.
- Sutton & Barto 2018: Reinforcement Learning, 2nd edition; TD(λ).
- Son et al. 2019 (QTRAN): arXiv 1905.05408; code: github.com/Sonkyunghwan/QTRAN.
- Rashid et al. 2020 (weighted QMIX): arXiv 2006.10800; code: github.com/oxwhirl/wqmix.
- Shen et al. 2022 (ResQ): NeurIPS 2022; code: github.com/xmu-rl-3dv/ResQ.
- Huang et al. 2026 (POW): arXiv 2405.08036; code:
  github.com/tiev-tongji/potentially-optimal-joint-actions-recognition-marl.
- Hu et al. 2026 (non-monotonic QMIX): arXiv 2511.09792; no public code.
- Tao et al. 2026 (MRVF): arXiv 2604.05297; no public code.
- Marchesini et al. 2025 (DuelMIX): arXiv 2408.15381; noise in the state's place.
- Jo, Lee & Han 2026 (S2Q): arXiv 2602.17062; code: github.com/hyeon1996/S2Q.
- Gallici et al. 2024 (PQN): arXiv 2407.04811; code: github.com/mttga/purejaxql.
- Burda et al. 2019 (RND): arXiv 1810.12894.
- Chan et al. 1979: Stanford technical report STAN-CS-79-773; variances of joined samples.
"""

from jaxvf.value.mrvf import Mrvf
from jaxvf.value.pqn import Pqn
from jaxvf.value.q_learning import QLearning
from jaxvf.value.qtran import Qtran
from jaxvf.value.qtran_alt import QtranAlt
from jaxvf.value.resq import Resq
from jaxvf.value.s2q import S2q
from jaxvf.value.weighting import WeightedLearner

__all__ = ["Mrvf", "Pqn", "QLearning", "Qtran", "QtranAlt", "Resq", "S2q", "WeightedLearner"]
