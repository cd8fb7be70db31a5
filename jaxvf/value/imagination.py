"""Joint actions that were not taken, for regressions whose targets need no environment (chosen here, for MRVF)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from jaxvf import draws
from jaxvf.value.exploration import nth_available


def imagined_actions(
    key: Key[Array, ""],
    anchor: Int[Array, "F #B N"],
    following: Int[Array, "F #B N"],
    avail: Bool[Array, "F #B N A"],
    count: int,
    deviations: int,
) -> list[Int[Array, "_ F #B N"]]:
    """Joint actions for each frame, along a leading axis; an empty list where none are wanted.

    Args:
        key: random key.
        anchor: p^{k-1}, the first of the imagined ones.
        following: p^k, the second.
        avail: available actions.
        count: imagined joint actions; what is left after anchor and following is uniform.
        deviations: further ones, in which one random agent leaves the anchor for a random action.
    """
    imagined, shape = [], jnp.broadcast_shapes(anchor.shape, avail.shape[:-1])
    anchor, following = (jnp.broadcast_to(actions, shape) for actions in (anchor, following))
    uniform_key, agent_key, deviation_key = jax.random.split(key, 3)
    if count:
        random = nth_available(draws.uniform(uniform_key, (max(count - 2, 0), *shape)), avail)
        imagined.append(jnp.concatenate([anchor[None], following[None], random])[:count])
    if deviations:
        random = nth_available(draws.uniform(deviation_key, (deviations, *shape)), avail)
        n_agents = shape[-1]
        leaving = jax.random.randint(agent_key, (deviations, *shape[:-1], 1), 0, n_agents) == jnp.arange(n_agents)
        imagined.append(jnp.where(leaving, random, anchor))
    return imagined
