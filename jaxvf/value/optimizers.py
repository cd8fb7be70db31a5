"""The optimizers of the field, with PyTorch's formulas."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

OPTIMIZERS = ("rmsprop", "adam", "radam")
# Numbers in a leaf below which leaves are summed together; of larger ones a CPU would copy too much.
SMALL = 1024


def make_optimizer(
    kind: str, learning_rate: float | Float[Array, ""], max_grad_norm: float | Float[Array, ""]
) -> optax.GradientTransformation:
    """Global-norm clip, then RMSprop or Adam (PyMARL and PyMARL2), or rectified Adam (PQN).

    Args:
        kind: "rmsprop": smoothing 0.99, ε 1e-5 added outside the root, no momentum. "adam" and "radam": β 0.9 and
            0.999, ε 1e-8.
        learning_rate: step size; may be a traced number.
        max_grad_norm: gradients of larger global L2 norm are scaled down to it.
    """
    if kind == "rmsprop":
        rule = optax.rmsprop(learning_rate, decay=0.99, eps=1e-5, eps_in_sqrt=False, initial_scale=0.0)
    elif kind == "radam":
        rule = optax.radam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)
    else:
        rule = optax.adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)
    return optax.chain(clip_by_global_norm(max_grad_norm), rule)


def clip_by_global_norm(most: float | Float[Array, ""]) -> optax.GradientTransformation:
    """Gradients of a larger `global_norm` than `most` are scaled down to it; optax's formula."""

    def init(params: Any) -> optax.EmptyState:
        return optax.EmptyState()

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        norm = global_norm(updates)
        return jax.tree.map(lambda leaf: jnp.where(norm < most, leaf, leaf / norm * most), updates), state

    return optax.GradientTransformation(init, update)


def global_norm(tree: Any) -> Float[Array, ""]:
    """The L2 norm of all leaves together. Small ones are summed as one array: every sum is a kernel on a GPU."""
    leaves = jax.tree.leaves(tree)
    small = [leaf.ravel() for leaf in leaves if leaf.size < SMALL]
    parts = [leaf for leaf in leaves if leaf.size >= SMALL] + ([jnp.concatenate(small)] if small else [])
    return jnp.sqrt(sum((jnp.sum(part * part) for part in parts), jnp.zeros(())))
