"""How behaviour departs from greed: ε-greedy with a linear schedule, and uniform play."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Num

from jaxvf import draws
from jaxvf.networks.masks import mask_unavailable


def linear_schedule(
    step: Int[Array, ""],
    start: float | Float[Array, ""],
    end: float | Float[Array, ""],
    duration: float | Num[Array, ""],
) -> Float[Array, ""]:
    """From `start` at step 0 to `end` at step `duration` in a straight line, then flat."""
    return start + (end - start) * jnp.clip(step / jnp.maximum(duration, 1.0), 0.0, 1.0)


def greedy(q: Float[Array, "*#b N A"], avail: Bool[Array, "*#b N A"]) -> Int[Array, "*#b N"]:
    """The available action of highest value, the first of equals."""
    return jnp.argmax(mask_unavailable(q, avail), axis=-1)


def uniform(key: Key[Array, ""], avail: Bool[Array, "*b N A"], num_envs: int) -> Int[Array, "B N"]:
    """A uniformly random available action of every agent, independently in each of `num_envs` environments."""
    return nth_available(draws.uniform(key, (num_envs, avail.shape[-2])), avail)


def epsilon_greedy(
    key: Key[Array, ""],
    q: Float[Array, "*#b N A"],
    avail: Bool[Array, "*#b N A"],
    epsilon: Float[Array, ""],
    num_envs: int,
) -> Int[Array, "B N"]:
    """Greedy, but each agent's own coin replaces its action by a uniform available one with probability ε.

    `q` and `avail` may have size 1 along B; actions always have `num_envs`.
    """
    return explore(key, greedy(q, avail), avail, epsilon, num_envs)


def explore(
    key: Key[Array, ""],
    actions: Int[Array, "*#b N"],
    avail: Bool[Array, "*#b N A"],
    epsilon: Float[Array, ""],
    num_envs: int,
    *,
    together: bool = False,
) -> Int[Array, "B N"]:
    """`actions`, but each agent's own coin (or, with `together`, one for all) replaces them with probability ε."""
    coin, choice = draws.uniform(key, (2, num_envs, avail.shape[-2]))
    coin = coin[:, :1] if together else coin
    return jnp.where(coin < epsilon, nth_available(choice, avail), actions)


def nth_available(fraction: Float[Array, "*#b N"], avail: Bool[Array, "*#b N A"]) -> Int[Array, "*#b N"]:
    """The available action at `fraction` of the way through the list of available ones."""
    rank = jnp.cumsum(avail, axis=-1)
    nth = jnp.floor(fraction * rank[..., -1]).astype(rank.dtype)
    return jnp.argmax(rank > nth[..., None], axis=-1)
