"""Orthogonal initial weights by Householder reflections in plain JAX.

`jax.nn.initializers.orthogonal` calls LAPACK's QR. Two such calls batched by `vmap` wait for each other inside XLA's
CPU thread pool and never return, so that a program which initializes many runs hangs.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float

from jaxvf import draws


def orthogonal(scale: float = 1.0) -> Initializer:
    """Weights [..., outputs] whose columns, or rows where there are fewer, are orthogonal and of length `scale`.

    Uniform over such matrices, and what `jax.nn.initializers.orthogonal(scale)` draws up to rounding: about 1e-6, some
    times that for large square shapes, whose last columns are ill-conditioned.
    """

    def init(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> Array:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        long, short = max(rows, columns), min(rows, columns)
        if short == 0:
            return jnp.zeros(shape, dtype)
        q = orthonormal_columns(draws.normal(key, (long, short), dtype))
        return jnp.asarray(scale, dtype) * (q if rows >= columns else q.T).reshape(shape)

    return init


def orthonormal_columns(matrix: Float[Array, "m n"]) -> Float[Array, "m n"]:
    """Q of the one decomposition `matrix` = QR whose R has a positive diagonal; m ≥ n, full rank.

    Golub & Van Loan 2013, section 5.1: reflections I - βvvᵀ turn the columns into R one after the other; Q is their
    product, from the last to the first.
    """
    rows, columns = matrix.shape
    position = jnp.arange(rows)

    def reflect(v: Array, beta: Array, target: Array) -> Array:
        # Unless told otherwise an accelerator rounds the factors of a product to fewer digits.
        return target - (beta * v)[:, None] * jnp.dot(v, target, precision=jax.lax.Precision.HIGHEST)

    def eliminate(k: Array, carried: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        """Make column k zero below its diagonal."""
        r, reflectors, betas, signs = carried
        below = jnp.where(position >= k, r[:, k], 0.0)
        norm, sign = jnp.linalg.norm(below), jnp.where(below[k] < 0, -1.0, 1.0)
        # Away from zero: the sum of two numbers of one sign loses no digits.
        v = below + sign * norm * (position == k)
        beta = 1 / (norm * (norm + jnp.abs(below[k])))  # = 2 / vᵀv
        # The diagonal becomes -sign * norm.
        return reflect(v, beta, r), reflectors.at[k].set(v), betas.at[k].set(beta), signs.at[k].set(-sign)

    def accumulate(i: Array, q: Array) -> Array:
        k = columns - 1 - i
        return reflect(reflectors[k], betas[k], q)

    blank, ones = jnp.zeros((columns, rows), matrix.dtype), jnp.ones(columns, matrix.dtype)
    _, reflectors, betas, signs = jax.lax.fori_loop(0, columns, eliminate, (matrix, blank, ones, ones))
    return jax.lax.fori_loop(0, columns, accumulate, jnp.eye(rows, columns, dtype=matrix.dtype)) * signs
