"""QMIX's state-conditioned mixer, and the same mixer without its monotonicity constraint."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.hyperparameters import static
from jaxvf.mixers.context import CONTEXTS, context_parts
from jaxvf.mixers.protocol import Mixer, Utilities
from jaxvf.networks.linear import SCHEMES, Linear


class QmixMixer(Mixer):
    """One hidden layer over the local values whose weights are functions of a context (Rashid et al. 2018).

        Q_tot = w2(x) · elu(q W1(x) + b1(x)) + v(x),    W1, w2 >= 0,    x the state, or another context

    `monotonic=False` drops the absolute values and nothing else: the unconstrained factorization of Hu et al. 2026.
    Layer sizes are PyMARL's.
    """

    embed: int = static(32, "width of the mixing layer", low=1)
    hypernet_layers: int = static(2, "1 or 2 linear layers from context to mixing weights", low=1, high=2)
    hypernet_embed: int = static(64, "width inside the two-layer hypernetworks", low=1)
    monotonic: bool = static(True, "keep the mixing weights non-negative")
    context: str = static("state", "what the mixing weights depend on", choices=CONTEXTS)
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)
    gain: float = static(
        1.0,
        "factor of all kernels as they start; a small one where states are large (JaxMARL: 0.001)",
        low=1e-9,  # at 0 nothing could ever move
        needs=("scheme", "orthogonal"),
    )

    @nn.compact
    def __call__(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch 1"]:
        """The team value of the chosen local values."""
        constrain = jnp.abs if self.monotonic else (lambda weights: weights)
        q = utilities.chosen
        n_agents = q.shape[-1]
        context = context_parts(self.context, utilities, state)
        w1 = constrain(self._hypernet("w1", context, n_agents * self.embed))
        w1 = w1.reshape(*w1.shape[:-1], n_agents, self.embed)
        b1 = self._linear("b1", self.embed)(*context)
        w2 = constrain(self._hypernet("w2", context, self.embed))
        v_hidden = jax.nn.relu(self._linear("v_input", self.embed)(*context))
        v = self._linear("v_output", 1)(v_hidden)
        # einsum drops a size-one batch axis of the weights, so that all of B share one matrix product.
        hidden = jax.nn.elu(jnp.einsum("...n,...ne->...e", q, w1) + b1)
        return jnp.einsum("...e,...e->...", hidden, w2)[..., None] + v

    def _hypernet(self, name: str, context: tuple[Array, ...], features: int) -> Array:
        if self.hypernet_layers == 1:
            return self._linear(f"{name}_output", features)(*context)
        if self.hypernet_layers != 2:
            raise ValueError(f"hypernet_layers={self.hypernet_layers}: QMIX defines 1 or 2")
        hidden = jax.nn.relu(self._linear(f"{name}_input", self.hypernet_embed)(*context))
        return self._linear(f"{name}_output", features)(hidden)

    def _linear(self, name: str, features: int) -> Linear:
        return Linear(features, self.scheme, self.gain, name=name)
