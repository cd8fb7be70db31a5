"""Mixing without parameters: the sum of VDN, and no mixing at all."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.mixers.protocol import Mixer, Utilities


class VdnMixer(Mixer):
    """Q_tot = Σ_i q_i, whatever the state (Sunehag et al. 2017)."""

    @nn.compact
    def __call__(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch 1"]:
        return jnp.sum(utilities.chosen, axis=-1, keepdims=True)


class NoMixer(Mixer):
    """Independent Q-learning: every agent's value is regressed on the team's return by itself (Tan 1993)."""

    @nn.compact
    def __call__(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch N"]:
        return utilities.chosen
