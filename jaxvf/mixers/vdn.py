"""Mixing without parameters: the sum of VDN, and no mixing at all."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class VdnMixer(nn.Module):
    """Q_tot = Σ_i q_i, whatever the state (Sunehag et al. 2017)."""

    @nn.compact
    def __call__(self, q: Float[Array, "*batch N"], state: Float[Array, "*batch S"]) -> Float[Array, "*batch 1"]:
        return jnp.sum(q, axis=-1, keepdims=True)


class NoMixer(nn.Module):
    """Independent Q-learning: every agent's value is regressed on the team's return by itself (Tan 1993)."""

    @nn.compact
    def __call__(self, q: Float[Array, "*batch N"], state: Float[Array, "*batch S"]) -> Float[Array, "*batch N"]:
        return q
