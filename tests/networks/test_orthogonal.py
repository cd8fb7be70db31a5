"""Orthogonal initial weights: flax's, without LAPACK."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.networks.orthogonal import orthogonal

init = jax.jit(orthogonal(), static_argnums=1)
TALL_AND_WIDE = [(5, 1), (1, 5), (24, 8), (8, 24), (3, 4, 8), (64, 192)]


@pytest.mark.parametrize("shape", [*TALL_AND_WIDE, (1, 1), (6, 6)])
def test_the_weights_are_those_of_flax(shape):
    for seed in range(3):
        key = jax.random.key(seed)
        np.testing.assert_allclose(init(key, shape), nn.initializers.orthogonal()(key, shape), atol=1e-6)


def test_a_large_square_is_as_exact_as_lapack_is():
    """Its last column has almost no choice left: LAPACK's own error in single precision exceeds 1e-6 there."""
    ours, lapack = 0.0, 0.0
    for seed in range(5):
        key = jax.random.key(seed)
        q, r = np.linalg.qr(np.asarray(jax.random.normal(key, (64, 64)), np.float64))
        exact = q * np.sign(np.diag(r))
        ours = max(ours, np.abs(init(key, (64, 64)) - exact).max())
        lapack = max(lapack, np.abs(nn.initializers.orthogonal()(key, (64, 64)) - exact).max())
    assert ours < max(1e-6, 4 * lapack)


@pytest.mark.parametrize("shape", [*TALL_AND_WIDE, (16, 16)])
def test_the_shorter_side_is_orthonormal(shape):
    q = np.asarray(init(jax.random.key(0), shape)).reshape(-1, shape[-1])
    gram = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-6)


def test_mapped_over_keys_the_weights_are_those_of_each_key():
    keys = jax.random.split(jax.random.key(7), 5)
    mapped = jax.vmap(lambda key: orthogonal(2.0)(key, (8, 24), jnp.float32))(keys)
    for key, weights in zip(keys, mapped, strict=True):
        np.testing.assert_allclose(weights, nn.initializers.orthogonal(2.0)(key, (8, 24)), atol=2e-6)


def test_no_column_gives_no_weights():
    assert orthogonal()(jax.random.key(0), (3, 0)).shape == (3, 0)
