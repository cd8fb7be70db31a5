"""The trust-region family: on-policy actors updated one after another, or at once, and a central critic.

Sources, cited below by author and year:

- Kuba et al. 2022 (HAPPO, HATRPO): arXiv 2109.11251; code (HARL): github.com/PKU-MARL/HARL.
- Le & Ta 2025 (clipped weights of preceding agents): doi 10.1007/s10458-025-09695-8, arXiv 2606.25526; code, a copy of
  HARL with changes: github.com/giangbang/Low-Variance-Trust-Region-MARL. Of the paper only the abstract was at hand:
  what is said to be Le & Ta's is their code's.
- Wu et al. 2021 (CoPPO): arXiv 2111.04051; Wang et al. 2023 (A2PO): arXiv 2302.06205; code of both:
  github.com/xihuai18/A2PO-ICLR2023.
- Schulman et al. 2015 (TRPO): arXiv 1502.05477; 2016 (generalized advantages): arXiv 1506.02438; 2017 (PPO): arXiv
  1707.06347. De Witt et al. 2020 (IPPO): arXiv 2011.09533; Yu et al. 2022 (MAPPO): arXiv 2103.01955.
"""

from jaxvf.trust_region.learner import TrustRegion
from jaxvf.trust_region.networks import NETWORKS, FeedForward, Recurrent, Table
from jaxvf.trust_region.objectives import WEIGHT_RULES, weight_bounds

__all__ = ["NETWORKS", "WEIGHT_RULES", "FeedForward", "Recurrent", "Table", "TrustRegion", "weight_bounds"]
