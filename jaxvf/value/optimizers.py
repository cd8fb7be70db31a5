"""The two optimizers of the field, with PyTorch's formulas."""

import optax
from jaxtyping import Array, Float

OPTIMIZERS = ("rmsprop", "adam")


def make_optimizer(
    kind: str, learning_rate: float | Float[Array, ""], max_grad_norm: float | Float[Array, ""]
) -> optax.GradientTransformation:
    """Global-norm clip, then RMSprop or Adam (PyMARL and PyMARL2).

    Args:
        kind: "rmsprop": smoothing 0.99, ε 1e-5 added outside the root, no momentum. "adam": β 0.9 and 0.999, ε 1e-8.
        learning_rate: step size; may be a traced number.
        max_grad_norm: gradients of larger global L2 norm are scaled down to it.
    """
    if kind == "rmsprop":
        rule = optax.rmsprop(learning_rate, decay=0.99, eps=1e-5, eps_in_sqrt=False, initial_scale=0.0)
    else:
        rule = optax.adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)
    return optax.chain(optax.clip_by_global_norm(max_grad_norm), rule)
