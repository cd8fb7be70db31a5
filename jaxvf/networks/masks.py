"""Masks of unavailable actions."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def mask_unavailable(q: Float[Array, "*#b A"], avail: Bool[Array, "*#b A"]) -> Float[Array, "*#b A"]:
    """`q` with unavailable actions below every available one, whatever its value; finite, so that gradients are too."""
    lowest = jnp.finfo(q.dtype).min
    # Even a diverging network's -inf stays above the mask.
    return jnp.where(avail, jnp.maximum(q, lowest / 2), lowest)
