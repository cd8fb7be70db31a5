"""The linear layer: its product, its gradient, and where its weights start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.networks import GRU, Linear
from jaxvf.networks.linear import project


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


ROWS = [(), (1,), (5,), (2, 1, 3)]


@pytest.mark.parametrize("rows", ROWS)
def test_project_has_the_value_and_gradient_of_a_matrix_product(rows):
    x, kernel, weight = normal(0, *rows, 4), normal(1, 4, 3), normal(2, *rows, 3)

    def loss(product):
        return jax.jit(jax.value_and_grad(lambda x, w: jnp.sum(weight * jnp.sin(product(x, w))), argnums=(0, 1)))

    (value, grads), (expected, expected_grads) = loss(project)(x, kernel), loss(jnp.matmul)(x, kernel)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        assert grad.shape == expected_grad.shape
        np.testing.assert_allclose(grad, expected_grad, rtol=1e-5, atol=1e-6)


def test_project_under_vmap_gives_every_run_its_own_gradient():
    x, kernels = normal(0, 3, 5, 4), normal(1, 3, 4, 2)

    def grads(product):
        one = jax.grad(lambda x, w: jnp.sum(product(x, w) ** 2), argnums=(0, 1))
        return jax.jit(jax.vmap(one))(x, kernels)

    for grad, expected in zip(grads(project), grads(jnp.matmul), strict=True):
        np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-5)


def test_linear_is_x_times_kernel_plus_bias():
    """[1, 2] @ [[1, 2, 3], [4, 5, 6]] + [10, 20, 30] = [19, 32, 45]."""
    params = {"params": {"kernel": jnp.array([[1.0, 2, 3], [4, 5, 6]]), "bias": jnp.array([10.0, 20, 30])}}
    np.testing.assert_allclose(Linear(3).apply(params, jnp.array([1.0, 2.0])), [19.0, 32.0, 45.0])


@pytest.mark.parametrize(
    ("module", "inputs", "fan_in"),
    [
        (Linear(300), (jnp.zeros((1, 16)),), 16),  # a linear layer's bound follows its inputs
        (GRU(50), (jnp.zeros((1, 1, 16)), None), 50),  # a GRU's its width, whatever the inputs
    ],
)
def test_torch_scheme_is_uniform_within_one_over_root_fan_in(module, inputs, fan_in):
    """Weights and biases alike: mean 0, standard deviation bound/√3, and no value outside the bound."""
    bound = fan_in**-0.5
    params = jax.jit(module.init)(jax.random.key(0), *inputs)["params"]
    for name, leaf in params.items():
        scaled = np.sort(np.asarray(leaf).ravel()) / bound
        n = scaled.size
        assert np.abs(scaled).max() <= 1.0, name
        # Kolmogorov-Smirnov distance to the uniform law; 2/√n is exceeded with probability 7e-4.
        distance = np.abs((scaled + 1) / 2 - (np.arange(n) + 0.5) / n).max()
        assert distance < 2 / np.sqrt(n), name


def test_lecun_scheme_starts_with_zero_biases():
    params = jax.jit(Linear(400, "lecun").init)(jax.random.key(0), jnp.zeros((1, 25)))["params"]
    assert not params["bias"].any()
    assert np.std(params["kernel"]) == pytest.approx(0.2, rel=0.05)  # 1/√25


@pytest.mark.parametrize("shape", [(3, 8), (8, 3)])
def test_orthogonal_scheme_has_rows_or_columns_of_length_gain(shape):
    """The shorter side's vectors are orthogonal to each other, each 0.5 long: the Gram matrix is 0.25 I."""
    layer = Linear(shape[1], "orthogonal", 0.5)
    params = jax.jit(layer.init)(jax.random.key(0), jnp.zeros((1, shape[0])))["params"]
    kernel = np.asarray(params["kernel"])
    gram = kernel @ kernel.T if shape[0] < shape[1] else kernel.T @ kernel
    np.testing.assert_allclose(gram, 0.25 * np.eye(3), atol=1e-6)
    assert not params["bias"].any()
