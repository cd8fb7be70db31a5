"""The linear layer: its product, and how its weights start."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SCHEMES = ("torch", "lecun")


def uniform_fan_in(fan_in: int) -> nn.initializers.Initializer:
    """Uniform in ±1/sqrt(fan_in): PyTorch's default for weights and biases alike (baselines specification, 1.1)."""
    bound = fan_in**-0.5

    def init(key: Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


@jax.custom_vjp
def project(x: Float[Array, "*batch I"], kernel: Float[Array, "I F"]) -> Float[Array, "*batch F"]:
    """`x @ kernel`, with the gradient of `x` computed kernel first.

    The same numbers as autodiff's; but with a kernel per run and few rows of `x`, XLA's CPU library is faster at the
    product in this order. Reverse mode only: what needs `jax.jvp` uses a plain product.
    """
    return x @ kernel


def _project_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _project_backward(residuals: tuple[Array, Array], grad: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    rows = tuple(range(x.ndim - 1))
    grad_x = jnp.moveaxis(jnp.tensordot(kernel, grad, axes=((1,), (grad.ndim - 1,))), 0, -1)
    return grad_x, jnp.tensordot(x, grad, axes=(rows, rows))


project.defvjp(_project_forward, _project_backward)


class Linear(nn.Module):
    """An affine map of the last axis.

    `scheme="torch"` starts weights and biases as PyTorch does, which parity runs need because hypernetworks are
    sensitive to scale; "lecun" is flax's default: normal weights, zero biases.
    """

    features: int
    scheme: str = "torch"

    @nn.compact
    def __call__(self, x: Float[Array, "*batch I"]) -> Float[Array, "*batch F"]:
        if self.scheme == "torch":
            kernel_init = bias_init = uniform_fan_in(x.shape[-1])
        else:
            kernel_init, bias_init = nn.initializers.lecun_normal(), nn.initializers.zeros_init()
        kernel = self.param("kernel", kernel_init, (x.shape[-1], self.features))
        bias = self.param("bias", bias_init, (self.features,))
        return project(x, kernel) + bias
