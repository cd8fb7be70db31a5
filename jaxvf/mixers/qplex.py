"""QPLEX: a duelling team value whose advantages are weighted by functions of the whole joint action."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.hyperparameters import static
from jaxvf.mixers.advantage_weights import POSITIVE, AdvantageWeights
from jaxvf.mixers.context import CONTEXTS, context_parts
from jaxvf.mixers.protocol import Mixer, Utilities
from jaxvf.mixers.qatten import QattenTransformation
from jaxvf.networks.linear import MLP, SCHEMES

TRANSFORMATIONS = ("affine", "attention", "none")


class QplexMixer(Mixer):
    """Q_tot = Σ_i Q_i + Σ_i (λ_i(x, u) - 1) sg[Q_i - max Q_i], complete in the IGM class (Wang et al. 2021).

    Q_i is the local value after a transformation that keeps its order. Local values learn through the first sum only,
    λ through the second; without `adv_stop_grad` the sg is left out. Forms and sizes are those of the authors' code.
    """

    context: str = static("state", "what all weights depend on", choices=CONTEXTS)
    transformation: str = static(
        "affine",
        "how local values become Q_i: w_i q_i + v_i, Qatten's attention, or unchanged",
        choices=TRANSFORMATIONS,
    )
    hypernet_embed: int = static(64, "width inside the transformation's networks", low=1)
    num_kernel: int = static(4, "K, heads of the advantage weights", low=1)
    adv_hypernet_layers: int = static(1, "linear layers of each network of the advantage weights", low=1, high=3)
    adv_hypernet_embed: int = static(64, "width between the layers of the advantage weights", low=1)
    is_minus_one: bool = static(True, "weigh advantages by λ - 1, so that Q_tot = V + λ·A; False is an ablation")
    adv_stop_grad: bool = static(True, "stop the gradient through the weighted advantages to local values")
    attention: QattenTransformation = static(
        QattenTransformation(), "settings of transformation='attention'", needs=("transformation", "attention")
    )
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch 1"]:
        """The team value of the joint action."""
        context = context_parts(self.context, utilities, state)
        scale, shift = self._transform(utilities, context)
        chosen = scale * utilities.chosen + shift
        # Whatever is added to both cancels in the advantage.
        advantage = scale * (utilities.chosen - utilities.greedy)
        if self.adv_stop_grad:
            advantage = jax.lax.stop_gradient(advantage)
        weights = AdvantageWeights(
            self.num_kernel, self.adv_hypernet_layers, self.adv_hypernet_embed, self.scheme, name="advantage_weights"
        )(context, utilities.actions)
        extra = jnp.sum(advantage * (weights - 1.0 if self.is_minus_one else weights), axis=-1, keepdims=True)
        return jnp.sum(chosen, axis=-1, keepdims=True) + extra

    def _transform(
        self, utilities: Utilities, context: tuple[Array, ...]
    ) -> tuple[Float[Array, "*#batch N"], Float[Array, "*#batch N"]]:
        """Scale > 0 and shift of every agent's value."""
        n_agents = utilities.chosen.shape[-1]
        if self.transformation == "none":
            return jnp.ones(n_agents), jnp.zeros(n_agents)
        if self.transformation == "attention":
            # Unit states come from the context too: zeros or the history replace the whole state.
            return self.attention(utilities, context, context[0])
        return AffineTransformation(self.hypernet_embed, self.scheme, name="affine")(context, n_agents)


class AffineTransformation(nn.Module):
    """w_i(x) > 0 and b_i(x): an affine map per agent that keeps the order of its actions (Wang et al. 2021)."""

    width: int = 64
    scheme: str = "torch"

    @nn.compact
    def __call__(
        self,
        context: tuple[Float[Array, "..."], ...],
        n_agents: int,
        shift_context: tuple[Float[Array, "..."], ...] | None = None,
    ) -> tuple[Float[Array, "*#batch N"], Float[Array, "*#batch N"]]:
        """Scale and shift of every agent; `shift_context` is the shift's own, where it has one."""
        scale = jnp.abs(MLP((self.width, n_agents), self.scheme, name="scale")(*context)) + POSITIVE
        shift_context = context if shift_context is None else shift_context
        return scale, MLP((self.width, n_agents), self.scheme, name="shift")(*shift_context)
