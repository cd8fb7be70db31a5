"""Random arrays drawn in one row and then shaped: the numbers of `jax.random`, in programs that compile faster.

XLA on a CPU takes two to six times as long to compile a draw of two or three axes as one of as many numbers in a row.
A number depends on the key and on its place in the row, whatever the shape (`jax_threefry_partitionable`, JAX's
default).
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def uniform(
    key: Key[Array, ""], shape: Sequence[int], low: float = 0.0, high: float = 1.0, dtype: jnp.dtype = jnp.float32
) -> Float[Array, "..."]:
    """Uniform in [low, high)."""
    return jax.random.uniform(key, (math.prod(shape),), dtype, low, high).reshape(shape)


def normal(key: Key[Array, ""], shape: Sequence[int], dtype: jnp.dtype = jnp.float32) -> Float[Array, "..."]:
    """Standard normal."""
    return jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)
