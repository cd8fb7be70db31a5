"""QFIX and Q+FIX: a mixer that is not complete, mended by one positive weight of its advantage."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.hyperparameters import static
from jaxvf.mixers.advantage_weights import POSITIVE
from jaxvf.mixers.context import CONTEXTS, context_parts
from jaxvf.mixers.protocol import Mixer, Utilities
from jaxvf.mixers.qmix import QmixMixer
from jaxvf.mixers.vdn import VdnMixer
from jaxvf.networks.linear import MLP, SCHEMES, join_agents

FIXEES = ("sum", "monotone", "linear")


class QfixMixer(Mixer):
    """A fixee f with its advantage weighed by a function of state and joint action (Baisero et al. 2025).

        QFIX:   Q_tot =           w(x, u)    [f(q, x) - f(v, x)]  + b(x),   w > 0
        Q+FIX:  Q_tot = f(q, x) + w(x, u) sg[f(q, x) - f(v, x)]   + b(x),   w > -1

    q are the chosen local values and v their maxima; f never falls in a local value, so f(q) - f(v) <= 0 and the
    greedy joint action has the highest Q_tot; any table in the IGM class is one of these. With the linear fixee every
    agent has a weight of its own, Q_tot = Σ_i w_i (q_i - v_i) + b, to which Q+FIX adds Σ_i q_i.

    The weight is |y - g| + g + 1e-10 of a network's output y, with g = 0, or -1 for Q+FIX: that starts as its fixee.
    Sizes are those of the authors' code, where the stop-gradient sg is an option.
    """

    fixee: str = static("sum", "f: VDN's sum, QMIX's mixer, or the sum with a weight per agent", choices=FIXEES)
    additive: bool = static(True, "Q+FIX, which adds to its fixee; False for QFIX")
    adv_stop_grad: bool = static(
        True, "sg of Q+FIX: local values learn through the fixee alone", needs=("additive", True)
    )
    context: str = static("state", "what all weights depend on", choices=CONTEXTS)
    width: int = static(64, "width of the hidden layers of w and b", low=1)
    monotone: QmixMixer = static(QmixMixer(), "settings of fixee='monotone'", needs=("fixee", "monotone"))
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch 1"]:
        """The team value of the joint action."""
        context = context_parts(self.context, utilities, state)
        chosen, advantage = self._fixee(utilities, state)
        weighed = jnp.sum(self._weights(context, utilities, advantage.shape[-1]) * advantage, axis=-1, keepdims=True)
        value = MLP((self.width, 1), self.scheme, name="bias")(*context) + weighed
        return chosen + value if self.additive else value

    def _fixee(
        self, utilities: Utilities, state: Float[Array, "*#batch S"]
    ) -> tuple[Float[Array, "*#batch 1"], Float[Array, "*#batch F"]]:
        """f(q), and f(q) - f(v) as Q+FIX and QFIX see it; F = N for the linear fixee, else 1."""
        if self.fixee == "linear":
            chosen = VdnMixer()(utilities, state)
            advantage = utilities.chosen - utilities.greedy
        else:
            mix = self.monotone if self.fixee == "monotone" else VdnMixer()
            chosen = mix(utilities, state)
            advantage = chosen - mix(utilities._replace(chosen=utilities.greedy), state)
        if self.additive and self.adv_stop_grad:
            advantage = jax.lax.stop_gradient(advantage)
        return chosen, advantage

    def _weights(self, context: tuple[Array, ...], utilities: Utilities, count: int) -> Float[Array, "*#batch F"]:
        """The w(x, u), above 0, or above -1 for Q+FIX."""
        lowest = -1.0 if self.additive else 0.0
        output = MLP((self.width, count), self.scheme, name="weight")(*context, join_agents(utilities.actions))
        return jnp.abs(output - lowest) + lowest + POSITIVE
