"""Running means and variances, and values standardized by them."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

NEXT_TO_NONE = 1e-4  # rows that EPyMARL's statistics begin with


class Moments(NamedTuple):
    """Running mean and variance of a vector, over all batches so far."""

    count: Float[Array, ""]
    mean: Float[Array, "D"]
    variance: Float[Array, "D"]

    @staticmethod
    def start(size: int, *, standard: bool = False) -> "Moments":
        """Of no rows; with `standard` of next to none, of mean 0 and variance 1, as EPyMARL begins."""
        if standard:
            return Moments(jnp.full((), NEXT_TO_NONE), jnp.zeros(size), jnp.ones(size))
        return Moments(jnp.zeros(()), jnp.zeros(size), jnp.zeros(size))

    def including(
        self, rows: Float[Array, "*batch D"], mask: Bool[Array, "*batch"] | Float[Array, "*batch"]
    ) -> "Moments":
        """The moments with a batch added, by the parallel formula of Chan et al. (1979)."""
        axes = tuple(range(mask.ndim))
        added = jnp.sum(mask)
        mean = jnp.sum(rows * mask[..., None], axis=axes) / jnp.maximum(added, 1)
        variance = jnp.sum((rows - mean) ** 2 * mask[..., None], axis=axes) / jnp.maximum(added, 1)
        count = self.count + added
        share = added / jnp.maximum(count, 1)
        between = share * (1 - share) * (mean - self.mean) ** 2
        return Moments(
            count, self.mean + share * (mean - self.mean), (1 - share) * self.variance + share * variance + between
        )

    def including_steps(
        self, values: Float[Array, "T B D"], filled: Bool[Array, "T #B"] | Float[Array, "T #B"]
    ) -> "Moments":
        """The moments with the steps of a batch added that were taken."""
        return self.including(values, jnp.broadcast_to(filled, values.shape[:2]).astype(jnp.float32))

    def standardized(self, values: Float[Array, "*b #D"]) -> Float[Array, "*b D"]:
        """Values in deviations from the mean."""
        return (values - self.mean) / jnp.sqrt(self.variance)

    def restored(self, values: Float[Array, "*b #D"]) -> Float[Array, "*b D"]:
        """The inverse of `standardized`."""
        return values * jnp.sqrt(self.variance) + self.mean
