"""The linear layer: its product, and how its weights start."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf import draws
from jaxvf.networks.orthogonal import orthogonal

SCHEMES = ("torch", "lecun", "orthogonal")
MANY_ROWS = 1024
NORM_EPSILON = 1e-5  # PyTorch's, which is added to the variance


def uniform_fan_in(fan_in: int) -> nn.initializers.Initializer:
    """Uniform in ±1/sqrt(fan_in): PyTorch's default for weights and biases alike, which PyMARL keeps."""
    bound = fan_in**-0.5

    def init(key: Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32) -> Array:
        return draws.uniform(key, shape, dtype, -bound, bound)

    return init


@jax.custom_vjp
def project(x: Float[Array, "*batch I"], kernel: Float[Array, "I F"]) -> Float[Array, "*batch F"]:
    """`x @ kernel`, with the gradient of few rows of `x` computed kernel first.

    The same numbers as autodiff's; but with a kernel per run and few rows of `x`, XLA's CPU library is faster at the
    product in this order. Of many rows it would have to transpose the result. There is reverse mode, and forward mode
    over it (curvature products), but no forward mode of the function itself.
    """
    return x @ kernel


def _project_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _project_backward(residuals: tuple[Array, Array], grad: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    rows = tuple(range(x.ndim - 1))
    if x.size > MANY_ROWS * x.shape[-1]:
        grad_x = grad @ kernel.T
    else:
        grad_x = jnp.moveaxis(jnp.tensordot(kernel, grad, axes=((1,), (grad.ndim - 1,))), 0, -1)
    return grad_x, jnp.tensordot(x, grad, axes=(rows, rows))


project.defvjp(_project_forward, _project_backward)


def join_agents(x: Float[Array, "*batch N F"]) -> Float[Array, "*batch N*F"]:
    """All agents' rows as one vector, agent by agent."""
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


class Linear(nn.Module):
    """An affine map of the last axis, or of the concatenation of several arrays along it.

    `scheme="torch"` starts weights and biases as PyTorch does, which parity runs need because hypernetworks are
    sensitive to scale; "lecun" is flax's default: normal weights, zero biases; "orthogonal" is an orthogonal matrix
    times `gain` and zero biases (Saxe et al. 2014, arXiv 1312.6120).
    """

    features: int
    scheme: str = "torch"
    gain: float = 1.0

    @nn.compact
    def __call__(self, *parts: Float[Array, "..."]) -> Float[Array, "*batch F"]:
        """The map of the concatenated `parts`, each [*batch, I_k]; their batch axes broadcast.

        A part that does not vary along an axis has size 1 there and is multiplied once: nothing is concatenated.
        """
        widths = [part.shape[-1] for part in parts]
        if self.scheme == "torch":
            kernel_init = bias_init = uniform_fan_in(sum(widths))
        else:
            kernel_init = orthogonal(self.gain) if self.scheme == "orthogonal" else nn.initializers.lecun_normal()
            bias_init = nn.initializers.zeros_init()
        kernel = self.param("kernel", kernel_init, (sum(widths), self.features))
        bias = self.param("bias", bias_init, (self.features,))
        starts = [sum(widths[:place]) for place in range(len(widths))]
        products = [
            project(part, kernel[start : start + width])
            for part, start, width in zip(parts, starts, widths, strict=True)
        ]
        return sum(products[1:], products[0]) + bias


class MLP(nn.Module):
    """Linear layers with relu between them, none after the last.

    Attributes:
        widths: outputs of each layer.
        scheme: how weights start, as in `Linear`.
    """

    widths: tuple[int, ...]
    scheme: str = "torch"

    @nn.compact
    def __call__(self, *parts: Float[Array, "..."]) -> Float[Array, "*batch F"]:
        """The output for the concatenated `parts`, each [*batch, I_k]; their batch axes broadcast."""
        x = Linear(self.widths[0], self.scheme, name="layer_0")(*parts)
        for index, width in enumerate(self.widths[1:], start=1):
            x = Linear(width, self.scheme, name=f"layer_{index}")(jax.nn.relu(x))
        return x


def layer_norm(x: Float[Array, "*batch F"], name: str) -> Float[Array, "*batch F"]:
    """Every row minus its mean, over its deviation, times a learned scale, plus a learned offset (Ba et al. 2016).

    A layer of the module in whose `__call__` it stands.
    """
    return nn.LayerNorm(epsilon=NORM_EPSILON, name=name)(x)
