"""Positive weights of advantages that see the whole joint action: what QPLEX, DuelMIX and POW can share."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.hyperparameters import static
from jaxvf.networks.linear import MLP, SCHEMES, join_agents

POSITIVE = 1e-10  # what keeps an absolute value from being zero, as in QPLEX's code


class AdvantageWeights(nn.Module):
    """λ_i(x, u) = Σ_k |key_k(x)| σ(agent_k(x))_i σ(action_k(x, u))_i > 0 (Wang et al. 2021, their code).

    Each of the K heads has three networks of its own; `layers` linear layers each, relu between.
    """

    heads: int = static(4, "K, heads that are summed", low=1)
    layers: int = static(1, "linear layers of each network", low=1)
    width: int = static(64, "width between them", low=1)
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(
        self, context: tuple[Float[Array, "..."], ...], actions: Float[Array, "*#batch N A"]
    ) -> Float[Array, "*#batch N"]:
        """One weight per agent, for context parts [*batch, C_k] and one-hot joint actions."""
        n_agents = actions.shape[-2]
        joint_action = join_agents(actions)
        key = jnp.abs(self._networks("key", 1)(*context)) + POSITIVE
        agent = jax.nn.sigmoid(self._networks("agent", n_agents)(*context))
        action = jax.nn.sigmoid(self._networks("action", n_agents)(*context, joint_action))
        return jnp.sum(key * agent * action, axis=-2)

    def _networks(self, name: str, outputs: int) -> nn.Module:
        """K networks side by side: [*batch, K, outputs]."""
        stacked = nn.vmap(
            MLP,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=None,  # pyright: ignore[reportArgumentType]  # every network sees the same
            out_axes=-2,
            axis_size=self.heads,
        )
        return stacked((self.width,) * (self.layers - 1) + (outputs,), self.scheme, name=name)
