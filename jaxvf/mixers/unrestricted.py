"""The unrestricted central mixer: any function of state and chosen local values."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.hyperparameters import static
from jaxvf.mixers.protocol import Mixer, Utilities
from jaxvf.networks.linear import MLP, SCHEMES


class UnrestrictedMixer(Mixer):
    """Q = FF(s, q_1 ... q_n) + V(s), without any order constraint (Rashid et al. 2020).

    The central value of weighted QMIX, POW (Huang et al. 2026) and ResQ (Shen et al. 2022); layer sizes are those of
    the code of weighted QMIX. `non_positive` passes the whole through -|·|: ResQ's residual.
    """

    width: int = static(256, "width of the hidden layers", low=1)
    non_positive: bool = static(False, "pass the output through -|·|")
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch 1"]:
        """The value of the joint action."""
        joint = MLP((self.width, self.width, self.width, 1), self.scheme, name="joint")(state, utilities.chosen)
        value = joint + MLP((self.width, 1), self.scheme, name="value")(state)
        return -jnp.abs(value) if self.non_positive else value
