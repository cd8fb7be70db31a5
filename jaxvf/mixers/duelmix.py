"""DuelMIX: value and advantage streams mixed apart, by weights that see the joint history and the state."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.hyperparameters import static
from jaxvf.mixers.advantage_weights import AdvantageWeights
from jaxvf.mixers.context import CONTEXTS, context_parts
from jaxvf.mixers.protocol import Mixer, Utilities
from jaxvf.mixers.qplex import AffineTransformation
from jaxvf.networks.linear import MLP, SCHEMES


class DuelmixMixer(Mixer):
    """Q_tot = Σ_i ω_i(x) V~_i + β(x) + Σ_i λ_i(x, u) A~_i (after Marchesini et al. 2025).

    V~_i = w_i V_i + b_i and A~_i = w_i (a_i(u_i) - max a_i) with w, λ > 0; ω and β have either sign. Agents have two
    streams, V_i and a_i, and act on a_i. The advantage part is never positive and zero at the local greedy actions.

    The paper says that agents have separate value and advantage streams and that the mixture can represent every table
    in the IGM class. Its equations and layer sizes were not at hand: these are chosen here, so that both hold.
    """

    context: str = static("state_history", "what all weights depend on", choices=CONTEXTS)
    adv_context: str = static(
        "same",
        "what w and λ depend on: the same as the rest, or the history alone, so that the state is a baseline",
        choices=("same", "history"),
    )
    stop_grad_context: bool = static(True, "stop the gradient through the history that the weights depend on")
    hypernet_embed: int = static(64, "width inside all networks", low=1)
    num_kernel: int = static(4, "K, heads of the advantage weights", low=1)
    adv_stop_grad: bool = static(False, "route gradients as QPLEX does: advantages learn through an unweighted sum")
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)
    duelling = True

    @nn.compact
    def __call__(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch 1"]:
        """The team value of the joint action."""
        stop, n_agents, width = self.stop_grad_context, utilities.chosen.shape[-1], self.hypernet_embed
        history = context_parts("history", utilities, state, stop_gradient=stop)
        context = context_parts(self.context, utilities, state, stop_gradient=stop)
        if self.context in ("zeros", "noise"):  # they replace the state, and leave the history
            context = (*context, *history)
        adv_context = context if self.adv_context == "same" else history
        affine = AffineTransformation(width, self.scheme, name="affine")
        scale, shift = affine(adv_context, n_agents, shift_context=context)
        value = self._mixed_value(scale * utilities.streams[..., 0] + shift, context)
        weights = AdvantageWeights(self.num_kernel, 2, width, self.scheme, name="advantage_weights")(
            adv_context, utilities.actions
        )
        if self.adv_stop_grad:
            advantage = scale * (utilities.chosen - jax.lax.stop_gradient(utilities.greedy))
            weighted = advantage + (weights - 1.0) * jax.lax.stop_gradient(advantage)
        else:
            weighted = weights * scale * (utilities.chosen - utilities.greedy)
        return value + jnp.sum(weighted, axis=-1, keepdims=True)

    def _mixed_value(self, values: Float[Array, "*#batch N"], context: tuple[Array, ...]) -> Float[Array, "*#batch 1"]:
        width, n_agents = self.hypernet_embed, values.shape[-1]
        omega = MLP((width, n_agents), self.scheme, name="value_weights")(*context)
        beta = MLP((width, 1), self.scheme, name="value_bias")(*context)
        return jnp.sum(omega * values, axis=-1, keepdims=True) + beta
