"""How behaviour departs from greed: ε-greedy with a linear schedule, and uniform play."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


def linear_schedule(
    step: Int[Array, ""],
    start: float | Float[Array, ""],
    end: float | Float[Array, ""],
    duration: float | Float[Array, ""],
) -> Float[Array, ""]:
    """From `start` at step 0 to `end` at step `duration` in a straight line, then flat."""
    return start + (end - start) * jnp.clip(step / jnp.maximum(duration, 1.0), 0.0, 1.0)


def greedy(q: Float[Array, "*b N A"], avail: Bool[Array, "*b N A"]) -> Int[Array, "*b N"]:
    """The available action of highest value, the first of equals."""
    return jnp.argmax(mask_unavailable(q, avail), axis=-1)


def mask_unavailable(q: Float[Array, "*b A"], avail: Bool[Array, "*b A"]) -> Float[Array, "*b A"]:
    """`q` with unavailable actions below every available one, whatever its value; finite, so that gradients are too."""
    lowest = jnp.finfo(q.dtype).min
    # Even a diverging network's -inf stays above the mask.
    return jnp.where(avail, jnp.maximum(q, lowest / 2), lowest)


def uniform(key: Key[Array, ""], avail: Bool[Array, "*b N A"], num_envs: int) -> Int[Array, "B N"]:
    """A uniformly random available action of every agent, independently in each of `num_envs` environments."""
    return _nth_available(jax.random.uniform(key, (num_envs, avail.shape[-2])), avail)


def epsilon_greedy(
    key: Key[Array, ""],
    q: Float[Array, "*b N A"],
    avail: Bool[Array, "*b N A"],
    epsilon: Float[Array, ""],
    num_envs: int,
) -> Int[Array, "B N"]:
    """Greedy, but each agent's own coin replaces its action by a uniform available one with probability ε.

    `q` and `avail` may have size 1 along B; actions always have `num_envs`.
    """
    coin, choice = jax.random.uniform(key, (2, num_envs, avail.shape[-2]))
    return jnp.where(coin < epsilon, _nth_available(choice, avail), greedy(q, avail))


def _nth_available(fraction: Float[Array, "B N"], avail: Bool[Array, "*b N A"]) -> Int[Array, "B N"]:
    """The available action at `fraction` of the way through the list of available ones."""
    rank = jnp.cumsum(avail, axis=-1)
    nth = jnp.floor(fraction * rank[..., -1]).astype(rank.dtype)
    return jnp.argmax(rank > nth[..., None], axis=-1)
