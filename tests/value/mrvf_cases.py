"""A small MRVF learner."""

from jaxvf.mixers import QmixMixer
from jaxvf.networks import FeedForwardAgent
from jaxvf.value import Mrvf

# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def small(**fields) -> Mrvf:
    """Over little networks; thresholds small enough that random values exceed them."""
    parts = {"mixer": QmixMixer(embed=3, hypernet_layers=1), "agent": FeedForwardAgent(6), "central_width": 5}
    return Mrvf(**{**parts, "optimizer": "adam", "max_grad_norm": 1e9, "learning_rate": 1e-3, **fields})
