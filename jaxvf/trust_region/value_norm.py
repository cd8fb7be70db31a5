"""Value normalization: a slow running mean and variance of returns, in whose units the critic predicts."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.trust_region.advantages import masked_mean

# Le & Ta 2025.
MEMORY = 0.99999  # weight of the past in an update
LEAST_WEIGHT = 1e-5
LEAST_VARIANCE = 1e-2


class ValueNorm(NamedTuple):
    """Running first and second moment of returns, and the weight that they have gathered, which removes their bias."""

    mean: Float[Array, ""]
    square: Float[Array, ""]
    weight: Float[Array, ""]

    @staticmethod
    def start() -> "ValueNorm":
        """Of no returns: numbers pass unchanged but for the sign of zero (mean 0, variance 1)."""
        return ValueNorm(jnp.float32(0), jnp.float32(0), jnp.float32(0))

    def update(self, returns: Float[Array, "..."], counted: Bool[Array, "..."] | bool = True) -> "ValueNorm":
        """The statistics after one more mini-batch of returns; `counted` says which of them are returns of steps."""
        keep, counted = 1 - MEMORY, jnp.asarray(counted)
        return ValueNorm(
            MEMORY * self.mean + keep * masked_mean(returns, counted),
            MEMORY * self.square + keep * masked_mean(returns**2, counted),
            MEMORY * self.weight + keep,
        )

    def moments(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean and standard deviation; 0 and 1 before the first update.

        There the floors of Le & Ta 2025 would give a standard deviation of 0.1. We keep 1: nothing is known
        of the scale of returns yet, so a fresh critic's outputs pass as they are.
        """
        weight = jnp.maximum(self.weight, LEAST_WEIGHT)
        mean, square = self.mean / weight, self.square / weight
        std = jnp.sqrt(jnp.maximum(square - mean**2, LEAST_VARIANCE))
        return mean, jnp.where(self.weight > 0, std, 1.0)

    def normalize(self, returns: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """Returns in the critic's units."""
        mean, std = self.moments()
        return (returns - mean) / std

    def restore(self, values: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """The critic's outputs as returns."""
        mean, std = self.moments()
        return values * std + mean
