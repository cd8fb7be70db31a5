"""Random arrays drawn in one row and then shaped: the numbers of `jax.random`, in programs that compile faster.

XLA on a CPU takes longer to compile a draw of two or three axes than one of as many numbers in a row, several times as
long for small ones. A number depends on the key and on its place in the row, whatever the shape
(`jax_threefry_partitionable`, JAX's default). For what every learner's program draws: parameters and exploration.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def uniform(
    key: Key[Array, ""],
    shape: Sequence[int],
    dtype: jnp.dtype = jnp.float32,
    minval: float = 0.0,
    maxval: float = 1.0,
) -> Float[Array, "..."]:
    """Uniform in [minval, maxval)."""
    return jax.random.uniform(key, (math.prod(shape),), dtype, minval, maxval).reshape(shape)


def normal(key: Key[Array, ""], shape: Sequence[int], dtype: jnp.dtype = jnp.float32) -> Float[Array, "..."]:
    """Standard normal."""
    return jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)
