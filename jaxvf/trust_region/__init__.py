"""The trust-region family: on-policy actors updated one after another, or at once, and a central critic."""

from jaxvf.trust_region.learner import TrustRegion
from jaxvf.trust_region.networks import NETWORKS, FeedForward, Recurrent, Table
from jaxvf.trust_region.objectives import WEIGHT_RULES, weight_bounds

__all__ = ["NETWORKS", "WEIGHT_RULES", "FeedForward", "Recurrent", "Table", "TrustRegion", "weight_bounds"]
