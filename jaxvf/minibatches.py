"""Several passes over one batch in shuffled mini-batches: what learners without replay share."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, Key

from jaxvf.algorithm import Metrics

Carry = TypeVar("Carry")


def epochs(
    step: Callable[[Carry, Any], tuple[Carry, Metrics]],
    carry: Carry,
    pieces: Any,
    key: Key[Array, ""],
    *,
    count: int,
    minibatches: int,
) -> tuple[Carry, Metrics]:
    """`step` on every mini-batch of `count` passes over the pieces, shuffled anew in each pass.

    Args:
        step: (carry, mini-batch) -> carry, metrics.
        carry: what the steps change.
        pieces: leaves [L, C or 1, ...]; a leaf of size 1 is the same in all pieces.
        key: random key.
        count: passes.
        minibatches: equal parts of a pass; whoever calls has refused what would leave a remainder.

    Returns:
        The carry, and the mean of every metric over all steps, but for `skipped`, whose sum counts. Metrics may have
        axes of their own.
    """
    width = max(leaf.shape[1] for leaf in jax.tree.leaves(pieces))
    unpack: list[Any] = []

    def packed(carry: Carry, part: Any) -> tuple[Carry, Float[Array, "K"]]:
        """A step whose metrics are one vector: a loop writes every array of its own in a kernel of its own."""
        carry, metrics = step(carry, part)
        numbers, as_metrics = ravel_pytree(metrics)
        unpack.append(as_metrics)
        return carry, numbers

    def one(carry: Carry, chosen: Int[Array, "b"]) -> tuple[Carry, Float[Array, "K"]]:
        return packed(carry, jax.tree.map(lambda leaf: leaf[:, chosen] if leaf.shape[1] > 1 else leaf, pieces))

    if minibatches == 1:  # order means nothing then, and nothing need be gathered
        carry, numbers = jax.lax.scan(lambda carry, _: packed(carry, pieces), carry, None, length=count)
    else:
        orders = jax.vmap(lambda key: jax.random.permutation(key, width))(jax.random.split(key, count))
        size = width // minibatches
        chosen = orders.reshape(count * minibatches, size)
        carry, numbers = jax.lax.scan(one, carry, chosen)
    metrics = jax.vmap(unpack[-1])(numbers)
    return carry, {name: each.sum(0) if name == "skipped" else each.mean(0) for name, each in metrics.items()}


def nearest_divisor(number: int, wanted: int) -> int:
    """The divisor of `number` nearest to `wanted`: into so many equal parts it can be cut."""
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: abs(d - wanted))
