"""Qatten's attention over agents (Yang et al. 2020), as QPLEX's code uses it on StarCraft for its affine map."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.errors import InputError
from jaxvf.hyperparameters import static
from jaxvf.mixers.advantage_weights import POSITIVE
from jaxvf.mixers.protocol import Utilities
from jaxvf.networks.linear import MLP, SCHEMES, uniform_fan_in


class QattenTransformation(nn.Module):
    """Scale and shift of local values by attention of the context to each agent's features (QPLEX's code).

        w_i = Σ_k softmax_i(sel_k(x) · key_k(unit state_i) / √d) + 1e-10,    shift v(x)/n for every agent

    The unit state of agent i is its slice of the first n·U entries of the state, as SMAC lays its states out, or of
    what the context has in the state's place. The sum over heads of the mean squared logit is sown into "losses", frame
    by frame.
    """

    heads: int = static(4, "attention heads", low=1)
    embed: int = static(32, "d, width of selectors, keys and of the shift's network", low=1)
    hypernet_embed: int = static(64, "width inside the selectors", low=1)
    unit_dim: int = static(0, "U, entries of the state per agent; 0 for all that divide evenly", low=0)
    weighted_head: bool = static(False, "scale each head by a positive function of the context")
    state_bias: bool = static(True, "add the shift")
    nonlinear: bool = static(False, "append the chosen value to the unit state")
    regularization: float = static(
        0.001, "coefficient of the mean squared logit, summed over heads, in the loss", low=0
    )
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(
        self, utilities: Utilities, context: tuple[Array, ...], state: Float[Array, "*#batch S"]
    ) -> tuple[Float[Array, "*#batch N"], Float[Array, "*#batch N"]]:
        """Scale > 0 and shift of every agent's value."""
        n_agents = utilities.chosen.shape[-1]
        units = self._unit_states(utilities, state)
        selectors = self._selectors(context)
        # One key map per head, without bias, shared by all agents.
        init = self._init(units.shape[-1])
        key_kernel = self.param("keys", init, (units.shape[-1], self.heads * self.embed))
        keys = (units @ key_kernel).reshape(*units.shape[:-1], self.heads, self.embed)
        logits = jnp.einsum("...kd,...nkd->...kn", selectors, keys)
        squared = jnp.mean(logits**2, axis=(-2, -1))[..., None]
        self.sow("losses", "squared_logits", self.regularization * self.heads * squared)
        attention = jax.nn.softmax(logits / self.embed**0.5, axis=-1)
        if self.weighted_head:
            heads = jnp.abs(MLP((self.hypernet_embed, self.heads), self.scheme, name="head_weights")(*context))
            attention = attention * heads[..., None]
        scale = attention.sum(axis=-2) + POSITIVE
        if not self.state_bias:
            return scale, jnp.zeros(n_agents)
        shift = MLP((self.embed, 1), self.scheme, name="shift")(*context) / n_agents
        return scale, jnp.repeat(shift, n_agents, axis=-1)

    def _init(self, fan_in: int) -> nn.initializers.Initializer:
        if self.scheme == "torch":
            return uniform_fan_in(fan_in)
        return nn.initializers.normal(fan_in**-0.5)

    def _selectors(self, context: tuple[Array, ...]) -> Float[Array, "*#batch K d"]:
        """Two layers per head, the second without bias."""
        hidden = jax.nn.relu(MLP((self.heads * self.hypernet_embed,), self.scheme, name="selector_input")(*context))
        hidden = hidden.reshape(*hidden.shape[:-1], self.heads, self.hypernet_embed)
        init = self._init(self.hypernet_embed)
        kernel = self.param("selectors", init, (self.heads, self.hypernet_embed, self.embed))
        return jnp.einsum("...kh,khd->...kd", hidden, kernel)

    def _unit_states(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch N U"]:
        n_agents = utilities.chosen.shape[-1]
        width = self.unit_dim or state.shape[-1] // n_agents
        if not 0 < width * n_agents <= state.shape[-1]:
            raise InputError(
                f"unit_dim={width} for {n_agents} agents does not fit a state of {state.shape[-1]} entries"
            )
        units = state[..., : n_agents * width].reshape(*state.shape[:-1], n_agents, width)
        if not self.nonlinear:
            return units
        chosen = utilities.chosen[..., None]
        batch = jnp.broadcast_shapes(units.shape[:-1], chosen.shape[:-1])
        return jnp.concatenate([jnp.broadcast_to(part, (*batch, part.shape[-1])) for part in (units, chosen)], axis=-1)
