"""Heads of MRVF's later rounds: an agent's values given the action that it chose in the round before."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.networks.linear import Linear


class RoundHead(nn.Module):
    """One hidden layer over (history features, previous action); the values start at 0.

    The networks of Tao et al. 2026 were not at hand; these are chosen here.
    """

    width: int = 64

    @nn.compact
    def __call__(self, features: Float[Array, "*#b N H"], previous: Float[Array, "*#b N A"]) -> Float[Array, "*#b N A"]:
        """A value per action, for one-hot previous actions."""
        hidden = jax.nn.relu(Linear(self.width, name="hidden")(features, previous))
        return ZeroLinear(previous.shape[-1], name="output")(hidden)


class ZeroLinear(nn.Module):
    """A linear layer that starts at zero."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "*#b I"]) -> Float[Array, "*#b F"]:
        kernel = self.param("kernel", nn.initializers.zeros_init(), (x.shape[-1], self.features))
        return x @ kernel + self.param("bias", nn.initializers.zeros_init(), (self.features,))


class TabularRoundHead(nn.Module):
    """A table per agent over (observation id, previous action, action), starting at 0."""

    @nn.compact
    def __call__(self, features: Float[Array, "*#b N O"], previous: Float[Array, "*#b N A"]) -> Float[Array, "*#b N A"]:
        """A value per action, for one-hot observations and previous actions."""
        (n_agents, n_ids), n_actions = features.shape[-2:], previous.shape[-1]
        table = self.param("table", nn.initializers.zeros_init(), (n_agents, n_ids, n_actions, n_actions))
        return jnp.einsum("...no,...np,nopa->...na", features, previous, table)
